"""Tasks after the last batch."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem.ledger.records import RunState
from simtandem.reports.run_document import Document
from simtandem.runs import finish, pipeline
from tasks.session import PatchedBatch, Session


@task(name="reconcile", cache_policy=NO_CACHE)
async def reconcile(session: Session, batches: Sequence[PatchedBatch]) -> Session:  # noqa: ARG001 - the graph shows them
    """Read the devices afresh: what the carrier shows now is what counts."""
    if session.interrupted:
        await finish.reconcile_briefly(session.run, session.carrier)
    else:
        await finish.reconcile(session.run, session.carrier)
    return session


@task(name="write report", cache_policy=NO_CACHE)
async def write_report(session: Session) -> Document:
    """Judge every input row; write results, retry file and report. Of a plan: say what would refuse it."""
    ended = RunState.INTERRUPTED if session.interrupted else RunState.FINISHED
    return await pipeline.write_report(session.run, session.carrier, ended, stop=session.stop)
