"""Ends runs whose process is gone together with the worker that would have noticed.

They would stay `Running` or `Paused`, and the next change would wait for them. Only for a server that nobody but this
machine can reach: then a run without a process here has none anywhere.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from simtandem.prefect_server.gone_runs import UNDER_WAY, last_state, needs_process

log = logging.getLogger(__name__)

_PROCESSES = Path("/proc")


async def end_runs_without_process() -> int:
    """End such runs with what the ledger knows of them; how many there were.

    Call it while no worker is up. Linux only; elsewhere nothing.
    """
    found = environments()
    if not found:
        return 0
    async with get_client() as client:
        return await _end(client, found)


async def _end(client: PrefectClient, environments: list[bytes]) -> int:
    states = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, *UNDER_WAY]))
    ended = 0
    for run in await client.read_flow_runs(flow_run_filter=FlowRunFilter(state=states)):
        begun = await _begun_by_worker(client, run)
        if begun is None or has_process(begun.id, environments):
            continue
        state = await last_state(client, run)
        await client.set_flow_run_state(run.id, state, force=True)
        log.warning("Run %s had no process any more: %s.", run.name, state.name)
        ended += 1
    return ended


async def _begun_by_worker(client: PrefectClient, run: FlowRun) -> FlowRun | None:
    """The flow run whose process this one needs: itself, or the one it is a part of. None where it needs none.

    A run from a terminal has no deployment: it is its own process, and reports its end.
    """
    if run.parent_task_run_id is None or run.deployment_id is not None:
        return run if needs_process(run) else None
    try:
        part = await client.read_task_run(run.parent_task_run_id)
        whole = None if part.flow_run_id is None else await client.read_flow_run(part.flow_run_id)
    except ObjectNotFound:  # removed, or never recorded
        return None
    return whole if whole is not None and needs_process(whole) else None


def has_process(flow_run: UUID, environments: Iterable[bytes]) -> bool:
    """Whether one of these is the environment of the flow run's process."""
    return any(str(flow_run).encode() in each for each in environments)


def environments() -> list[bytes]:
    """The environments of all processes that this user may read: a run's process has its id there."""
    found = []
    for folder in _PROCESSES.iterdir() if _PROCESSES.is_dir() else ():
        if folder.name.isdigit():
            try:
                found.append((folder / "environ").read_bytes())
            except OSError:  # ended meanwhile, or someone else's
                continue
    return found
