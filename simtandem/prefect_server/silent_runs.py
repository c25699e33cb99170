"""Ends flow runs of which nothing is heard any more: those that the ledger does not know yet, or never will.

A worker reports how a process ended that it had started. Where its host is gone, or the server was away just then,
nobody does, and the run stays Pending or Running and holds the place that it has in its queue. Prefect's automation
does not see all of them: it waits for what follows a heartbeat, and forgets what there was before the server's start.

So each worker watches such runs. One that does nothing for five minutes, while server and worker are there without a
gap, whose own worker is gone, and which has no process here and in the ledger, is ended. Clocks of hosts don't
count, and time in which the server or this host stood still doesn't, either. Several workers may do so at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter

from simtandem.ledger import flow_runs
from simtandem.prefect_server.crashed_runs import environments, has_process
from simtandem.prefect_server.deployed_runs import deployed_runs
from simtandem.prefect_server.deployments import POOL
from simtandem.prefect_server.gone_runs import last_state
from simtandem.prefect_server.ledger_of_runs import ledger_url_of_runs, opened_ledger

log = logging.getLogger(__name__)

_WATCHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_SILENT_FOR_S = 300.0
"""As long as a run waits for a ledger that is away: after that it has ended."""
_GAP_S = 100.0
"""A worker looks every half a minute; where it has not looked for so long, it has seen nothing."""
_EVER = EventOccurredFilter.model_validate(
    {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2200, 1, 1, tzinfo=UTC)}
)
_WORKER = "prefect.worker.name"

_Sign = tuple[UUID | None, int]
"""What changes while a flow run lives: its state, and how many heartbeats came."""


class SilentRuns:
    """The runs that one worker watches, and since when each of them does nothing, by a clock that nobody sets.

    `name`: of the worker. `mine`: whether it is about to start a flow run, or waits for its process.
    """

    def __init__(
        self, name: str, mine: Callable[[UUID], bool], *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._mine, self._steady = name, mine, steady
        self._since: dict[UUID, tuple[_Sign, float]] = {}
        self._looked_at = float("-inf")

    async def end(self, client: PrefectClient) -> int:
        """Look, and end those that were silent for long enough; how many that were."""
        now = self._steady()
        before = self._since if now - self._looked_at <= _GAP_S else {}
        self._since = {}  # a look that fails has seen nothing
        found = await self._watched(client)
        signs = {each.id: (each.state_id, await _heartbeats(client, each.id)) for each in found}
        since = {each: _unchanged(before.get(each), sign) or (sign, now) for each, sign in signs.items()}
        silent = [each for each in found if now - since[each.id][1] >= _SILENT_FOR_S]
        ended = sum([await _end(client, each) for each in await self._dead(client, silent)])
        self._since, self._looked_at = since, now
        return ended

    async def _watched(self, client: PrefectClient) -> list[FlowRun]:
        return [each for each in await deployed_runs(client, _WATCHED) if not self._mine(each.id)]

    async def _dead(self, client: PrefectClient, silent: list[FlowRun]) -> list[FlowRun]:
        """Those of them that have neither a worker nor a process, as far as anyone knows."""
        if not silent:
            return []
        workers = await client.read_workers_for_work_pool(POOL)
        others = {each.name for each in workers if each.status == WorkerStatus.ONLINE} - {self._name}
        here = environments()
        left = [each for each in silent if each.labels.get(_WORKER) not in others and not has_process(each.id, here)]
        with closing(await opened_ledger(await ledger_url_of_runs(client))) as ledger:
            known = [await asyncio.to_thread(flow_runs.found, ledger.database, str(each.id)) for each in left]
        return [each for each, run in zip(left, known, strict=True) if not run.alive]


def _unchanged(before: tuple[_Sign, float] | None, sign: _Sign) -> tuple[_Sign, float] | None:
    return before if before is not None and before[0] == sign else None


async def _heartbeats(client: PrefectClient, flow_run: UUID) -> int:
    wanted = EventFilter(
        occurred=_EVER,
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{flow_run}"]),
    )
    return (await client.read_events(wanted, limit=1)).total


async def _end(client: PrefectClient, flow_run: FlowRun) -> bool:
    now = (await client.read_flow_run(flow_run.id)).state
    if now is None or now.id != flow_run.state_id:
        return False
    await client.set_flow_run_state(flow_run.id, await last_state(client, flow_run))
    log.warning("Nothing was heard of run %s any more, and it was ended.", flow_run.name)
    return True
