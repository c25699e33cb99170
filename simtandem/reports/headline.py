"""The first sentence about a run, made from its document: the same in the terminal, in Prefect's UI and on its page."""

import shlex
from collections.abc import Mapping
from typing import Any

from schemas.statuses import StoppedBy, Verdict
from simtandem.text.formats import of, spoken

_STOPPED = {
    StoppedBy.OPERATOR: "Stopped by you",
    StoppedBy.PREFECT: "Cancelled in Prefect",
    StoppedBy.STOP_RULE: "Stopped by the stop rule",
    StoppedBy.WAVE: "Stopped after a wave",
    StoppedBy.ERROR: "Stopped by an error",
    StoppedBy.KILLED: "Ended before it was done",
}
_UNDER_WAY = {"waiting": "Waits for approval", "paused": "Paused"}


def headline(document: Mapping[str, Any]) -> str:
    """How many rows are in sync; of a run that was stopped also by whom, and what became of all other rows."""
    if document.get("refusal"):
        return f"Refused before anything was sent: {of(document['input']['rows'], 'row')} left as they were"
    who = stopped(document)
    if who:
        return f"{who}: {', '.join(f'{count:,} {words}' for count, words in parts(document))}"
    rows, in_sync = document["input"]["rows"], document["verdicts"].get(Verdict.IN_SYNC, 0)
    return f"{in_sync:,} of {of(rows, 'row')} {'is' if rows == 1 else 'are'} in sync"


def stopped(document: Mapping[str, Any]) -> str:
    """By whom or what a run was stopped, or that it still runs; empty for a run that came to its end."""
    if stop := document.get("stopped"):
        return _STOPPED[StoppedBy(stop["by"])]
    if document.get("exit_code", 0) is not None:
        return ""
    return _UNDER_WAY.get(document.get("state", ""), "Still running")


def parts(document: Mapping[str, Any]) -> list[tuple[int, str]]:
    """What became of the rows: counts and words that add up to all rows; zeros are left out, but for in sync."""
    verdicts = dict(document["verdicts"])
    in_sync, skipped = verdicts.pop(Verdict.IN_SYNC, 0), verdicts.pop(Verdict.SKIPPED, 0)
    half = (document.get("not_sent") or {}).get("half_done", 0)
    others = [(count, spoken(word)) for word, count in verdicts.items()]
    never = "not begun" if half else "not sent"
    if not document.get("stopped") and document.get("exit_code", 0) is None:  # it is under way
        never = "not sent yet"
    told = [(half, "partly changed"), (skipped - half, never), *others]
    return [(in_sync, "in sync"), *((count, words) for count, words in told if count)]


def retry_command(document: Mapping[str, Any]) -> str:
    """The command that continues what a run left open; empty where it would change nothing.

    Which that is, `reports.left_open` has decided from the rows.
    """
    return "" if document.get("refusal") and not document.get("state") else str(document.get("next", ""))


def next_lines(document: Mapping[str, Any]) -> list[str]:
    """What to do next, a sentence a line: the command that continues, and what to do about rows that no run changes."""
    go_on = retry_command(document)
    return [*([f"To continue: {go_on}"] if go_on else []), *document.get("instead", [])]


def command(verb: str, document: Mapping[str, Any]) -> str:
    """A command about this run, as it can be pasted into a shell."""
    owners = " --change-owners" if document["plan"].get("owner_changes") else ""  # older documents don't count them
    return f"simtandem {verb} {shlex.quote(document['run_id'])}{owners}"
