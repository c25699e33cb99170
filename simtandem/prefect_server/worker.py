"""The worker: it runs the flows that simtandem deploys, as simtandem deploys them, and nothing else.

A run's job variables, its deployment and the work pool can name a command, an environment, a folder and steps, each of
which is any program. Anyone who is logged in to the server may change them. A run where they are changed is not
started: it ends as `Input unusable`.
"""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import yaml  # type: ignore[import-untyped]
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.states import Failed
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from pydantic import PrivateAttr

from simtandem.host.private_home import keep_private
from simtandem.inbox.pickup_summary import tells_nothing
from simtandem.inbox.quiet_look import nothing_to_do
from simtandem.prefect_server.continued_runs import continue_crashed_runs
from simtandem.prefect_server.deployments import POOL, definition
from simtandem.prefect_server.gone_runs import GoneRuns
from simtandem.prefect_server.prefect_settings import keep_to_own_server
from simtandem.prefect_server.server_time import server_time
from simtandem.prefect_server.silent_runs import SilentRuns
from simtandem.prefect_server.worker_end import WorkerEnd
from simtandem.settings import load_home
from simtandem.text import escaping

TYPE = "simtandem-process"
LOOKS = "flows.scheduled_updates.scheduled_updates"
"""The entrypoint of the flow that looks into the inbox."""

_PR_SET_PDEATHSIG = 1
_LOOK_S = 30.0

log = logging.getLogger(__name__)


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
    looks_again_at: float = 0.0
    """When this worker looks for runs whose process died, by a clock that nobody sets."""
    gone_runs: GoneRuns
    """Those that it has found at its looks."""
    silent_runs: SilentRuns
    end: WorkerEnd
    """What becomes of its runs at Ctrl-C."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gone_runs = GoneRuns()
        self.silent_runs = SilentRuns(self.name, self._has)
        self.end = WorkerEnd()
        self._under_way: set[UUID] = set()

    async def start(self, *args: Any, **kwargs: Any) -> None:
        """As Prefect's; Ctrl-C lets the runs of this worker end cleanly (`worker_end`)."""
        self.end.listen()
        await super().start(*args, **kwargs)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """As Prefect's; before, runs are ended or scheduled again whose process died, on whichever host.

        See `gone_runs`, `silent_runs` and `continued_runs`.
        """
        if self.end.has_begun:
            return []
        if time.monotonic() >= self.looks_again_at:
            self.looks_again_at = time.monotonic() + _LOOK_S
            for look in (self.gone_runs.end, self.silent_runs.end, continue_crashed_runs):
                try:
                    await look(self.client)
                except Exception as error:  # noqa: BLE001 - what is to be started is started nevertheless
                    log.info("Whether a run has to be ended or continued could not be read: %s", error)
        return await super().get_and_submit_flow_runs()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """As Prefect's, but by the server's clock: one of this host that is ahead would have runs begin too early."""
        try:
            before = await server_time(self.client) + timedelta(seconds=int(self._prefetch_seconds))
            return await self.client.get_scheduled_flow_runs_for_work_pool(
                work_pool_name=self._work_pool_name,
                scheduled_before=before,
                work_queue_names=list(self._work_queues),
            )
        except ObjectNotFound:  # the pool: it comes with the next heartbeat, or a warning does
            return []

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
        if await self._is_idle_look(flow_run):
            await self.client.delete_flow_run(flow_run.id)
            return _not_started("Nothing new, nothing due.", "idle", task_status)
        changed = configuration.changed if isinstance(configuration, JobConfiguration) else ["configuration"]
        changed = [*changed, *await self._changed_about_deployment(flow_run)]
        if not changed:
            self._under_way.add(flow_run.id)
            try:
                with self.end.started_by(task_status) as started:
                    ended = await super().run(flow_run, configuration, started)
            finally:
                self._under_way.discard(flow_run.id)
            await self._remove_if_it_found_nothing(flow_run)
            return ended
        refusal = (
            f"The worker starts only what simtandem deploys, and this run has another {', '.join(changed)}. "
            "Nothing was sent. Remove that from the run's or the deployment's job variables, or run `simtandem deploy`."
        )
        state: State[Any] = Failed(name="Input unusable", message=escaping.state(refusal))
        await self.client.set_flow_run_state(flow_run.id, state, force=True)
        return _not_started(refusal, "refused", task_status)

    def _has(self, flow_run: UUID) -> bool:
        """Whether this worker is about to start it, or waits for its process."""
        return flow_run in self._under_way or flow_run in self._submitting_flow_run_ids

    async def _is_idle_look(self, flow_run: FlowRun) -> bool:
        """Whether it is a scheduled look into the inbox that would find nothing.

        Such a run is removed instead of started: a look every five minutes would leave gigabytes a year in Prefect's
        database. A run that someone asked for is always started, and so is one where this can't be said.
        """
        if not flow_run.auto_scheduled or flow_run.deployment_id is None:
            return False
        try:
            deployment = await self.client.read_deployment(flow_run.deployment_id)
            if deployment.entrypoint != LOOKS:
                return False
            asked = flow_run.parameters
            account, urgent = str(asked.get("account") or ""), bool(asked.get("urgent"))
            return await asyncio.to_thread(nothing_to_do, account, urgent=urgent)
        except Exception:  # noqa: BLE001 - the run reports what it is
            return False

    async def _remove_if_it_found_nothing(self, flow_run: FlowRun) -> None:
        """Remove a scheduled look that found nothing after all: another one was quicker, on whichever host."""
        if not flow_run.auto_scheduled:
            return
        try:
            state = (await self.client.read_flow_run(flow_run.id)).state
            if state is not None and tells_nothing(state.name or "", state.message or ""):
                await self.client.delete_flow_run(flow_run.id)
        except Exception as error:  # noqa: BLE001 - it stays, as a look that found something does
            log.info("The look %s could not be removed: %s", flow_run.name, error)

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


def _not_started(why: str, result: str, task_status: TaskStatus[int] | None) -> ProcessWorkerResult:
    """No process was started: that is what an error means to the worker. It changes no state of the run then."""
    (task_status or TASK_STATUS_IGNORED).started(RuntimeError(why))  # type: ignore[arg-type]
    return ProcessWorkerResult(status_code=0, identifier=result)


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
