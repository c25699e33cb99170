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
    StoppedBy.ERROR: "Stopped by an error",
    StoppedBy.KILLED: "Ended before it was done",
}
RETRIED = (Verdict.FAILED, Verdict.UNKNOWN, Verdict.SKIPPED)
"""Verdicts of rows that a retry sends again."""


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
    return "Waits for approval" if document.get("state") == "waiting" else "Still running"


def parts(document: Mapping[str, Any]) -> list[tuple[int, str]]:
    """What became of the rows: counts and words that add up to all rows; zeros are left out, but for in sync."""
    verdicts = dict(document["verdicts"])
    in_sync, skipped = verdicts.pop(Verdict.IN_SYNC, 0), verdicts.pop(Verdict.SKIPPED, 0)
    half = (document.get("not_sent") or {}).get("half_done", 0)
    others = [(count, spoken(word)) for word, count in verdicts.items()]
    never = "not begun" if half else "not sent"
    told = [(half, "partly changed"), (skipped - half, never), *others]
    return [(in_sync, "in sync"), *((count, words) for count, words in told if count)]


def retry_command(document: Mapping[str, Any]) -> str:
    """The command that retries what a run left open; empty where there is nothing to retry."""
    if document.get("state"):
        return str(document.get("next", ""))
    if document.get("refusal") or not any(document["verdicts"].get(word, 0) for word in RETRIED):
        return ""
    return command("retry", document)


def command(verb: str, document: Mapping[str, Any]) -> str:
    """A command about this run, as it can be pasted into a shell."""
    owners = " --change-owners" if document["plan"].get("owner_changes") else ""  # older documents don't count them
    return f"simtandem {verb} {shlex.quote(document['run_id'])}{owners}"
