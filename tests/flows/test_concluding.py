"""The state that a run ends in stands, whoever cancels it at its end."""

from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("prefect_client")]


@pytest.mark.parametrize("name", ["Completed", "Not in sync"])
async def test_a_run_that_is_cancelled_after_its_end_keeps_its_state(name: str) -> None:
    from prefect import flow  # noqa: PLC0415 - Prefect takes seconds to import
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.objects import State  # noqa: PLC0415
    from prefect.context import FlowRunContext  # noqa: PLC0415
    from prefect.states import Cancelling, Completed, Failed  # noqa: PLC0415

    from tasks.final_state import concluding  # noqa: PLC0415

    runs = []

    async def steps() -> State[Any]:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        runs.append(context.flow_run.id)
        async with get_client() as client:
            await client.set_flow_run_state(context.flow_run.id, Cancelling(), force=True)
        return Completed(message="all done") if name == "Completed" else Failed(name=name, message="all done")

    @flow(name="cancelled-late")
    async def cancelled_late() -> State[Any]:
        async with concluding() as end:
            end.state = await steps()
        return end.state

    await cancelled_late(return_state=True)
    async with get_client() as client:
        state = (await client.read_flow_run(runs[0])).state
    assert state is not None
    assert (state.name, state.message) == (name, "all done")
