"""Starts flow runs again whose process died, so that a worker on any host continues them (`simtandem.runs.takeover`).

Prefect says that a process died: the worker that started it, or the automation that misses its heartbeat. The ledger
says whether something is left to do. It is done for hosts that share a ledger in PostgreSQL; on one, people decide.
"""

import asyncio
import logging
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry

from simtandem.ledger.work_lock import work_lock
from simtandem.prefect_server.deployed_runs import CHANGES, deployed_runs
from simtandem.prefect_server.ledger_of_runs import ledger_url_of_runs, opened_ledger
from simtandem.prefect_server.server_time import server_time
from simtandem.runs.takeover import is_left
from simtandem.settings import load_home

log = logging.getLogger(__name__)

_CRASHES = 3
"""A run whose process died more often is left to people: something kills it."""
_RECENT = timedelta(days=7)


async def continue_crashed_runs(client: PrefectClient) -> int:
    """Start those again that have something left to do; how many that were."""
    home = load_home()
    if home.ledger_url is not None and not home.ledger().startswith("postgres"):
        return 0
    since = await server_time(client) - _RECENT
    crashed = await deployed_runs(client, [StateType.CRASHED], CHANGES, since=since)
    ledger_url = await ledger_url_of_runs(client) if crashed else ""
    if not ledger_url.startswith("postgres"):
        return 0
    continued = 0
    with closing(await opened_ledger(ledger_url)) as ledger, work_lock(ledger.database, "crashed-runs") as free:
        for each in crashed if free else []:
            if _never_began(each) or await asyncio.to_thread(is_left, ledger, str(each.id)):
                continued += await _start_again(client, each.id)
    return continued


def _never_began(flow_run: FlowRun) -> bool:
    """Whether someone asked for it, and the host that was to start it died; what a look would do, the next one does."""
    return not flow_run.run_count and not flow_run.auto_scheduled


async def _start_again(client: PrefectClient, flow_run: UUID) -> bool:
    states = await client.read_flow_run_states(flow_run)
    now = (await client.read_flow_run(flow_run)).state
    if now is None or not now.is_crashed() or sum(each.is_crashed() for each in states) > _CRASHES:
        return False
    due = now.timestamp  # by the server's clock: this host's may be ahead, and the others would wait for it
    again: State[Any] = AwaitingRetry(scheduled_time=due, message="Its process died; another one continues the run.")
    await client.set_flow_run_state(flow_run, again)
    log.warning("Flow run %s is started again: its process died.", flow_run)
    return True
