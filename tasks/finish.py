"""Tasks after the last batch."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import finish, prepare
from tasks.session import Session


@task(name="reconcile", cache_policy=NO_CACHE)
async def reconcile(session: Session) -> None:
    """Read the devices afresh: what the carrier shows now is what counts."""
    if session.interrupted:
        await finish.reconcile_briefly(session.run, session.carrier)
    else:
        await finish.reconcile(session.run, session.carrier)


@task(name="write report", cache_policy=NO_CACHE)
async def write_report(session: Session) -> dict[str, Any]:
    """Judge every input row; write results, retry file and report. Of a plan: say what would refuse it."""
    run, ended = session.run, RunState.INTERRUPTED if session.interrupted else RunState.FINISHED
    why = await prepare.foreseen_refusal(run, session.carrier) if run.kind is RunKind.PLAN else ""
    return finish.finish(run, ended, why=why, stop=session.stop)
