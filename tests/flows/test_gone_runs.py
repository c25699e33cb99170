"""Flow runs without a process are ended on a real Prefect server, where the ledger knows that it is gone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Paused, Running, Suspended

from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.records import RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.prefect_server.gone_runs import GoneRuns
from tests.simtandem.ledger.conftest import a_run

__all__ = ["a_run"]

_WAS: list[RunState] = [RunState.APPLYING, RunState.PAUSING, RunState.PAUSED]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger that a worker here finds."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", url)
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    with Ledger.open(url) as opened:
        yield opened


class Made:
    """Flow runs of a deployment, and the runs that they are."""

    def __init__(self, ledger: Ledger, a_run: Callable[..., RunRecord], client: PrefectClient) -> None:
        self.ledger, self.a_run, self.client = ledger, a_run, client

    async def run(self, *shown: State[Any], recorded: list[RunState] = _WAS, alive: bool = False) -> tuple[UUID, str]:
        """One that Prefect shows like that, with a record that ends like that, and the id of its run."""
        flow = await self.client.create_flow_from_name(f"gone-{uuid4()}")
        deployment = await self.client.create_deployment(flow, name="changes", tags=["simtandem", "changes"])
        flow_run = (await self.client.create_flow_run_from_deployment(deployment)).id
        for state in (Running(), *shown):
            await self.client.set_flow_run_state(flow_run, state, force=True)
        run_id = f"run-{uuid4()}"
        self.ledger.start_run(self.a_run(run_id))
        mine = flow_runs.take(self.ledger.database, Continued(str(flow_run)), run_id)
        for number, each in enumerate(recorded):
            last = number == len(recorded) - 1
            self.ledger.record_state(run_id, each, {}, sealed=last and each is RunState.INTERRUPTED)
        if not alive:
            with flow_runs.held(self.ledger.database, lambda: mine):
                pass  # it ends
        return flow_run, run_id

    async def shows(self, flow_run: UUID) -> tuple[str, str]:
        """The name and message of its state."""
        state = (await self.client.read_flow_run(flow_run)).state
        assert state is not None
        return state.name or "", state.message or ""


@pytest.fixture
async def made(ledger: Ledger, a_run: Callable[..., RunRecord], prefect_client: None) -> Any:
    async with get_client() as client:
        yield Made(ledger, a_run, client)


async def test_a_run_without_a_process_ends_with_what_is_known_of_it(made: Made) -> None:
    paused, its_run = await made.run(Paused())
    cancelled, _ = await made.run(Paused(), Cancelling())
    resumed, resumed_run = await made.run(Paused(), Running())
    unnoticed, unnoticed_run = await made.run()  # paused by a command, which Prefect never showed
    stopped, stopped_run = await made.run(Paused(), Running(), recorded=[*_WAS, RunState.INTERRUPTED])
    never, _ = await made.run(Cancelling(), recorded=[RunState.WAITING])

    assert await GoneRuns(gone_for_s=0).end(made.client) == 6
    name, told = await made.shows(paused)
    assert name == "Crashed"
    assert told.startswith("Its process is gone. Ended before it was done: ")
    assert f"Run {its_run}." in told
    assert [(await made.shows(each))[0] for each in (cancelled, resumed, unnoticed, stopped, never)] == [
        "Cancelled",
        "Crashed",
        "Crashed",
        "Cancelled",
        "Cancelled",
    ]
    last = {run: made.ledger.states(run)[-1] for run in (resumed_run, unnoticed_run, stopped_run, its_run)}
    assert last[resumed_run].detail == {"by": "Resume in Prefect"}, "who takes it over does not pause again"
    assert last[resumed_run].state is RunState.RESUMING
    assert last[unnoticed_run].state is last[its_run].state is RunState.PAUSED
    assert last[stopped_run].state is RunState.INTERRUPTED, "nothing is added to a run that has ended"


async def test_what_may_have_a_process_or_needs_none_is_left_alone(made: Made) -> None:
    kept = {
        "Paused": (await made.run(Paused(), alive=True))[0],
        "Suspended": (await made.run(Suspended(timeout_seconds=3600), recorded=[RunState.WAITING]))[0],
        "Running": (await made.run(recorded=[RunState.WAITING]))[0],  # approved: another process lists and plans
    }
    flow = await made.client.create_flow_from_name(f"gone-{uuid4()}")
    deployment = await made.client.create_deployment(flow, name="changes", tags=["simtandem", "changes"])
    elsewhere = (await made.client.create_flow_run_from_deployment(deployment)).id  # with a ledger of its own
    await made.client.set_flow_run_state(elsewhere, Running(), force=True)
    assert await GoneRuns(gone_for_s=0).end(made.client) == 0
    assert {(await made.shows(each))[0] for each in kept.values()} == set(kept)


async def test_a_run_is_gone_only_after_a_while(made: Made) -> None:
    """One that has just ended says so itself."""
    await made.run()
    looks = GoneRuns(gone_for_s=60)
    assert await looks.end(made.client) == 0
    assert await looks.end(made.client) == 0
