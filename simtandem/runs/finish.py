"""After the last batch: look at the carrier afresh, judge every row, write the files and the report."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

import polars as pl

from schemas.own_columns import Places
from schemas.statuses import Action, Verdict
from schemas.tables import Outcomes, empty
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain import own_calls
from simtandem.domain.stop_reason import Stop
from simtandem.domain.verdicts import results_of, stragglers, to_retry
from simtandem.domain.waves import numbers
from simtandem.errors import CarrierError, Interrupted, PlanRefused
from simtandem.host import clock
from simtandem.ledger import explanations
from simtandem.ledger.records import SENDING, RunKind, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports import left_open, result_files, run_document, run_from_ledger, run_page, wave_sections
from simtandem.reports.report_tables import who
from simtandem.reports.run_commands import comparing
from simtandem.runs import selecting, sender_history, takeover, undo
from simtandem.runs.ended_document import ended_document
from simtandem.runs.run import Run
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import share_or_keep

BRIEFLY_S = 5.0
"""So long the fleet is read at most where an operator waits for the run to stop."""
_GLANCE_S = 0.1
_AFTER, _OWNERS_AFTER = "after.parquet", "owners_after.parquet"
_FILES = ("selected.csv", "plan.csv", "invalid.csv", "results.csv", "retry.csv", "undo.csv")
LOOK_AGAIN_AFTER_S = (1.0, 3.0, 6.0)
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
        _say_unread(error)
        if not run.folder.has(_AFTER):
            run.folder.save_table(_AFTER, run.folder.table("inventory.parquet").clear())


async def _look(run: Run, carrier: Carrier, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Keeps what was seen as soon as it was seen. Raises `CarrierError` and `Interrupted`."""
    plan, outcomes = run.folder.table("plan.parquet"), run.ledger.outcomes(run.run_id)
    if outcomes.is_empty() or run.folder.has(_AFTER):
        return
    progress.current().begins("reading the fleet afresh")
    run.ledger.record_state(run.run_id, RunState.RECONCILING, {})
    await read_settled(run, carrier, plan, lambda after: run.folder.save_table(_AFTER, after), sleep=sleep)


def _not_kept(_after: pl.DataFrame) -> None:
    """What was read is of use to the caller alone."""


async def read_settled(
    run: Run,
    carrier: Carrier,
    plan: pl.DataFrame,
    keep: Callable[[pl.DataFrame], None] = _not_kept,
    *,
    sleep: Callable[[float], Awaitable[None]],
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Read the devices of these plan rows, again where one does not show yet what was confirmed.

    Returns an `Inventory` and whose the SIMs are, where the plan asks for that; `keep` gets each look as soon as it was
    taken.
    """
    outcomes = run.ledger.outcomes(run.run_id)
    pairs = plan.filter(pl.col("action").is_in([Action.CHANGE, Action.UNCHANGED])).select("sim_id", "endpoint_id")
    after = await carrier.read(pairs)
    keep(after)
    await _read_owners(run, carrier, plan)
    for pause in LOOK_AGAIN_AFTER_S:
        late = stragglers(plan, outcomes, after, _owners(run.folder))
        if late.is_empty():
            break
        await sleep(pause)
        after = _refreshed(after, await carrier.read(late.select("sim_id", "endpoint_id")))
        keep(after)
        await _read_owners(run, carrier, late)
    return after, _owners(run.folder)


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
            _say_unread(error)


def _say_unread(error: Exception | None = None) -> None:
    """`error` is why; without one, or without words, there was no time."""
    why = str(error or "").rstrip(".")
    said = f"The fleet could not be read afresh: {why}" if why else "There was no time to read the fleet afresh"
    progress.current().message(
        f"{said}. The report shows what the carrier answered; run `simtandem reconcile` later to see where the devices "
        "are."
    )


async def _while_affordable(look: "asyncio.Task[None]", carrier: Carrier) -> None:
    """Wait for the look. Raises `TimeoutError` as soon as it is plain that there is no time for it."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + BRIEFLY_S
    try:
        while not (await asyncio.wait([look], timeout=min(_GLANCE_S, BRIEFLY_S)))[0]:
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
    if folder.selection() is not None:
        files.insert(0, selecting.FILE)
    if run.kind is not RunKind.PLAN:
        ledger.record_verdicts(run.run_id, results)
        result_files.write_results(results, folder.file("results.csv"), _waves(run), own=folder.own())
        result_files.write_retry(to_retry(results), folder.file("retry.csv"), folder.own())
        files += ["results.csv", "retry.csv", "report.html"]
    paths = {Path(name).stem: str(folder.file(name)) for name in files}
    told = _document(run, results, outcomes, paths, ended, stop)
    if why:
        told["refusal"] = why
        told["exit_code"] = PlanRefused.exit_code
    if run.kind is not RunKind.PLAN:
        told = cast("run_document.Document", {**told, **left_open.offered(told, results, Places(folder.own()))})
    if (head := ledger.head(run.run_id)) is not None:
        told["ledger_head"] = head.hash
    if run.kind is not RunKind.PLAN:
        write_report(ledger, folder, told, results, rejected, run.started, clock.now())
    folder.save("document.json", told)
    share_or_keep(run.settings, ledger, folder)
    ledger.record_state(run.run_id, ended, {"document": told, **({"error": why} if why else {})}, sealed=True)
    return told


def _waves(run: Run) -> pl.DataFrame | None:
    """The wave of each row; None where the run has none."""
    sizes = wave_sections.sizes_of(run.ledger.states(run.run_id))
    return numbers(run.folder.table("plan.parquet"), sizes) if sizes else None


def _wave_sections(run: Run, results: pl.DataFrame, made: Mapping[str, object]) -> dict[str, object]:
    """The part of a document about the waves; nothing of a run that has none."""
    states, stopped = run.ledger.states(run.run_id), cast("dict[str, str] | None", made.get("stopped"))
    waves = wave_sections.waves_of(states, run.folder.table("plan.parquet"), results, stopped)
    return {"waves": waves} if waves else {}


def _judged(run: Run, outcomes: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """The verdicts of a run. Only where a device was changed by others, the ledger is asked which run that was."""
    takeover.require_own(run)
    folder = run.folder
    after = folder.table(_AFTER) if folder.has(_AFTER) else None
    known = (folder.table("plan.parquet"), rejected, outcomes, after, run.lifecycle, _owners(folder))
    results = results_of(*known)
    if (results["verdict"] != Verdict.CHANGED_BY_OTHERS).all():
        return results
    return results_of(
        *known, sender_history.put_by_others(run.ledger, run.lease.account, run.run_id, folder.listing().get("turn"))
    )


def report_again(ledger: Ledger, folder: RunFolder, run: RunSummary) -> run_document.Document:
    """Write a run's `report.html` from the ledger, also of one that was killed at any step; returns its document."""
    run_id = run.record.run_id
    results = run_from_ledger.known_results(ledger, run_id)
    told = left_open.told_by_now(ledger, run, results)
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
        own=ledger.own(run_id),
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
    plan, made = run.folder.plan_counts(), ended_document(run, results, outcomes, files, ended, stop)
    made |= _wave_sections(run, results, made)
    made["billing"] = {"for_good": plan["billed_for_good"], "limit": plan["newly_billed_limit"]}
    selection = run.folder.selection()
    made |= dict(run_document.selection_said(selection))
    suspicion = own_calls.warning(results, run.lifecycle)
    if suspicion:
        progress.current().message(suspicion)
    said = [suspicion] if suspicion else []
    if warnings := [*said, *run.settings.warnings, *(selection.get("warnings", []) if selection else [])]:
        made["warnings"] = warnings
    made |= _by_whom(run)
    return cast("run_document.Document", made)


def _by_whom(run: Run) -> dict[str, object]:
    """Where else it was carried out, who approved it, and who asked for it."""
    hosts = takeover.hosts_of(run) if run.taken_over else []
    return {
        **({"continued_on": hosts} if hosts else {}),
        **({"approval": dict(run.approval)} if run.approval else {}),
        **({"prefect": dict(run.origin)} if run.origin else {}),
    }
