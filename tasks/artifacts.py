"""What a run shows in Prefect's UI: its plan, what it refused and why, and its result.

All of it is best effort: a server that is slow or away for a while must not stop or slow the patching. At the end
nothing waits any more: there, a server that is away is waited for, if its UI is where people look for the result. What
belongs to one run has no key: a key leads to a page of all runs, where a reader might open another run's plan.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from schemas.own_columns import Places
from schemas.parameters import Mode
from schemas.statuses import Finding
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import reason_groups
from simtandem.domain.charge_words import known, newly
from simtandem.domain.labels import finding_labels
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.safety import for_good, unlimited
from simtandem.domain.waves import WaveResult
from simtandem.reports import device_rows
from simtandem.reports.audit_document import AuditDocument, found
from simtandem.reports.headline import headline, next_lines, parts
from simtandem.reports.run_document import Document, with_rows
from simtandem.runs.audit_report import PeriodReport
from simtandem.runs.run_folder import IntakeRecord, PlanRecord
from simtandem.runs.summary import only_planned
from simtandem.settings import Settings
from simtandem.text import escaping
from simtandem.text.escaping import Markdown, joined, markdown, prose, table_cell
from simtandem.text.formats import duration
from tasks.best_effort import attempt, insist
from tasks.file_links import where_files_are, where_reports_are
from tasks.session import Session
from tasks.this_flow_run import is_of_a_deployment

_FIRST_ROWS = 200
_REASONS = 20


async def show_plan(session: Session) -> None:
    """The plan's counts, and its first devices: those that are invalid or refused come first."""
    intake, plan = session.run.folder.intake(), session.run.folder.plan_counts()
    note = unlimited(plan["newly_billed"], plan["newly_billed_limit"], session.run.lifecycle)
    heading = markdown("## Plan {} for {}\n\nRun {}", plan["digest"], intake["file"], session.run.run_id)
    says = markdown("**{}**", prose(plan["summary"]))
    text = _paragraphs(
        [
            heading,
            *_selection(plan),
            says,
            *_consequences(plan),
            *_reasons(session),
            _counts(_plan_counts(intake, plan, session.run.lifecycle)),
            prose(note),
        ]
    )
    await _show(text, f"The plan: what would be sent ({plan['digest']})")
    await attempt(_name_run(session, plan["devices"], intake["file"]))
    table, rejected = session.run.folder.table("plan.parquet"), session.run.folder.table("rejected.parquet")
    rows = device_rows.of_plan(table, rejected, _FIRST_ROWS, Places(session.run.folder.own()))
    await _show_devices(
        rows, table.height + rejected.height, "Plan by device: invalid and refused rows first", "plan.csv"
    )


def _selection(plan: PlanRecord) -> list[Markdown]:
    """What the devices were selected by, where they were."""
    said = plan.get("selection")
    return [markdown("Selected {} of {} devices: {}", said["selected"], said["listed"], said["where"])] if said else []


def _consequences(plan: PlanRecord) -> list[Markdown]:
    """What the moves cost besides, and what they don't end."""
    return [markdown("- {}", prose(each)) for each in plan.get("consequences", [])]


def _reasons(session: Session) -> list[Markdown]:
    """Why rows are refused or invalid: how many for each reason, and one example."""
    folder = session.run.folder
    places = Places(folder.own())
    groups = [
        *(("refused", each) for each in reason_groups.refused(folder.table("plan.parquet"))),
        *(("invalid", each) for each in reason_groups.invalid(folder.table("rejected.parquet"))),
    ]
    return [
        markdown(
            "- {} {}: {} ({}: {})",
            each.count,
            prose(word),
            prose(each.reason),
            prose(places(each.row)),
            prose(each.example),
        )
        for word, each in groups[:_REASONS]
    ]


def _plan_counts(intake: IntakeRecord, plan: PlanRecord, lifecycle: Lifecycle) -> dict[str, object]:
    return {
        "rows in the file": intake["rows"],
        "invalid rows": intake["invalid"],
        "devices": plan["devices"],
        "already in target state": plan["unchanged"],
        "refused moves": plan["refused"],
        "SIMs to change": plan["sim_changes"],
        "endpoints to change": plan["endpoint_changes"],
        **({"owners to change": plan["owner_changes"]} if plan["owner_changes"] else {}),
        newly(lifecycle): plan["newly_billed"],
        "of them permanently" if known(lifecycle) else "of them without a way back": plan["billed_for_good"],
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
        parts.append(
            markdown("**{} rows moved after the plan was decided on**: this plan needs a new decision.", len(moved))
        )
    await _show(_paragraphs(parts), "Approval: a decision is needed")
    if moved:
        await _show_table(moved[:_FIRST_ROWS], "Moved: rows that the new plan treats differently")


async def show_wave(session: Session, result: WaveResult, why: str) -> None:
    """What became of a wave, and why the run stops after it, if it does."""
    told = str(result)
    heading = markdown("## {}", prose(told[0].upper() + told[1:]))
    after = prose(f"The run stops: {why}" if why and why != told else "The run stops." if why else "It passed.")
    counts = {word: count for word, count in result.verdicts.items() if count}
    text = _paragraphs([heading, after, _counts(counts), markdown("Run {}", session.run.run_id)])
    await _show(text, f"Wave {result.number} of {result.waves}")


async def show_result(session: Session, document: Document) -> None:
    """Verdicts, outcomes, calls, where the files are, and the first devices: what went wrong comes first."""
    planned = only_planned(document)
    parts = [
        markdown("## {}", prose("Only planned" if planned else headline(document))),
        _counts(_result_counts(document)),
        *(markdown("{}", each) for each in ([] if planned else next_lines(document))),
        where_files_are(session.run.settings, session.run.run_id, with_rows(document)),
    ]
    await _show(_paragraphs(parts), "The result: every count, and where the files are", waits=True)
    if not planned:
        results = session.run.ledger.results(session.run.run_id)
        rows = device_rows.of_result(results, _FIRST_ROWS, Places(session.run.folder.own()))
        what = "Result by device: refused and failed rows first"
        await _show_devices(rows, results.height, what, "results.csv", waits=True)


def _result_counts(document: Document) -> dict[str, object]:
    counts = [(name, count) for count, name in parts(document)]
    counts += [(f"steps {name}", count) for name, count in document["outcomes"].items()]
    calls, billed = document["calls"], document["changed"]["newly_billed"]
    where = f"{document['carrier']} at {document['carrier_host']}, account {document['account']}"
    return {
        **{name: count for name, count in counts if count},
        f"{newly(lifecycle_of(document['carrier']))} (planned)": prose(
            f"{billed} ({document['plan']['newly_billed']})"
        ),
        "calls (retried, rate-limited)": prose(f"{calls['total']} ({calls['retried']}, {calls['throttled']})"),
        "took": prose(duration(document["seconds"])),
        "carrier": prose(where),
    }


async def show_audit(document: AuditDocument, settings: Settings) -> None:
    """What an audit of the fleet found, and where its files are."""
    findings = document["findings"]
    labels = finding_labels(lifecycle_of(document.get("carrier", "emnify")))
    heading = markdown("## {} in {} SIMs", found(document), document["sims"])
    counts = _counts({labels[Finding(name)].name: count for name, count in findings.items()})
    text = _paragraphs([heading, counts, where_files_are(settings, document["run_id"], document["files"])])
    await _show(text, "What the audit found", "audit", waits=True)


def _counts(counts: Mapping[str, object]) -> Markdown:
    """A table of names and numbers."""
    names = [prose(name.replace("_", " ")) for name in counts]
    values = [each if isinstance(each, int | Markdown) else prose(str(each)) for each in counts.values()]
    rows = [markdown("| {} | {} |", name, value) for name, value in zip(names, values, strict=True)]
    return joined("\n", [markdown("| | |\n|---|---:|"), *rows])


def _paragraphs(texts: Sequence[Markdown]) -> Markdown:
    return markdown("{}\n", joined("\n\n", [text for text in texts if text]))


async def _show(text: Markdown, description: str, key: str | None = None, *, waits: bool = False) -> None:
    await _made(partial(acreate_markdown_artifact, text, key=key, description=prose(description)), waits=waits)


async def _show_table(
    rows: Sequence[Mapping[str, object]], description: str, key: str | None = None, *, waits: bool = False
) -> None:
    cells = [{name: table_cell(value) for name, value in row.items()} for row in rows]
    await _made(partial(acreate_table_artifact, cells, key=key, description=prose(description)), waits=waits)


async def _made(make: Callable[[], Coroutine[Any, Any, object]], *, waits: bool) -> None:
    """Make it, if the server answers; `waits`: once it does, where its UI is where people look."""
    await (insist(make) if waits and is_of_a_deployment() else attempt(make()))


async def _show_devices(
    rows: Sequence[Mapping[str, object]], of_them: int, what: str, file: str, *, waits: bool = False
) -> None:
    """A table of devices, of which there may be more than it has."""
    if rows:
        shown = f"the first {len(rows):,} of {of_them:,}, {file} has all" if len(rows) < of_them else f"all {of_them:,}"
        await _show_table(rows, f"{what} ({shown})", waits=waits)


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
    await _show_table(files[:_FIRST_ROWS], told, "arrivals", waits=True)


async def show_audit_report(written: PeriodReport, home: Path) -> None:
    """The period, how many runs it had, and where the reports are."""
    heading = markdown("## {} runs from {} to {}", written["runs"], prose(written["since"]), prose(written["until"]))
    text = _paragraphs([heading, where_reports_are(home, written["files"])])
    await _show(text, "Reports on the runs of a period", "audit-report", waits=True)
