"""After the last SIM action: look at the carrier afresh, judge every row, write the files and the report."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from schemas.sim_actions import ActionOutcomes, SimAction
from schemas.statuses import Action, Outcome
from schemas.tables import empty
from simtandem import progress
from simtandem.carriers.sim_actions import ActingCarrier
from simtandem.domain.action_plan import Listed, Reset
from simtandem.domain.action_verdicts import action_results, stragglers, to_retry
from simtandem.domain.sim_actions import Batch
from simtandem.domain.stop_reason import Stop
from simtandem.errors import CarrierError, Interrupted, PlanRefused
from simtandem.ledger import action_records
from simtandem.ledger.records import RunKind, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports import action_from_ledger, run_from_ledger
from simtandem.reports.action_files import as_results, write_action_results, write_action_retry
from simtandem.reports.run_commands import action_command
from simtandem.reports.run_document import Document
from simtandem.runs.action_run import ActionRun, look
from simtandem.runs.earlier_resets import resets_in_events
from simtandem.runs.ended_document import ended_document
from simtandem.runs.finish import BRIEFLY_S, LOOK_AGAIN_AFTER_S, write_report
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import share_or_keep

_FILES = ("plan.csv", "invalid.csv", "results.csv", "retry.csv")
_AFTER, _BATCHES = "after.parquet", "batches_after.json"
_RESETS = "resets_after.json"


async def reconcile(
    run: ActionRun,
    carrier: ActingCarrier,
    *,
    briefly: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Read what the plan is about afresh. Where that can't be done, what is recorded of each call says where it is.

    `briefly`, for an operator who waits for the run to stop: what takes too long is left unread.
    """
    plan, outcomes = run.folder.table("plan.parquet"), action_records.read_outcomes(run.ledger, run.run_id)
    if outcomes.is_empty():
        return
    progress.current().begins("reading the fleet afresh")
    run.ledger.record_state(run.run_id, RunState.RECONCILING, {})
    left = plan.filter(pl.col("decision").is_in([Action.CHANGE, Action.UNCHANGED]))
    carrier.resume()
    try:
        async with asyncio.timeout(BRIEFLY_S if briefly else None):
            for pause in (0.0, *LOOK_AGAIN_AFTER_S):
                await sleep(pause)
                await _look(run, carrier, left)
                left = stragglers(plan, outcomes, _listed(run, _AFTER, _BATCHES))
                if left.is_empty():
                    break
    except (CarrierError, Interrupted, TimeoutError) as error:
        why = str(error) or "it took too long"
        progress.current().message(f"The fleet could not be read afresh: {why}")


async def _look(run: ActionRun, carrier: ActingCarrier, rows: pl.DataFrame) -> None:
    """Read these rows' SIMs and endpoints, and keep that in place of what was known of them."""
    fresh, batches = await look(carrier, rows)
    await _look_for_resets(run, carrier, rows)
    known = run.folder.data(_BATCHES) if run.folder.has(_BATCHES) else {}
    run.folder.save(_BATCHES, {**known, **{bic: asdict(batch) for bic, batch in batches.items()}})
    if run.folder.has(_AFTER):
        before = run.folder.table(_AFTER)
        for key in ("sim_id", "endpoint_id"):
            before = before.filter(pl.col(key).is_null() | ~pl.col(key).is_in(fresh[key].drop_nulls().implode()))
        fresh = pl.concat([before, fresh])
    run.folder.save_table(_AFTER, fresh)


def finish(run: ActionRun, ended: RunState = RunState.FINISHED, *, why: str = "", stop: Stop | None = None) -> Document:
    """Judge every row, record the verdicts, write the files; returns the run's document. As `runs.finish.finish`."""
    folder, ledger, planned_only = run.folder, run.ledger, run.kind is RunKind.PLAN
    progress.current().begins("writing the report")
    outcomes = empty(ActionOutcomes) if planned_only else action_records.read_outcomes(ledger, run.run_id)
    after = _last_look(run, outcomes)
    plan, rejected = folder.table("plan.parquet"), folder.table("rejected.parquet")
    results = action_results(plan, rejected, outcomes, after, run.lifecycle)
    files = ["plan.csv", "invalid.csv"]
    if not planned_only:
        action_records.record_verdicts(ledger, run.run_id, results)
        write_action_results(results, folder.file("results.csv"), folder.own())
        write_action_retry(to_retry(results), folder.file("retry.csv"), folder.own())
        files += ["results.csv", "retry.csv", "report.html"]
    paths = {Path(name).stem: str(folder.file(name)) for name in files}
    told = _document(run, results, outcomes, paths, ended, stop)
    if why:
        told["refusal"], told["exit_code"] = why, PlanRefused.exit_code
    if not planned_only:
        if to_retry(results).height and not why:
            told["next"] = action_command([paths["retry"]], run.settings.account)
        if (head := ledger.head(run.run_id)) is not None:
            told["ledger_head"] = head.hash
        write_report(
            ledger, folder, told, as_results(results), ledger.rejected(run.run_id), run.started, datetime.now(UTC)
        )
    folder.save("document.json", told)
    share_or_keep(run.settings, ledger, folder)
    ledger.record_state(run.run_id, ended, {"document": told, **({"error": why} if why else {})}, sealed=True)
    return told


async def _look_for_resets(run: ActionRun, carrier: ActingCarrier, rows: pl.DataFrame) -> None:
    """Keep which of the resets without an answer the carrier's events show."""
    outcomes = action_records.read_outcomes(run.ledger, run.run_id)
    open_ones = outcomes.filter(pl.col("outcome") == Outcome.UNKNOWN)["row"].implode()
    asked = (pl.col("action") == SimAction.RESET_CONNECTIVITY) & pl.col("row").is_in(open_ones)
    endpoints = rows.filter(asked)["endpoint_id"].drop_nulls().to_list()
    if endpoints:
        found = await resets_in_events(run, carrier, run.started, endpoints)
        run.folder.save(_RESETS, {each: asdict(Reset(run.run_id, str(at), done=True)) for each, at in found.items()})


def _listed(run: ActionRun, devices: str, batches: str) -> Listed:
    told = cast("dict[str, dict[str, Any]]", run.folder.data(batches)).items()
    shown = cast("dict[str, dict[str, Any]]", run.folder.data(_RESETS)).items() if run.folder.has(_RESETS) else ()
    resets = {endpoint: Reset(**each) for endpoint, each in shown}
    return Listed.of(run.folder.table(devices), batches={bic: Batch(**each) for bic, each in told}, resets=resets)


def _last_look(run: ActionRun, outcomes: pl.DataFrame) -> Listed | None:
    """What was read after the last call; where none was sent, the listing that the plan was made from. Else None."""
    if run.folder.has(_AFTER):
        return _listed(run, _AFTER, _BATCHES)
    return _listed(run, "inventory.parquet", "batches.json") if outcomes.is_empty() else None


def report_again(ledger: Ledger, folder: RunFolder, run: RunSummary) -> Document:
    """Write a run's `report.html` from the ledger, also of one that was killed at any step; returns its document."""
    record = run.record
    results = action_from_ledger.known_results(ledger, record)
    told = run_from_ledger.recorded(ledger, run) or action_from_ledger.known_document(ledger, run, results)
    folder.make()
    if not told["files"]:
        told["files"] = {Path(name).stem: str(folder.file(name)) for name in _FILES if folder.file(name).exists()}
    write_report(ledger, folder, told, as_results(results), ledger.rejected(record.run_id), record.started_at, run.at)
    return told


def _document(
    run: ActionRun,
    results: pl.DataFrame,
    outcomes: pl.DataFrame,
    files: dict[str, str],
    ended: RunState,
    stop: Stop | None,
) -> Document:
    made = ended_document(run, as_results(results), outcomes, files, ended, stop)
    if run.settings.warnings:
        made["warnings"] = run.settings.warnings
    return cast("Document", made)
