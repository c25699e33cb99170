"""The worker: it runs the flows that simtandem deploys, as simtandem deploys them, and nothing else.

A run's job variables, its deployment and the work pool can name a command, an environment, a folder and steps, each of
which is any program. Anyone who is logged in to the server may change them. A run where they are changed is not
started: it ends as `Input unusable`.
"""

import ctypes
import os
import signal
import socket
import sys
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Failed
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from pydantic import PrivateAttr

from simtandem.host.private_home import keep_private
from simtandem.prefect_server.deployments import POOL, definition
from simtandem.prefect_server.prefect_settings import keep_to_own_server
from simtandem.settings import load_home
from simtandem.text import escaping

TYPE = "simtandem-process"
_PR_SET_PDEATHSIG = 1


class JobConfiguration(ProcessJobConfiguration):
    """As Prefect's; it knows what was changed about how a run is started."""

    _changed: list[str] = PrivateAttr(default_factory=list)

    def prepare_for_flow_run(self, *args: Any, **kwargs: Any) -> None:
        """See `ProcessJobConfiguration`."""
        deployed = [each.get("env") or {} for each in _deployed().values()]
        self._changed = [
            *(["command"] if self.command is not None else []),
            *(["working_dir"] if self.working_dir is not None else []),
            *(["env"] if self.env not in deployed else []),
        ]
        super().prepare_for_flow_run(*args, **kwargs)

    @property
    def changed(self) -> list[str]:
        """The job variables that say something else than what simtandem deploys."""
        return self._changed


class Worker(ProcessWorker):
    """As Prefect's process worker; it refuses what would start another program."""

    job_configuration = JobConfiguration

    @classmethod
    def __dispatch_key__(cls) -> str:
        return TYPE

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run it, or end it where it is not as it was deployed."""
        changed = configuration.changed if isinstance(configuration, JobConfiguration) else ["configuration"]
        changed = [*changed, *await self._changed_about_deployment(flow_run)]
        if not changed:
            return await super().run(flow_run, configuration, task_status)
        refusal = (
            f"The worker starts only what simtandem deploys, and this run has another {', '.join(changed)}. "
            "Nothing was sent. Remove that from the run's or the deployment's job variables, or run `simtandem deploy`."
        )
        state: State[Any] = Failed(name="Input unusable", message=escaping.state(refusal))
        await self.client.set_flow_run_state(flow_run.id, state, force=True)
        # an error means to the worker that no process was started; the run has its state already
        (task_status or TASK_STATUS_IGNORED).started(RuntimeError(refusal))  # type: ignore[arg-type]
        return ProcessWorkerResult(status_code=0, identifier="refused")

    async def _changed_about_deployment(self, flow_run: FlowRun) -> list[str]:
        if flow_run.deployment_id is None:
            return ["deployment"]
        deployment = await self.client.read_deployment(flow_run.deployment_id)
        return [
            *(["entrypoint"] if deployment.entrypoint not in _deployed() else []),
            *(["pull steps"] if deployment.pull_steps != _definition()["pull"] else []),
            *(["path"] if deployment.path else []),
            *(["storage"] if deployment.storage_document_id else []),
        ]


@cache
def _definition() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(definition().read_text(encoding="utf-8"))
    return read


def _deployed() -> dict[str, dict[str, Any]]:
    """The job variables that simtandem deploys, by entrypoint."""
    return {each["entrypoint"]: each["work_pool"]["job_variables"] for each in _definition()["deployments"]}


def start(name: str) -> None:
    """Be a worker, until a signal ends it."""
    from prefect.cli import app

    _let_results_stand()
    sys.argv = ["prefect", "worker", "start", "--pool", POOL, "--type", TYPE, "--name", name]
    app()


def main() -> None:
    """The worker's process below `simtandem up`: it ends with its parent."""
    keep_private()
    keep_to_own_server(load_home())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    start(f"simtandem-{socket.gethostname()}")


def own_name() -> str:
    """A name for one of several workers of this host."""
    return f"simtandem-{socket.gethostname()}-{os.getpid()}"


def _let_results_stand() -> None:
    """Have the worker leave the state of a run that has ended, also where it was just cancelling that run.

    Alone it calls the run "cancelled successfully", by force: over the counts that a cancelled run leaves in its
    state, and over the result of a run that had completed meanwhile.
    """
    from prefect.runner._state_proposer import StateProposer

    propose = StateProposer.propose_cancelled

    async def propose_where_none_is(self: Any, flow_run: Any, state_updates: Any = None) -> bool:
        now = (await self._client.read_flow_run(flow_run.id)).state
        if now is not None and now.is_final():
            return bool(now.is_cancelled())
        return await propose(self, flow_run, state_updates)

    StateProposer.propose_cancelled = propose_where_none_is  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
