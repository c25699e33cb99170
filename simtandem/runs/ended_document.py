"""The document of a run that has ended, as far as runs of statuses and runs of SIM actions say the same."""

import polars as pl

from simtandem.domain.stop_reason import Stop
from simtandem.domain.verdicts import outcome_counts, verdict_counts
from simtandem.errors import Interrupted, PlanRefused
from simtandem.host import clock
from simtandem.ledger.records import RunKind, RunState
from simtandem.reports import run_document
from simtandem.reports.run_counts import figures
from simtandem.runs.run import Run

_EXIT_CODES = {RunState.INTERRUPTED: Interrupted.exit_code, RunState.REFUSED: PlanRefused.exit_code}


def ended_document(
    run: Run,
    results: pl.DataFrame,
    outcomes: pl.DataFrame,
    files: dict[str, str],
    ended: RunState,
    stop: Stop | None,
) -> dict[str, object]:
    """What every document holds, of `schemas.tables.Results`; `outcomes` needs a column `outcome`."""
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
        seconds=(clock.now() - run.started).total_seconds(),
        files=files,
    )
    return (
        made | run_document.changes(figures(results, run.lifecycle), stop) | {"carrier_host": run.settings.carrier_host}
    )
