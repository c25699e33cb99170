"""Ends runs whose process is gone together with the worker that would have noticed.

They would stay `Running`, and the next change would wait for them. Only for a server that nobody but this machine can
reach: then a run without a process here has none anywhere.
"""

import logging
from pathlib import Path

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

log = logging.getLogger(__name__)

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_PROCESSES = Path("/proc")


async def end_runs_without_process() -> int:
    """Mark such runs as crashed; how many there were. Call it while no worker is up. Linux only; elsewhere nothing."""
    environments = _environments()
    if not environments:
        return 0
    async with get_client() as client:
        return await _end(client, environments)


async def _end(client: PrefectClient, environments: list[bytes]) -> int:
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)))
    ended = 0
    for run in await client.read_flow_runs(flow_run_filter=wanted):
        # a run from a terminal has no deployment: it is its own process, and reports its end
        if run.deployment_id is None or any(str(run.id).encode() in each for each in environments):
            continue
        told = "Its process is gone. Run it again; what was done is not done twice."
        await client.set_flow_run_state(run.id, Crashed(message=told), force=True)
        log.warning("Run %s had no process any more and is marked as crashed.", run.name)
        ended += 1
    return ended


def _environments() -> list[bytes]:
    """The environments of all processes that this user may read: a run's process has its id there."""
    found = []
    for folder in _PROCESSES.iterdir() if _PROCESSES.is_dir() else ():
        if folder.name.isdigit():
            try:
                found.append((folder / "environ").read_bytes())
            except OSError:  # ended meanwhile, or someone else's
                continue
    return found
