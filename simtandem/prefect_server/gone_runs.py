"""Ends flow runs that Prefect shows as paused, running or being cancelled, and whose process is gone for a while.

Prefect does not notice all of them: its automation looks for the heartbeat that does not follow a heartbeat, and a
pause, a Resume or a cancel may have come in between. Such a run would hold the one place of its queue. The ledger knows
whether its process is gone, on whichever host that was; what it does not know is left alone, and so is what was
suspended until someone answers, or resumes it: that needs no process.
"""

import asyncio
import logging
import time
from contextlib import closing
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Completed, Crashed

from simtandem.ledger.store import Ledger
from simtandem.ledger.work_lock import work_lock
from simtandem.prefect_server.deployed_runs import CHANGES, deployed_runs
from simtandem.prefect_server.ledger_of_runs import ledger_url_of_runs, opened_ledger
from simtandem.runs import known_end
from simtandem.text import escaping

log = logging.getLogger(__name__)

UNDER_WAY = [StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_GONE_FOR_S = 120.0
"""A run that has ended may take a minute until Prefect knows, and one that is started again until the ledger does."""
_RESUME = "Resume in Prefect"


class GoneRuns:
    """The flow runs that were found without a process at earlier looks, and since when, by a clock that nobody sets."""

    def __init__(self, gone_for_s: float = _GONE_FOR_S) -> None:
        self._gone_for_s = gone_for_s
        self._since: dict[UUID, float] = {}

    async def end(self, client: PrefectClient) -> int:
        """End those whose process is gone for long enough; how many that were."""
        found = [each for each in await deployed_runs(client, UNDER_WAY, CHANGES) if needs_process(each)]
        if not found:
            self._since.clear()
            return 0
        with closing(await _ledger(client)) as ledger, work_lock(ledger.database, "crashed-runs") as free:
            if not free:
                return 0  # another worker looks
            gone = [each for each in found if await asyncio.to_thread(_is_gone, ledger, each)]
            now = time.monotonic()
            self._since = {each.id: self._since.get(each.id, now) for each in gone}
            due = [each for each in gone if now - self._since[each.id] >= self._gone_for_s]
            return sum([await _end(client, ledger, each) for each in due])


def needs_process(flow_run: FlowRun) -> bool:
    """Whether a flow run of a deployment, in one of these states, stays there for ever unless a process ends it.

    A suspended one is started by the answer that it waits for; a run from a terminal reports its own end.
    """
    state = flow_run.state
    if flow_run.deployment_id is None or state is None:
        return False
    return not (state.is_paused() and state.state_details.pause_reschedule)


async def last_state(client: PrefectClient, flow_run: FlowRun) -> State[Any]:
    """The end of a flow run whose process is gone: what the ledger knows of it, and the way on."""
    try:
        with closing(await _ledger(client)) as ledger:
            return await _as_known(ledger, flow_run)
    except Exception as error:  # noqa: BLE001 - `up` starts also where its ledger can't be opened
        log.info("What became of run %s could not be read: %s", flow_run.name, error)
        return _without_counts(flow_run)


async def _ledger(client: PrefectClient) -> Ledger:
    return await opened_ledger(await ledger_url_of_runs(client))


def _is_gone(ledger: Ledger, flow_run: FlowRun) -> bool:
    return known_end.is_gone(ledger, str(flow_run.id), cancelled=_is_cancelled(flow_run))


async def _end(client: PrefectClient, ledger: Ledger, flow_run: FlowRun) -> bool:
    now = (await client.read_flow_run(flow_run.id)).state
    if now is None or flow_run.state is None or now.id != flow_run.state.id:
        return False  # something happens to it: see the next look
    if now.is_running() and await _was_paused(client, flow_run.id):
        await asyncio.to_thread(known_end.let_continue, ledger, str(flow_run.id), _RESUME)
    await client.set_flow_run_state(flow_run.id, await _as_known(ledger, flow_run), force=True)
    log.warning("Run %s has no process any more, and was ended.", flow_run.name)
    return True


async def _was_paused(client: PrefectClient, flow_run: UUID) -> bool:
    """Whether its state before this one was a pause: then someone has resumed it since its process is gone."""
    states = sorted(await client.read_flow_run_states(flow_run), key=lambda each: each.timestamp)
    return len(states) > 1 and states[-2].is_paused()


async def _as_known(ledger: Ledger, flow_run: FlowRun) -> State[Any]:
    try:
        known = await asyncio.to_thread(known_end.look_at, ledger, str(flow_run.id))
    except Exception as error:  # noqa: BLE001 - it ends without the counts, and keeps no other one from its end
        log.info("What became of run %s could not be read: %s", flow_run.name, error)
        known = None
    if known is None:
        return _without_counts(flow_run)
    if known.done:
        return Completed(message=escaping.state(known.told))
    message = escaping.state(f"Its process is gone. {known.told}")
    return Cancelled(message=message) if _is_cancelled(flow_run) or known.stopped else Crashed(message=message)


def _without_counts(flow_run: FlowRun) -> State[Any]:
    told = "Its process is gone. Run it again; what was done is not done twice."
    return Cancelled(message=told) if _is_cancelled(flow_run) else Crashed(message=told)


def _is_cancelled(flow_run: FlowRun) -> bool:
    return flow_run.state is not None and flow_run.state.is_cancelling()
