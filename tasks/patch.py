"""The two tasks of a batch. A retry sends only what is still open, and only an outage is retried.

A retry waits within its task: Prefect's own delay between two tries can't be cut short when the run is to stop.
"""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from simtandem.errors import CarrierUnavailable
from tasks.session import Session

RETRY_AFTER_S = (10.0, 20.0, 40.0)
"""Pauses before an outage is tried again, up to a third longer by chance: other batches have the same outage."""


def is_outage(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's signature
    """Whether trying again later can help."""
    return isinstance(state.data, CarrierUnavailable)


@task(
    name="patch first halves",
    task_run_name="batch {number}: {what}",
    retries=len(RETRY_AFTER_S),
    retry_condition_fn=is_outage,
    cache_policy=NO_CACHE,
)
async def patch_first_half(session: Session, number: int, what: str) -> str:  # noqa: ARG001 - `what` is in the name
    """Change the half of each pair that has to go first."""
    await session.wait_before_trying_again(number, 1, RETRY_AFTER_S)
    return await session.applying.apply_first_half(session.work(number))


@task(
    name="patch second halves",
    task_run_name="batch {number}: {what}",
    retries=len(RETRY_AFTER_S),
    retry_condition_fn=is_outage,
    cache_policy=NO_CACHE,
)
async def patch_second_half(session: Session, number: int, what: str) -> str:  # noqa: ARG001 - `what` is in the name
    """Change the other half of the pairs whose first is known to be applied; hold the others."""
    await session.wait_before_trying_again(number, 2, RETRY_AFTER_S)
    return await session.applying.apply_second_half(session.work(number))
