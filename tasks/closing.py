"""Tasks after the last batch."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem.job import closing
from simtandem.ledger.records import RunState
from tasks.session import Session


@task(name="reconcile", cache_policy=NO_CACHE)
async def reconcile(session: Session) -> None:
    """Read the devices afresh: what the carrier shows now is what counts."""
    if session.interrupted:
        await closing.reconcile_briefly(session.run, session.carrier)
    else:
        await closing.reconcile(session.run, session.carrier)


@task(name="write report", cache_policy=NO_CACHE)
async def write_report(session: Session) -> dict[str, Any]:
    """Judge every input row; write results, retry file and report."""
    ended = RunState.INTERRUPTED if session.interrupted else RunState.FINISHED
    return closing.finish(session.run, ended, stop=session.stop)
