"""Flow runs of which nothing is heard are ended, on a real Prefect server, and what may live is left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Cancelling, Pending, Running

from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.store import Ledger
from simtandem.prefect_server import silent_runs
from simtandem.prefect_server.deployments import POOL
from simtandem.prefect_server.silent_runs import SilentRuns


@pytest.fixture
def ledger_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ledger that a worker here finds."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", url)
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    return url


@pytest.fixture
async def client(ledger_url: str, prefect_client: None) -> AsyncIterator[PrefectClient]:
    """Of a server that has a worker, called `elsewhere`, that is at work."""
    async with get_client() as opened:
        with suppress(ObjectAlreadyExists):
            await opened.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        await opened.send_worker_heartbeat(POOL, "elsewhere", heartbeat_interval_seconds=600)
        yield opened


class Watching:
    """A worker that watches, of a clock that moves when it is told to; `mine` is what it is about to start itself."""

    def __init__(self, client: PrefectClient) -> None:
        self.client, self.clock, self.mine, self.made = client, 0.0, set[UUID](), set[UUID]()
        self._runs = SilentRuns("here", self.mine.__contains__, steady=lambda: self.clock)

    async def run(self, state: State[Any], worker: str = "") -> UUID:
        """A flow run in that state, that this worker submitted."""
        flow = await self.client.create_flow_from_name(f"silent-{uuid4()}")
        deployment = await self.client.create_deployment(flow, name="looks", tags=["simtandem"])
        made = (await self.client.create_flow_run_from_deployment(deployment)).id
        await self.client.set_flow_run_state(made, state, force=True)
        if worker:
            await self.client.update_flow_run_labels(made, {"prefect.worker.name": worker})
        self.made.add(made)
        return made

    async def look(self, *, after_s: float = 60.0, times: int = 1) -> None:
        """Look so often, each time so much later."""
        for _ in range(times):
            self.clock += after_s
            await self._runs.end(self.client)

    async def ended(self) -> dict[UUID, str]:
        """Those that have ended, and the names of their states."""
        states = {each: (await self.client.read_flow_run(each)).state for each in self.made}
        return {each: state.name or "" for each, state in states.items() if state is not None and state.is_final()}


@pytest.fixture
def watching(client: PrefectClient) -> Watching:
    return Watching(client)


async def heartbeat(client: PrefectClient, flow_run: UUID) -> None:
    """Its process says that it lives."""
    before = await silent_runs._heartbeats(client, flow_run)
    event = {
        "event": "prefect.flow-run.heartbeat",
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{flow_run}"},
    }
    await client._client.post("/events", json=[event])
    for _ in range(100):
        await asyncio.sleep(0.2)
        if await silent_runs._heartbeats(client, flow_run) > before:
            return
    pytest.fail("the server did not take the heartbeat")


async def test_what_nobody_hears_of_is_ended_and_what_may_live_is_not(watching: Watching, ledger_url: str) -> None:
    submitted = await watching.run(Pending())
    of_former_worker = await watching.run(Pending(), "here")
    audit = await watching.run(Running(), "killed")
    cancelled = await watching.run(Cancelling(), "killed")
    mine = await watching.run(Pending(), "here")
    watching.mine.add(mine)
    begins = await watching.run(Pending())
    orphan, known = await watching.run(Running(), "killed"), await watching.run(Running(), "killed")
    watched_elsewhere = await watching.run(Running(), "elsewhere")
    with Ledger.open(ledger_url) as ledger:  # this process
        flow_runs.take(ledger.database, Continued(str(known)), f"run-{known}")
    await watching.look(times=3)
    await watching.client.set_flow_run_state(begins, Running(), force=True)
    await heartbeat(watching.client, orphan)
    await watching.look(times=3)
    ended = await watching.ended()
    assert ended == {submitted: "Crashed", of_former_worker: "Crashed", audit: "Crashed", cancelled: "Cancelled"}
    assert watching.made - set(ended) == {mine, begins, orphan, known, watched_elsewhere}


async def test_time_in_which_nothing_was_seen_does_not_count(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watching.run(Pending())
    await watching.look(times=5)
    await watching.look(after_s=3600)  # this host stood still
    await watching.look(times=4)
    with monkeypatch.context() as away:
        away.setattr(watching, "client", cast("Any", None))
        with pytest.raises(AttributeError):
            await watching.look()
    await watching.look(times=5)
    assert await watching.ended() == {}
    await watching.look()
    assert set((await watching.ended()).values()) == {"Crashed"}
