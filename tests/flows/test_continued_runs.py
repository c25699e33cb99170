"""Flow runs whose process died are started again, on a real Prefect server, where the ledger has something left."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import prefect.states
import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient, get_client
from prefect.states import Crashed, Pending, Running
from pydantic import SecretStr

from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.records import RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.prefect_server import ledger_of_runs
from simtandem.prefect_server.continued_runs import continue_crashed_runs
from tests.simtandem.ledger.conftest import a_run, new_schema, postgres_server

__all__ = ["a_run", "new_schema", "postgres_server"]


@pytest.fixture
def ledger_url(new_schema: Callable[[], str]) -> str:
    return new_schema()


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


async def name_ledger(where: str, url: str, client: PrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker find the ledger there; the block has a name that no other test's server has a block of."""
    if where == "environment":
        monkeypatch.setenv("SIMTANDEM_LEDGER_URL", url)
        return
    name = f"ledger-{uuid4()}"
    block: Secret[Any] = Secret(value=SecretStr(url))
    monkeypatch.setattr(ledger_of_runs, "LEDGER_BLOCK", name)
    await block.asave(name, client=client)


async def crashed(client: PrefectClient, times: int = 1) -> UUID:
    """A flow run of a deployment whose process died so often; where that is never, its host died as it submitted it."""
    flow = await client.create_flow_from_name(f"continued-{uuid4()}")
    deployment = await client.create_deployment(flow, name="changes", tags=["simtandem", "changes"])
    run = await client.create_flow_run_from_deployment(deployment)
    for _ in range(times):
        await client.set_flow_run_state(run.id, Running(), force=True)
        await client.set_flow_run_state(run.id, Crashed(), force=True)
    if not times:
        await client.set_flow_run_state(run.id, Pending(), force=True)
        await client.set_flow_run_state(run.id, Crashed(), force=True)
    return run.id


@pytest.mark.parametrize("where", ["environment", "block"])
async def test_only_what_has_something_left_is_started_again_and_not_for_ever(
    ledger: Ledger,
    ledger_url: str,
    a_run: Callable[..., RunRecord],
    prefect_client: None,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    async with get_client() as client:
        await name_ledger(where, ledger_url, client, monkeypatch)
        left, done, alive, hopeless, unknown, bare = [await crashed(client, times) for times in (1, 1, 1, 4, 1, 1)]
        submitted = await crashed(client, times=0)
        with flow_runs.held(ledger.database, lambda: mine):
            mine = flow_runs.take(ledger.database, Continued(str(bare)), "died-before-its-list-was-read")
        for number, flow_run in enumerate((left, done, alive, hopeless)):
            ledger.start_run(a_run(f"run-{number}"))
            mine = flow_runs.take(ledger.database, Continued(str(flow_run)), f"run-{number}")
            assert mine is not None
            if flow_run is not alive:
                with flow_runs.held(ledger.database, lambda mine=mine: mine):  # type: ignore[misc]  # it ends
                    ledger.record_state(f"run-{number}", RunState.APPLYING, {})
        ledger.record_state("run-1", RunState.FINISHED, {}, sealed=True)

        assert await continue_crashed_runs(client) == 3
        all_of_them = (left, done, alive, hopeless, unknown, bare, submitted)
        names = {each: (await client.read_flow_run(each)).state for each in all_of_them}
        shown = {each: state.name for each, state in names.items() if state}
        assert {each for each, name in shown.items() if name == "AwaitingRetry"} == {left, bare, submitted}
        assert {shown[each] for each in (done, alive, hopeless, unknown)} == {"Crashed"}
        assert await continue_crashed_runs(client) == 0


async def test_a_run_is_due_for_every_host_where_the_one_that_starts_it_again_has_a_fast_clock(
    ledger: Ledger, ledger_url: str, prefect_client: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with get_client() as client:
        await name_ledger("environment", ledger_url, client, monkeypatch)
        left = await crashed(client)
        with flow_runs.held(ledger.database, lambda: mine):
            mine = flow_runs.take(ledger.database, Continued(str(left)), "died-before-its-list-was-read")
        died_at = (await client.read_flow_run(left)).state
        with monkeypatch.context() as fast:
            fast.setattr(prefect.states, "now", lambda: datetime.now(UTC) + timedelta(minutes=20))
            assert await continue_crashed_runs(client) == 1
        again = await client.read_flow_run(left)
        assert again.state is not None
        assert died_at is not None
        assert again.state.state_details.scheduled_time == died_at.timestamp
        assert again.next_scheduled_start_time == died_at.timestamp
