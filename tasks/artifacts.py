"""What a run shows in Prefect's UI: its plan, how far it is, what it refused and why, and its result.

All of it is best effort: a server that is slow or away for a while must not stop or slow the patching. What belongs to
one run has no key: a key leads to a page of all runs, where a reader might open another run's plan.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from schemas.parameters import Mode
from schemas.statuses import Finding
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import reason_groups
from simtandem.domain.labels import finding_labels
from simtandem.domain.safety import for_good, unlimited
from simtandem.reports.audit_document import AuditDocument
from simtandem.reports.headline import headline, parts, retry_command
from simtandem.reports.run_document import Document
from simtandem.runs.audit_report import PeriodReport
from simtandem.runs.prepare import problems
from simtandem.runs.run_folder import IntakeRecord, PlanRecord
from simtandem.runs.summary import only_planned, open_rows
from simtandem.text import escaping
from simtandem.text.escaping import Markdown, markdown, prose, table_cell
from simtandem.text.formats import duration
from tasks.session import Session

Made = TypeVar("Made")

log = logging.getLogger("simtandem.artifacts")

_PATIENCE_S = 4.0
_SILENCE_S = 20.0
_FIRST_ROWS = 200
_REASONS = 20


async def show_plan(session: Session) -> None:
    """The plan's counts, and the first rows that are invalid or refused."""
    intake, plan = session.run.folder.intake(), session.run.folder.plan_counts()
    note = unlimited(plan["newly_billed"], plan["newly_billed_limit"])
    heading = markdown("## Plan {} for {}\n\nRun {}", plan["digest"], intake["file"], session.run.run_id)
    says = markdown("**{}**", prose(plan["summary"]))
    text = _paragraphs(
        [heading, says, *_consequences(plan), *_reasons(session), _counts(_plan_counts(intake, plan)), prose(note)]
    )
    await _show(text, f"The plan: what would be sent ({plan['digest']})")
    await _try(_name_run(session, plan["devices"], intake["file"]))
    found = problems(session.run.folder)
    if found:
        more = f", the first {_FIRST_ROWS}" if len(found) > _FIRST_ROWS else ""
        told = f"Invalid or refused: {len(found)} rows{more}; all of them in invalid.csv and plan.csv"
        await _show_table([{"row": row, "reason": reason} for row, reason in found[:_FIRST_ROWS]], told)


def _consequences(plan: PlanRecord) -> list[Markdown]:
    """What the moves cost besides, and what they don't end."""
    return [markdown("- {}", prose(each)) for each in plan.get("consequences", [])]


def _reasons(session: Session) -> list[Markdown]:
    """Why rows are refused or invalid: how many for each reason, and one example."""
    folder = session.run.folder
    groups = [
        *(("refused", each) for each in reason_groups.refused(folder.table("plan.parquet"))),
        *(("invalid", each) for each in reason_groups.invalid(folder.table("rejected.parquet"))),
    ]
    return [
        markdown("- {} {}: {} (row {}: {})", each.count, prose(word), prose(each.reason), each.row, prose(each.example))
        for word, each in groups[:_REASONS]
    ]


def _plan_counts(intake: IntakeRecord, plan: PlanRecord) -> dict[str, object]:
    return {
        "rows in the file": intake["rows"],
        "invalid rows": intake["invalid"],
        "devices": plan["devices"],
        "already in target state": plan["unchanged"],
        "refused moves": plan["refused"],
        "SIMs to change": plan["sim_changes"],
        "endpoints to change": plan["endpoint_changes"],
        **({"owners to change": plan["owner_changes"]} if plan["owner_changes"] else {}),
        "newly billed": plan["newly_billed"],
        "of them permanently": plan["billed_for_good"],
        "calls": plan["calls"],
        "takes at least": duration(plan["eta_s"]),
    }


async def show_approval(session: Session, excess: str, moved: list[dict[str, object]]) -> None:
    """Why the run waits, and what differs from the plan that was approved before, if one was."""
    plan = session.run.folder.plan_counts()
    first = for_good(plan["billed_for_good"], session.run.lifecycle)
    parts = [
        markdown("## Waits for approval of plan {}", plan["digest"]),
        markdown("**{}**", prose(first)) if first else markdown(""),
        markdown("{}", prose(plan["summary"])),
        *_consequences(plan),
        prose(excess or "Approval was asked for."),
        markdown("Resume the run from its menu: the form asks for the decision, who makes it, and why."),
    ]
    if moved:
        moved_since = "**{} rows moved after the plan was decided on**: this plan needs a new decision."
        parts.append(markdown(moved_since, len(moved)))
    await _show(_paragraphs(parts), "Approval: a decision is needed")
    if moved:
        await _show_table(moved[:_FIRST_ROWS], "Moved: rows that the new plan treats differently")


async def show_result(session: Session, document: Document) -> None:
    """Verdicts, outcomes, calls, where the files are, and the first rows that are not in sync."""
    planned, go_on = only_planned(document), retry_command(document)
    parts = [
        markdown("## {}", prose("Only planned" if planned else headline(document))),
        _counts(_result_counts(document)),
        markdown("To continue: {}", go_on) if go_on and not planned else markdown(""),
        _where(session, document["files"]),
    ]
    await _show(_paragraphs(parts), "The result: every count, and where the files are")
    left = [] if planned else open_rows(session.run)
    if left:
        more = f", the first {_FIRST_ROWS}" if len(left) > _FIRST_ROWS else ""
        told = f"Not in sync: {len(left)} rows{more}; results.csv has every row, retry.csv the rows to retry"
        await _show_table(left[:_FIRST_ROWS], told)


def _result_counts(document: Document) -> dict[str, object]:
    counts = [(name, count) for count, name in parts(document)]
    counts += [(f"steps {name}", count) for name, count in document["outcomes"].items()]
    calls, billed = document["calls"], document["changed"]["newly_billed"]
    where = f"{document['carrier']} at {document['carrier_host']}, account {document['account']}"
    return {
        **{name: count for name, count in counts if count},
        "newly billed (planned)": prose(f"{billed} ({document['plan']['newly_billed']})"),
        "calls (retried, rate-limited)": prose(f"{calls['total']} ({calls['retried']}, {calls['throttled']})"),
        "took": prose(duration(document["seconds"])),
        "carrier": prose(where),
    }


def _where(session: Session, files: dict[str, str]) -> Markdown:
    names = _joined(", ", [markdown("{}", Path(path).name) for path in files.values()])
    run = session.run
    return markdown("Run {}. On the machine that ran it, in {}: {}", run.run_id, str(run.folder.path), names)


async def show_audit(document: AuditDocument) -> None:
    """What an audit of the fleet found, and where its files are."""
    found = document["findings"]
    labels = finding_labels(lifecycle_of(document.get("carrier", "emnify")))
    heading = markdown("## {} findings in {} SIMs", sum(found.values()), document["sims"])
    run = markdown("Run {}, on the machine that ran it:", document["run_id"])
    text = _paragraphs(
        [
            heading,
            _counts({labels[Finding(name)].name: count for name, count in found.items()}),
            run,
            _files(document["files"]),
        ]
    )
    await _show(text, "What the audit found", "audit")


def _counts(counts: Mapping[str, object]) -> Markdown:
    """A table of names and numbers."""
    names = [prose(name.replace("_", " ")) for name in counts]
    values = [each if isinstance(each, int | Markdown) else prose(str(each)) for each in counts.values()]
    rows = [markdown("| {} | {} |", name, value) for name, value in zip(names, values, strict=True)]
    return _joined("\n", [markdown("| | |\n|---|---:|"), *rows])


def _files(files: Mapping[str, str]) -> Markdown:
    return _joined("\n", [markdown("- {}: {}", prose(name), path) for name, path in files.items()])


def _paragraphs(texts: Sequence[Markdown]) -> Markdown:
    return markdown("{}\n", _joined("\n\n", [text for text in texts if text]))


def _joined(between: str, texts: Sequence[Markdown]) -> Markdown:
    return markdown(between.join(["{}"] * len(texts)), *texts)


async def _show(text: Markdown, description: str, key: str | None = None) -> None:
    await _try(acreate_markdown_artifact(text, key=key, description=prose(description)))


async def _show_table(rows: Sequence[Mapping[str, object]], description: str, key: str | None = None) -> None:
    cells = [{name: table_cell(value) for name, value in row.items()} for row in rows]
    await _try(acreate_table_artifact(cells, key=key, description=prose(description)))


async def _name_run(session: Session, devices: int, file: str) -> None:
    """What the run does, now that it is known: `activated · 1,250 devices · depot-7.csv`."""
    request = session.run.request
    wishes = session.run.folder.table("devices.parquet")["desired"].unique().sort()
    wish = ", ".join("owners alone" if each is None else str(each).replace("_", " ") for each in wishes)
    name = f"{'plan ' if request.mode is Mode.PLAN else ''}{wish} · {devices:,} devices · {file}"
    async with get_client() as client:
        await client.update_flow_run(UUID(str(flow_run.id)), name=escaping.name(name))


def name_of_run(told: str) -> str:
    """The name of a flow run, for any file name."""
    return escaping.name(told)


async def show_arrivals(files: list[dict[str, Any]]) -> None:
    """The files that were taken from an inbox, and what is to be said of each."""
    told = f"{len(files)} files taken" if len(files) > 1 else "1 file taken"
    await _show_table(files[:_FIRST_ROWS], told, "arrivals")


async def show_audit_report(written: PeriodReport) -> None:
    """The period, how many runs it had, and where the reports are."""
    heading = markdown("## {} runs from {} to {}", written["runs"], prose(written["since"]), prose(written["until"]))
    text = _paragraphs([heading, _files(written["files"])])
    await _show(text, "Reports on the runs of a period", "audit-report")


class Progress:
    """A progress artifact, moved on once for each batch."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._done = 0
        self._artifact: UUID | None = None

    async def begin(self) -> None:
        """Show it, at nothing done."""
        told = f"Progress: {self._batches} batches"
        self._artifact = await _try(acreate_progress_artifact(0.0, description=told))

    async def batch_done(self) -> None:
        """One batch more."""
        self._done += 1
        if self._artifact is not None:
            told = f"Progress: {self._done} of {self._batches} batches"
            await _try(aupdate_progress_artifact(self._artifact, 100.0 * self._done / self._batches, told))


class _Patience:
    """Waits briefly for a slow server; after one that did not answer in time, nothing is shown for a while."""

    def __init__(self) -> None:
        self.until = 0.0

    async def attempt(self, making: Coroutine[Any, Any, Made]) -> Made | None:
        """What was made; nothing where it could not be shown."""
        if time.monotonic() < self.until:
            making.close()
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await making
        except TimeoutError:
            self.until = time.monotonic() + _SILENCE_S
            log.info("Prefect does not answer; nothing is shown there for %s s", _SILENCE_S)
        except Exception as error:  # noqa: BLE001 - any error: the run continues
            log.info("An artifact could not be shown: %s", error)
        return None


_try = _Patience().attempt
