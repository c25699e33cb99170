"""What the worker does otherwise than Prefect's; in the whole it is shown in the tests of the operation."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from anyio.abc import TaskStatus
from prefect.client.schemas.objects import FlowRun, State
from prefect.runner._state_proposer import StateProposer
from prefect.states import Cancelled, Cancelling, Completed, Failed, Pending, Running
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

from simtandem.errors import LedgerError
from simtandem.inbox.pickup_summary import NOTHING_DUE, nothing_due
from simtandem.prefect_server import worker


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
    worker._let_results_stand()
    server = Server(state)
    proposer = StateProposer(client=cast("Any", server))
    run = cast("FlowRun", SimpleNamespace(id=uuid4(), state=Cancelling()))
    cancelled = await proposer.propose_cancelled(run, {"message": "Flow run was cancelled successfully."})
    assert cancelled is server.state.is_cancelled()
    assert (server.state is state) is kept


DEPLOYED = worker._deployed()["flows.bulk_update.bulk_update"]["env"]
PULL = [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]


class Deploying(Server):
    """Prefect's API, as far as the worker asks it about a deployment."""

    def __init__(self, **other: object) -> None:
        super().__init__(Pending())
        plain = {"entrypoint": "flows.bulk_update.bulk_update", "pull_steps": PULL, "path": None}
        self.deployment = SimpleNamespace(**{**plain, "storage_document_id": None, **other})

        self.deleted: list[UUID] = []

    async def read_deployment(self, deployment_id: UUID) -> object:
        return self.deployment

    async def delete_flow_run(self, flow_run_id: UUID) -> None:
        self.deleted.append(flow_run_id)


class Started(TaskStatus[Any]):
    """What the worker says of the process that it started."""

    value: object = None

    def started(self, value: object = None) -> None:
        self.value = value


async def start(
    server: Deploying,
    deployment: UUID | None,
    monkeypatch: pytest.MonkeyPatch,
    *,
    auto_scheduled: bool = False,
    **job: Any,
) -> bool:
    """Have the worker start a run; whether it did."""
    begun: list[object] = []

    async def begin(self: ProcessWorker, *_: object) -> ProcessWorkerResult:
        begun.append(self)
        return ProcessWorkerResult(status_code=0, identifier="1")

    monkeypatch.setattr(ProcessWorker, "run", begin)
    run = FlowRun(id=uuid4(), flow_id=uuid4(), deployment_id=deployment, name="run", auto_scheduled=auto_scheduled)
    configuration = worker.JobConfiguration(**{"env": DEPLOYED, **job})
    configuration.prepare_for_flow_run(run)
    mine = worker.Worker(work_pool_name="simtandem")
    mine._client = cast("Any", server)
    status = Started()
    result = await mine.run(run, configuration, status)
    assert result.status_code == 0, "another one would be called crashed"
    assert bool(begun) is not isinstance(status.value, RuntimeError)
    return begun != []


async def test_a_run_is_started_as_it_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Deploying()
    assert await start(server, uuid4(), monkeypatch)
    assert server.state.is_pending()


@pytest.mark.parametrize(
    ("job", "named"),
    [
        ({"command": "sh -c 'env > /tmp/x'"}, "command"),
        ({"working_dir": "/srv"}, "working_dir"),
        ({"env": {**DEPLOYED, "PYTHONPATH": "/srv/x"}}, "env"),
        ({"env": {**DEPLOYED, "PYTHONSAFEPATH": None}}, "env"),
        ({"env": {}}, "env"),
    ],
)
async def test_job_variables_that_change_what_is_started_end_the_run(
    job: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Deploying()
    assert not await start(server, uuid4(), monkeypatch, **job)
    assert server.state.is_failed()
    assert server.state.name == "Input unusable"
    assert f"another {named}. Nothing was sent" in str(server.state.message)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"entrypoint": "evil.py:flow"}, "entrypoint"),
        ({"entrypoint": None}, "entrypoint"),
        ({"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]}, "pull steps"),
        ({"pull_steps": None}, "pull steps"),
        ({"path": "/srv"}, "path"),
        ({"storage_document_id": uuid4()}, "storage"),
    ],
)
async def test_a_deployment_that_was_changed_is_not_started(
    other: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Deploying(**other)
    assert not await start(server, uuid4(), monkeypatch)
    assert f"another {named}. Nothing was sent" in str(server.state.message)


async def test_a_run_without_a_deployment_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Deploying()
    assert not await start(server, None, monkeypatch)
    assert "another deployment" in str(server.state.message)


def says(answer: bool | Exception) -> Callable[..., bool]:
    def nothing_to_do(account: str, *, urgent: bool) -> bool:
        assert (account, urgent) == ("", False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return nothing_to_do


@pytest.mark.parametrize(
    ("auto_scheduled", "entrypoint", "idle", "started"),
    [
        (True, worker.LOOKS, True, False),
        (True, worker.LOOKS, False, True),
        (True, worker.LOOKS, LedgerError("The ledger is locked."), True),
        (False, worker.LOOKS, True, True),
        (True, "flows.fleet_audit.fleet_audit", True, True),
    ],
    ids=["idle look", "look with work", "unknown", "asked for by hand", "another flow"],
)
async def test_a_scheduled_look_that_would_find_nothing_is_removed_instead_of_started(
    *, auto_scheduled: bool, entrypoint: str, idle: bool | Exception, started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "nothing_to_do", says(idle))
    server = Deploying(entrypoint=entrypoint)
    env = worker._deployed()[entrypoint]["env"]
    assert await start(server, uuid4(), monkeypatch, auto_scheduled=auto_scheduled, env=env) is started
    assert (server.deleted == []) is started
    assert server.state.is_pending()


FOUND_NOTHING: State[Any] = Completed(name=NOTHING_DUE, message=nothing_due(""))


@pytest.mark.parametrize(
    ("auto_scheduled", "state", "removed"),
    [
        (True, FOUND_NOTHING, True),
        (True, Completed(name=NOTHING_DUE, message=f"east: {nothing_due('')} west: {nothing_due('')}"), True),
        (True, Completed(name=NOTHING_DUE, message=nothing_due("not taken: folder.csv (a folder)")), False),
        (True, Completed(message="1 file taken."), False),
        (True, Running(), False),
        (False, FOUND_NOTHING, False),
    ],
    ids=["nothing", "nothing for two accounts", "something aside", "something", "not ended", "asked for by hand"],
)
async def test_a_scheduled_look_that_found_nothing_after_all_leaves_no_run(
    *, auto_scheduled: bool, state: State[Any], removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may be due at once: that of the urgent inbox, or one that another host was asked for."""
    monkeypatch.setattr(worker, "nothing_to_do", says(False))
    server = Deploying(entrypoint=worker.LOOKS)
    server.state = state
    env = worker._deployed()[worker.LOOKS]["env"]
    assert await start(server, uuid4(), monkeypatch, auto_scheduled=auto_scheduled, env=env)
    assert (server.deleted != []) is removed


class Scheduling:
    """Prefect's API, as far as the worker asks it for what is due: it is 2020 there."""

    asked: datetime | None = None

    async def request(self, method: str, path: str) -> object:
        return SimpleNamespace(headers={"Date": "Thu, 26 Nov 2020 20:05:53 GMT"})

    async def get_scheduled_flow_runs_for_work_pool(self, *, scheduled_before: datetime, **_: object) -> list[object]:
        self.asked = scheduled_before
        return []


async def test_what_is_due_is_judged_by_the_clock_of_the_server() -> None:
    mine = worker.Worker(work_pool_name="simtandem", prefetch_seconds=10)
    server = Scheduling()
    mine._client = cast("Any", server)
    mine.looks_again_at, mine._has_successfully_synced = math.inf, True
    assert await mine.get_and_submit_flow_runs() == []
    assert server.asked == datetime(2020, 11, 26, 20, 6, 3, tzinfo=UTC)
