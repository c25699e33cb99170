"""What to do after a run, in sentences: made from the counts, the findings and the invalid rows."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from schemas import own_columns
from schemas.own_columns import Places
from schemas.statuses import Finding, Outcome, StoppedBy, Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.charge_words import known
from simtandem.domain.labels import finding_labels
from simtandem.domain.left_rows import RETRIED, barred, left_rows
from simtandem.domain.safety import unlimited
from simtandem.domain.verdicts import to_retry
from simtandem.reports.headline import command, parts, retry_command, stopped
from simtandem.reports.run_commands import in_account
from simtandem.reports.run_document import Document
from simtandem.reports.urgency import explanations
from simtandem.text.formats import named_rows, of
from simtandem.text.shell_line import shell_line

_MOST_INVALID = 10
_ONE_FILE = Places(own_columns.none())
_CHARGED = "charged this month (UTC) and every month it stays so"
_SPLITS = {
    Finding.PAYING_BUT_OFF: f"{{}} {_CHARGED}.",
    Finding.SIM_WITHOUT_ENDPOINT: f"{{}} {_CHARGED}. Assign an endpoint, or end the charge.",
    Finding.ON_BUT_DEAD: "{} not charged, although the device appears active.",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do: `headline` says what is the matter, `text` what to do, `command` how. `details` are examples."""

    headline: str
    text: str
    command: str = ""
    details: tuple[str, ...] = ()
    urgent: bool = False


def next_steps(
    document: Document, examined: pl.DataFrame, invalid: pl.DataFrame, places: Places = _ONE_FILE
) -> list[Advice]:
    """What to do next, the most pressing first; never empty.

    `examined` comes from `urgency.examine`, `invalid` is a `schemas.tables.Rejected`, `places` say where rows are.
    """
    return [*_steps(document, examined, invalid, places), *_warnings(document)]


def _steps(document: Document, examined: pl.DataFrame, invalid: pl.DataFrame, places: Places) -> list[Advice]:
    if document.get("state"):
        return [
            *_splits(document, examined, places),
            *_unfinished(document),
            *_refused(document, examined),
            *_cells(document, invalid, places),
        ]
    if document.get("refusal"):
        return [_gate(document), *_cells(document, invalid, places)]
    steps = [*_splits(document, examined, places), *_retry(document, examined), *_moved(document, examined, places)]
    steps += [*_refused(document, examined), *_cells(document, invalid, places)]
    return [*(steps or [_rest(document)]), *_throttled(document), *_unlimited(document)]


def _unfinished(document: Document) -> list[Advice]:
    """What to do about a run that recorded no end: it runs, it waits, or its process is gone."""
    if not document.get("stopped") and not document.get("refusal"):
        paused = document.get("state") == "paused"
        text = "Nothing is sent until it continues." if paused else "Write this page again later."
        go_on = f"simtandem {'resume' if paused else 'report'} {shlex.quote(document['run_id'])}"
        return [Advice(f"{stopped(document)}: this is what is known so far", text, go_on)]
    if document.get("finished_by"):
        return [_finished(document)]
    sent = sum(document["outcomes"].get(each, 0) for each in (Outcome.APPLIED, Outcome.UNKNOWN, Outcome.ACCEPTED))
    why = document["stopped"]["why"] if document.get("stopped") else document["refusal"]
    text = f"{why.rstrip('.')}. " if why else ""
    if sent:
        text += "The carrier was not read after the last call. The next run reads it and sends only what is missing."
    else:
        text += "Nothing was changed. The next run sends everything."
    if not document.get("next"):
        text += " Start it again where it was started."
    return [Advice("Continue where the run ended", text, document.get("next", ""))]


def _finished(document: Document) -> Advice:
    by = document["finished_by"]
    text = f"Run {by} has brought what this run had left open to where it was to be. This shows its report:"
    return Advice("What this run left open is done", text, f"simtandem report {shlex.quote(by)}")


def _gate(document: Document) -> Advice:
    text = f"{document['refusal']} It does so only after you have seen that the plan is what you want."
    return Advice("The plan was refused: look at plan.csv", text)


def _splits(document: Document, examined: pl.DataFrame, places: Places) -> list[Advice]:
    found = []
    labels = finding_labels(lifecycle_of(document["carrier"]))
    for split, text in _SPLITS.items():
        rows = examined.filter(pl.col("split") == split)
        if rows.is_empty():
            continue
        one = rows.height == 1
        headline = f"{labels[split].name}: {of(rows.height, 'device')}"
        how, command = _repair(rows, document)
        details = (_named(rows["row"].to_list(), places),)
        found.append(
            Advice(
                headline,
                f"{labels[split].meaning} {text.format('It is' if one else 'Each is')} {how}",
                command,
                details,
                urgent=True,
            )
        )
    return found


def _named(rows: Sequence[int], places: Places) -> str:
    return named_rows(rows, None if places.known is None else places)


def _repair(rows: pl.DataFrame, document: Document) -> tuple[str, str]:
    """How split pairs are repaired: by a retry, or by an audit where the run did not split them."""
    if not document.get("stopped") and document.get("exit_code", 0) is None:
        return "The run is under way: it has still to send what is missing.", ""
    if by := document.get("finished_by"):
        return f"That was when this run ended; run {by} has sent what was missing since.", ""
    if (rows["verdict"].is_in(RETRIED) & ~barred(rows, lifecycle_of(document["carrier"]))).all():
        return "A retry of this run, see below, sends what is missing.", ""
    audit = in_account("simtandem audit", document["account"])
    return "An audit finds every such pair of the fleet and writes a file that repairs them:", audit


def _retry(document: Document, examined: pl.DataFrame) -> list[Advice]:
    verdicts = document["verdicts"]
    if not any(verdicts.get(word, 0) for word in RETRIED):
        return []
    if document.get("finished_by"):
        return [_finished(document)]
    words = {"partly changed", "not begun", "not sent", *RETRIED}
    open_kinds = [f"{rows:,} {word}" for rows, word in parts(document) if word in words]
    if not (go_on := retry_command(document)):
        return _no_way(document, examined)
    count = to_retry(examined).height
    are, them = ("is", "it") if count == 1 else ("are", "them")
    why = [f"{of(rows, 'row')}: {sentence}" for sentence, rows in _why(examined)]
    text = f"{', '.join(open_kinds)}. A retry reads {them} again and sends only what is missing."
    stop = document.get("stopped")
    if stop and stop["by"] in (StoppedBy.STOP_RULE, StoppedBy.WAVE, StoppedBy.ERROR):
        text = f"Find out first what went wrong ({stop['why']}). {text}"
    return [
        Advice(f"{of(count, 'row')} {are} in retry.csv", text, go_on, tuple(why)),
        *_no_way(document, examined),
    ]


def _no_way(document: Document, examined: pl.DataFrame) -> list[Advice]:
    """Rows that were to be sent and that no run can change from where they are now."""
    rows = examined.filter(barred(examined, lifecycle_of(document["carrier"])))
    if rows.is_empty():
        return []
    told = left_rows(rows, lifecycle_of(document["carrier"])).instead
    return [Advice(f"{of(rows.height, 'row')} can't be changed from where they are", "No run sends them:", "", told)]


def _why(examined: pl.DataFrame) -> list[tuple[str, int]]:
    return [pair for verdict in RETRIED for pair in explanations(examined, verdict)]


def _moved(document: Document, examined: pl.DataFrame, places: Places) -> list[Advice]:
    count = document["verdicts"].get(Verdict.CHANGED_BY_OTHERS, 0)
    if not count:
        return []
    text = (
        "They are not as this run left them. Find out who changed them before you send the same again: another run of "
        "simtandem, someone else (API or Portal), or the carrier. Then compare:"
    )
    rows = examined.filter(pl.col("verdict") == Verdict.CHANGED_BY_OTHERS)["row"].to_list()
    why = [f"{of(shared, 'row')}: {sentence}" for sentence, shared in explanations(examined, Verdict.CHANGED_BY_OTHERS)]
    verb = "was" if count == 1 else "were"
    headline = f"{of(count, 'row')} {verb} changed by others or by another run"
    return [Advice(headline, text, _compare(document), (_named(rows, places), *why))]


def _compare(document: Document) -> str:
    """The command that compares the list of the run with the carrier; empty where that list is in no file."""
    known = document.get("compare")
    reconcile = f"simtandem reconcile {shell_line([document['input']['file']])}"
    return in_account(reconcile, document["account"]) if known is None else known


def _refused(document: Document, examined: pl.DataFrame) -> list[Advice]:
    count = document["verdicts"].get(Verdict.REFUSED, 0)
    if not count:
        return []
    planned = examined.filter(pl.col("desired").is_not_null())
    why = [f"{of(rows, 'row')}: {sentence}" for sentence, rows in explanations(planned, Verdict.REFUSED, 5)]
    text = "The carrier has no allowed way from the state they are in to the one asked for; nothing was sent for them."
    return [Advice(f"{of(count, 'row')} {'was' if count == 1 else 'were'} refused", text, details=tuple(why))]


def _cells(document: Document, invalid: pl.DataFrame, places: Places) -> list[Advice]:
    count = document["input"]["invalid"]
    if not count:
        return []
    details = [
        f"{_at(row, places)}, column {column}: “{value}”: {reason}"
        for row, column, value, reason in invalid.select("row", "column", "value", "reason")
        .head(_MOST_INVALID)
        .iter_rows()
    ]
    if count > len(details):
        details.append(f"and {count - len(details):,} more in invalid.csv")
    text = (
        "Correct these cells in your file and run it again; nothing is sent for devices already in their target state."
    )
    return [Advice(f"{of(count, 'row')} {'is' if count == 1 else 'are'} invalid", text, details=tuple(details))]


def _at(row: int, places: Places) -> str:
    return f"Row {row}" if places.known is None else places(row)


def _warnings(document: Document) -> list[Advice]:
    return [Advice("How this run was made", warning, urgent=True) for warning in document.get("warnings", [])]


def _unlimited(document: Document) -> list[Advice]:
    """That no setting limits the number of newly billed SIMs."""
    billing = document.get("billing")
    rules = lifecycle_of(document["carrier"])
    note = unlimited(document["plan"]["newly_billed"], billing["limit"], rules) if billing else ""
    what = "what a run may bill" if known(rules) else "how many SIMs a run may activate"
    return [Advice(f"Nothing limits {what}", note)] if note else []


def _throttled(document: Document) -> list[Advice]:
    count = document["calls"]["throttled"]
    if not count:
        return []
    text = (
        "Other programs or the Portal use the same rate limit. If this happens often, leave them a larger share with "
        "SIMTANDEM_CALLS_RESERVE. Nothing was lost: simtandem sent these calls again."
    )
    return [Advice(f"{of(count, 'call')} rate-limited (HTTP 429)", text)]


def _rest(document: Document) -> Advice:
    """What is left to say where nothing above applies."""
    rows = document["input"]["rows"]
    others = rows - document["verdicts"].get(Verdict.IN_SYNC, 0)
    if others:
        text = (
            "They were not compared with the carrier afterwards, or the record does not say why they differ. Compare:"
        )
        compare = _compare(document)
        return Advice(f"{of(others, 'row')} {'is' if others == 1 else 'are'} not known to be in sync", text, compare)
    if not rows:
        return Advice("Nothing to do", "The file names no devices.")
    if not document["outcomes"].get(Outcome.APPLIED, 0):
        return Advice("Nothing to do", "Every device was already in its target state.")
    text = "Every device is in its target state. If the run was a mistake, this shows the plan of its undo, and asks:"
    return Advice("Nothing to do", text, command("undo", document))
