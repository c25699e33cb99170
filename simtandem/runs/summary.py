"""What became of a run, in one sentence or two, for people: the state in Prefect's UI, a message."""

import polars as pl

from schemas.own_columns import Places
from schemas.parameters import Mode
from schemas.statuses import Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.safety import for_good, unlimited
from simtandem.reports.headline import headline, parts, retry_command, stopped
from simtandem.reports.run_document import Document
from simtandem.runs.prepare import problems
from simtandem.runs.run import Run
from simtandem.runs.run_folder import PlanRecord

_LONGEST = 240


def ending(document: Document, trouble: str = "", record: str = "") -> str:
    """Counts, the first row that is not as asked, the plan's digest, the run's id, and the head of its record."""
    told = _planned(document) if only_planned(document) else _done(document)
    rules = lifecycle_of(document.get("carrier", "emnify"))
    note = unlimited(document["plan"]["newly_billed"], document.get("billing", {"limit": 0})["limit"], rules)
    first = f" First: {trouble}" if trouble else ""
    notes = " ".join(["", *filter(None, [record, note]), *document.get("warnings", [])])
    return f"{told}{first} Plan {document['digest']}, run {document['run_id']}.{notes}"


def so_far(document: Document) -> str:
    """As `ending`, of a run whose process is gone, perhaps before it wrote any file: counts, and what continues it."""
    return f"{_done(document)} Run {document['run_id']}."


def only_planned(document: Document) -> bool:
    """Whether nothing was to be sent."""
    return "results" not in document["files"]


def waiting(plan: PlanRecord, excess: str, lifecycle: Lifecycle) -> str:
    """What a run waits for, and what it would do; first of all what can't be undone."""
    first = for_good(plan["billed_for_good"], lifecycle)
    note = unlimited(plan["newly_billed"], plan["newly_billed_limit"], lifecycle)
    why = " ".join(each for each in (first, excess or "Approval was asked for.") if each)
    beside = "".join(f" {each}" for each in plan.get("consequences", []))
    return (
        f"{why} Plan {plan['digest']}: {plan['summary']}.{beside} "
        "Nothing is sent before someone approves it."
        f"{note and ' '}{note}"
    )


def first_trouble(run: Run) -> str:
    """The first row that is not as asked, and why; empty where all are."""
    if run.request.mode is Mode.PLAN:
        found = problems(run.folder)[:1]
    else:
        found = [(int(str(row["row"])), str(row["why"])) for row in open_rows(run)[:1]]
    places = Places(run.folder.own())
    return "".join(f"{places(row)}: {_short(why)}" for row, why in found)


def open_rows(run: Run) -> list[dict[str, object]]:
    """The rows that did not become as asked: which, what became of each, and why."""
    results = run.ledger.results(run.run_id).filter(pl.col("verdict") != Verdict.IN_SYNC)
    told = pl.when(pl.col("error") != "").then("error").otherwise("reason")
    return results.select("row", "sim_id", "endpoint_id", "verdict", why=told).to_dicts()


def _planned(document: Document) -> str:
    refusal = document.get("refusal", "").partition("\n")[0]
    return (
        f"{document['plan'].get('summary', '')}. Only planned: nothing was sent."
        f"{' It would be refused: ' if refusal else ''}{refusal}"
    )


def _done(document: Document) -> str:
    if stopped(document):
        go_on = retry_command(document)
        recorded = f"What was done is recorded{f'; to continue: {go_on}' if go_on else ''}."
        return f"{headline(document)}. {recorded}{_instead(document)}"
    counts = [f"{count:,} {words}" for count, words in parts(document)[1:]]
    told = ", ".join([f"{document['verdicts']['in_sync']} of {document['input']['rows']} rows in sync", *counts])
    return f"{told}.{_instead(document)}"


def _instead(document: Document) -> str:
    """Where a retry would send nothing: what to do about the rows that are left, the first two sentences of it."""
    sentences = [] if retry_command(document) else document.get("instead", [])
    return "".join(f" {_short(each)}" for each in sentences[:2])


def _short(text: str) -> str:
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return line if line.endswith((".", "…")) else f"{line}."
