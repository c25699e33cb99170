"""The flow runs of simtandem's deployments, as Prefect shows them."""

from collections.abc import Sequence
from datetime import datetime

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType

CHANGES = "changes"
"""The tag of those that may change devices."""


async def deployed_runs(
    client: PrefectClient, states: Sequence[StateType], *tags: str, since: datetime | None = None
) -> list[FlowRun]:
    """Those in one of these states with all these tags, expected to start `since` then; none begun from a terminal."""
    expected = None
    if since is not None:
        expected = FlowRunFilterExpectedStartTime.model_validate({"after_": since})
    wanted = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*states])),
        tags=FlowRunFilterTags(all_=["simtandem", *tags]),
        expected_start_time=expected,
    )
    found = await client.read_flow_runs(flow_run_filter=wanted)
    return [each for each in found if each.deployment_id is not None]
