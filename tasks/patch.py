"""The two tasks of a batch. A retry sends only what is still open, and only an outage is retried.

A retry waits within its task: Prefect's own delay between two tries can't be cut short when the run is to stop.
"""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from schemas.statuses import Half
from simtandem.errors import CarrierUnavailable
from simtandem.runs.batch import RETRY_AFTER_S
from simtandem.text.json_logs import bound
from tasks.session import PatchedBatch, Session


def is_outage(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's signature
    """Whether trying again later can help."""
    return isinstance(state.data, CarrierUnavailable)


@task(
    name="patch SIMs",
    task_run_name="patch SIMs, {batch.sims}",
    retries=len(RETRY_AFTER_S),
    retry_condition_fn=is_outage,
    cache_policy=NO_CACHE,
)
async def patch_sims(session: Session, batch: PatchedBatch) -> PatchedBatch:
    """Change the SIMs of a batch: all of them where they go first, else those whose endpoint is known to be applied."""
    with bound(batch=batch.number, half=str(Half.SIM)):
        await session.wait_before_trying_again(batch, Half.SIM, RETRY_AFTER_S)
        await session.applying.apply(session.work(batch), Half.SIM)
    return batch


@task(
    name="patch endpoints",
    task_run_name="patch endpoints, {batch.endpoints}",
    retries=len(RETRY_AFTER_S),
    retry_condition_fn=is_outage,
    cache_policy=NO_CACHE,
)
async def patch_endpoints(session: Session, batch: PatchedBatch) -> PatchedBatch:
    """Change the endpoints of a batch: all of them where they go first, else those whose SIM is known to be applied."""
    with bound(batch=batch.number, half=str(Half.ENDPOINT)):
        await session.wait_before_trying_again(batch, Half.ENDPOINT, RETRY_AFTER_S)
        await session.applying.apply(session.work(batch), Half.ENDPOINT)
    return batch


PATCHES = {Half.SIM: patch_sims, Half.ENDPOINT: patch_endpoints}
"""The task of each half."""
