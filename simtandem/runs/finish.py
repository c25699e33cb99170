"""After the last batch: look at the carrier afresh, judge every row, write the files and the report."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from schemas.statuses import Action, Verdict
from schemas.tables import Outcomes, empty
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain.stop_reason import Stop
from simtandem.domain.verdicts import outcome_counts, results_of, stragglers, to_retry, verdict_counts
from simtandem.errors import CarrierError, Interrupted, PlanRefused
from simtandem.ledger import explanations
from simtandem.ledger.records import SENDING, RunKind, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports import result_files, run_document, run_from_ledger, run_page
from simtandem.reports.headline import retry_command
from simtandem.reports.report_tables import who
from simtandem.reports.run_commands import comparing
from simtandem.reports.run_counts import figures
from simtandem.runs import sender_history, undo
from simtandem.runs.run import Run
from simtandem.runs.run_folder import RunFolder

_EXIT_CODES = {RunState.INTERRUPTED: Interrupted.exit_code, RunState.REFUSED: PlanRefused.exit_code}
_BRIEFLY_S = 5.0
_GLANCE_S = 0.1
_AFTER, _OWNERS_AFTER = "after.parquet", "owners_after.parquet"
_FILES = ("plan.csv", "invalid.csv", "results.csv", "retry.csv", "undo.csv")
_LOOK_AGAIN_AFTER_S = (1.0, 3.0, 6.0)
"""Pauses before devices that don't show what was confirmed are read again. Then what they show counts."""


async def reconcile(run: Run, carrier: Carrier, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Read the plan's devices afresh and keep what was seen. Where nothing was sent, the plan's listing stands.

    Never raises for a carrier that can't be read: its devices end `unknown`, which the report says. Where an operator
    stops the reading, what is recorded of each step says where its device is.
    """
    try:
        await _look(run, carrier, sleep)
    except Interrupted:
        _say_unread()
    except CarrierError as error:
        progress.current().message(f"The fleet could not be read afresh: {error}")
        if not run.folder.has(_AFTER):
            run.folder.save_table(_AFTER, run.folder.table("inventory.parquet").clear())


async def _look(run: Run, carrier: Carrier, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Keeps what was seen as soon as it was seen. Raises `CarrierError` and `Interrupted`."""
    plan, outcomes = run.folder.table("plan.parquet"), run.ledger.outcomes(run.run_id)
    if outcomes.is_empty() or run.folder.has(_AFTER):
        return
    progress.current().begins("reading the fleet afresh")
    run.ledger.record_state(run.run_id, RunState.RECONCILING, {})
    pairs = plan.filter(pl.col("action").is_in([Action.CHANGE, Action.UNCHANGED])).select("sim_id", "endpoint_id")
    after = await carrier.read(pairs)
    run.folder.save_table(_AFTER, after)
    await _read_owners(run, carrier, plan)
    for pause in _LOOK_AGAIN_AFTER_S:
        late = stragglers(plan, outcomes, after, _owners(run.folder))
        if late.is_empty():
            break
        await sleep(pause)
        after = _refreshed(after, await carrier.read(late.select("sim_id", "endpoint_id")))
        run.folder.save_table(_AFTER, after)
        await _read_owners(run, carrier, late)


async def _read_owners(run: Run, carrier: Carrier, plan: pl.DataFrame) -> None:
    """Read whose the SIMs are of which the plan asks it, and keep that; what was kept of other SIMs stays."""
    asked = pl.col("owners_after").is_not_null() & pl.col("action").is_in([Action.CHANGE, Action.UNCHANGED])
    sims = plan.filter(asked)["sim_id"].unique().to_list()
    if sims:
        fresh = await carrier.read_owners(sims)
        known = _owners(run.folder)
        before = fresh.clear() if known is None else known.join(fresh, on="sim_id", how="anti")
        run.folder.save_table(_OWNERS_AFTER, pl.concat([before, fresh]))


def _owners(folder: RunFolder) -> pl.DataFrame | None:
    return folder.table(_OWNERS_AFTER) if folder.has(_OWNERS_AFTER) else None


async def reconcile_briefly(run: Run, carrier: Carrier) -> None:
    """As `reconcile`, for an operator who waits for the run to stop: what takes too long is left unread.

    Where nothing could be read, what is recorded of each step says where its device is.
    """
    carrier.resume()
    look = asyncio.create_task(_look(run, carrier, asyncio.sleep))
    try:
        await _while_affordable(look, carrier)
    except (CarrierError, Interrupted, TimeoutError) as error:
        if not run.folder.has(_AFTER):
            _say_unread(str(error))


def _say_unread(why: str = "") -> None:
    progress.current().message(
        f"There was no time to read the fleet afresh{why and ': '}{why}. The report shows what the carrier answered; "
        "run `simtandem reconcile` later to see where the devices are."
    )


async def _while_affordable(look: "asyncio.Task[None]", carrier: Carrier) -> None:
    """Wait for the look. Raises `TimeoutError` as soon as it is plain that there is no time for it."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _BRIEFLY_S
    try:
        while not (await asyncio.wait([look], timeout=min(_GLANCE_S, _BRIEFLY_S)))[0]:
            if carrier.waiting_s() > (left_s := give_up - loop.time()) or left_s <= 0:
                raise TimeoutError
        look.result()
    finally:
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)


def _refreshed(before: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """`before`, with the devices of `fresh` in place of what was known of them."""
    kept = before.filter(
        (pl.col("endpoint_id").is_null() | ~pl.col("endpoint_id").is_in(fresh["endpoint_id"].drop_nulls().implode()))
        & (pl.col("sim_id").is_null() | ~pl.col("sim_id").is_in(fresh["sim_id"].drop_nulls().implode()))
    )
    return pl.concat([kept, fresh])


def finish(
    run: Run, ended: RunState = RunState.FINISHED, *, why: str = "", stop: Stop | None = None
) -> run_document.Document:
    """Judge every row, record the verdicts, write the files; returns the run's document.

    `ended` is how: finished, interrupted, or refused before anything was sent; `why` says so in words. A plan is
    finished, and `why` says what would refuse it. `stop` says who
    or what ended the sending early. The document is also kept in the run's folder and in the ledger.
    """
    folder, ledger = run.folder, run.ledger
    progress.current().begins("writing the report")
    outcomes = ledger.outcomes(run.run_id) if run.kind in SENDING else empty(Outcomes)
    rejected = folder.table("rejected.parquet")
    results = _judged(run, outcomes, rejected)
    files = ["plan.csv", "invalid.csv"]
    if run.request.undo_of:
        results = undo.judged(run, results)
        files.insert(0, "undo.csv")
    if run.kind is not RunKind.PLAN:
        ledger.record_verdicts(run.run_id, results)
        result_files.write_results(results, folder.file("results.csv"))
        result_files.write_retry(to_retry(results), folder.file("retry.csv"))
        files += ["results.csv", "retry.csv", "report.html"]
    paths = {Path(name).stem: str(folder.file(name)) for name in files}
    told = _document(run, results, outcomes, paths, ended, stop)
    if why:
        told["refusal"] = why
        told["exit_code"] = PlanRefused.exit_code
    if run.kind is not RunKind.PLAN and (go_on := retry_command(told)):
        told["next"] = go_on
    if (head := ledger.head(run.run_id)) is not None:
        told["ledger_head"] = head.hash
    if run.kind is not RunKind.PLAN:
        write_report(ledger, folder, told, results, rejected, run.started, datetime.now(UTC))
    folder.save("document.json", told)
    ledger.record_state(run.run_id, ended, {"document": told, **({"error": why} if why else {})}, sealed=True)
    return told


def _judged(run: Run, outcomes: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """The verdicts of a run. Only where a device was changed by others, the ledger is asked which run that was."""
    folder = run.folder
    after = folder.table(_AFTER) if folder.has(_AFTER) else None
    known = (folder.table("plan.parquet"), rejected, outcomes, after, run.lifecycle, _owners(folder))
    results = results_of(*known)
    if (results["verdict"] != Verdict.CHANGED_BY_OTHERS).all():
        return results
    return results_of(
        *known, sender_history.put_by_others(run.ledger, run.settings.account_key, run.run_id, run.started)
    )


def report_again(ledger: Ledger, folder: RunFolder, run: RunSummary) -> run_document.Document:
    """Write a run's `report.html` from the ledger, also of one that was killed at any step; returns its document."""
    run_id = run.record.run_id
    results = run_from_ledger.known_results(ledger, run_id)
    told = run_from_ledger.recorded(ledger, run) or run_from_ledger.known_document(ledger, run, results)
    folder.make()
    if not told["files"]:
        told["files"] = {Path(name).stem: str(folder.file(name)) for name in _FILES if folder.file(name).exists()}
    write_report(ledger, folder, told, results, ledger.rejected(run_id), run.record.started_at, run.at)
    return told


def write_report(
    ledger: Ledger,
    folder: RunFolder,
    told: run_document.Document,
    results: pl.DataFrame,
    rejected: pl.DataFrame,
    started: datetime,
    finished: datetime | None,
) -> None:
    """Write a run's `report.html` from what the ledger keeps."""
    run_id = told["run_id"]
    record = ledger.run(run_id).record
    html = run_page.render(
        {
            **told,
            "carrier_host": record.carrier_host,
            "who": who(record, told),
            "compare": comparing(record, told["files"]),
        },
        results,
        rejected=rejected,
        calls=ledger.calls(run_id),
        explanation=explanations.of_run(ledger, run_id),
        title=f"simtandem run {run_id}",
        started=started,
        finished=finished,
    )
    run_page.write_report(folder.file("report.html"), html)


def _document(
    run: Run,
    results: pl.DataFrame,
    outcomes: pl.DataFrame,
    files: dict[str, str],
    ended: RunState,
    stop: Stop | None,
) -> run_document.Document:
    intake, plan = run.folder.intake(), run.folder.plan_counts()
    verdicts = verdict_counts(results)
    if run.kind is RunKind.PLAN:
        exit_code = run_document.exit_code_for_plan(refused=plan["refused"], invalid=intake["invalid"])
    else:
        exit_code = _EXIT_CODES.get(ended, run_document.exit_code_for(verdicts))
    calls = run.ledger.call_counts(run.run_id)
    made = run_document.document(
        run_id=run.run_id,
        carrier=run.settings.carrier,
        account=run.settings.account,
        digest=plan["digest"],
        exit_code=stop.exit_code if stop and stop.exit_code is not None else exit_code,
        input=intake,
        plan=plan,
        outcomes=outcome_counts(outcomes),
        verdicts=verdicts,
        calls={"total": calls.total, "retried": calls.retried, "throttled": calls.throttled},
        seconds=(datetime.now(UTC) - run.started).total_seconds(),
        files=files,
    )
    made |= run_document.changes(figures(results, run.lifecycle), stop) | {"carrier_host": run.settings.carrier_host}
    made["billing"] = {"for_good": plan["billed_for_good"], "limit": plan["newly_billed_limit"]}
    if run.settings.warnings:
        made["warnings"] = run.settings.warnings
    if run.approval:
        made["approval"] = dict(run.approval)
    if run.origin:
        made["prefect"] = dict(run.origin)
    return cast("run_document.Document", made)
