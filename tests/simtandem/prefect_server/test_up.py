"""The worker as `simtandem up` starts it; what it does in the whole is shown in the tests of the operation."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.runner._state_proposer import StateProposer
from prefect.states import Cancelled, Cancelling, Completed, Failed

from simtandem.prefect_server import up


class Server:
    """Prefect's API, as far as the worker asks it about one run."""

    def __init__(self, state: State[Any]) -> None:
        self.state = state

    async def read_flow_run(self, flow_run_id: UUID) -> object:
        return SimpleNamespace(id=flow_run_id, state=self.state)

    async def set_flow_run_state(self, flow_run_id: UUID, state: State[Any], *, force: bool) -> None:
        assert force
        self.state = state


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (Completed(message="5 of 5 rows in sync."), True),
        (Failed(name="Not in sync", message="3 of 5 rows in sync."), True),
        (Cancelled(message="Cancelled in Prefect: 8 in sync."), True),
        (Cancelling(message="asked for"), False),
    ],
    ids=lambda value: value.name if isinstance(value, State) else "",
)
async def test_the_worker_leaves_the_state_of_a_run_that_has_ended(
    monkeypatch: pytest.MonkeyPatch, state: State[Any], kept: bool
) -> None:
    monkeypatch.setattr(StateProposer, "propose_cancelled", StateProposer.propose_cancelled)  # put back afterwards
    up._let_results_stand()
    server = Server(state)
    proposer = StateProposer(client=cast("Any", server))
    run = cast("FlowRun", SimpleNamespace(id=uuid4(), state=Cancelling()))
    cancelled = await proposer.propose_cancelled(run, {"message": "Flow run was cancelled successfully."})
    assert cancelled is server.state.is_cancelled()
    assert (server.state is state) is kept
