"""What the worker does otherwise than Prefect's; in the whole it is shown in the tests of the operation."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from anyio.abc import TaskStatus
from prefect.client.schemas.objects import FlowRun, State
from prefect.runner._state_proposer import StateProposer
from prefect.states import Cancelled, Cancelling, Completed, Failed, Pending
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

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

    async def read_deployment(self, deployment_id: UUID) -> object:
        return self.deployment


class Started(TaskStatus[Any]):
    """What the worker says of the process that it started."""

    value: object = None

    def started(self, value: object = None) -> None:
        self.value = value


async def start(server: Deploying, deployment: UUID | None, monkeypatch: pytest.MonkeyPatch, **job: Any) -> bool:
    """Have the worker start a run; whether it did."""
    begun: list[object] = []

    async def begin(self: ProcessWorker, *_: object) -> ProcessWorkerResult:
        begun.append(self)
        return ProcessWorkerResult(status_code=0, identifier="1")

    monkeypatch.setattr(ProcessWorker, "run", begin)
    run = FlowRun(id=uuid4(), flow_id=uuid4(), deployment_id=deployment, name="run")
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
