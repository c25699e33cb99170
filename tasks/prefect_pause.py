"""Prefect's Suspend (Pause in its new UI) and Resume, for a run that sends: it pauses in place.

Alone, Prefect ends the process at its next task, changes on their way or not, and fails a run that no one resumes in
time. So that is not heeded, and the flow run is made Paused as soon as it is seen: then Resume lets this process
continue. Best effort: the run's record says that it is paused, and `simtandem resume` works without Prefect.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Paused, Running

from schemas.statuses import StoppedBy
from simtandem import progress
from simtandem.errors import InputError
from simtandem.ledger.pausing import ask
from simtandem.ledger.records import RunState
from simtandem.runs import pausing
from simtandem.runs.run import Run
from simtandem.text import escaping
from tasks.this_flow_run import ASKED_S, ThisFlowRun, flow_run_id, this_flow_run

log = logging.getLogger("simtandem.pause")

_LOOK_S = 2.0
_AWAY_S = 10.0
"""So long until a server that did not answer is asked again."""
_SUSPEND, _RESUME = "Suspend in Prefect", "Resume in Prefect"


def _go_on() -> None:
    """Do not end the process."""


class PrefectPause:
    """What Prefect's buttons ask of a run, and what Prefect shows of its pauses.

    `_shown`: the flow run is Paused, as far as is known. `_why` is what it says then, in a block of `shown`.
    """

    def __init__(self, run: Run) -> None:
        self._context = FlowRunContext.get()
        self._run = run
        self._shown = False
        self._why = ""
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def heeded(self) -> AsyncIterator[None]:
        """In this block, that of the sending, the run does what the buttons ask; they may have been pressed before.

        Pressed after it, Suspend changes nothing any more.
        """
        self._let_nothing_end_it()
        await self._patiently(self._look)
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self._show_that_it_continues()

    @asynccontextmanager
    async def shown(self, why: str) -> AsyncIterator[None]:
        """In this block the flow run is Paused, and says why."""
        self._why = why
        await self._patiently(self._look)
        try:
            yield
        finally:
            self._why = ""
            await self._show_that_it_continues()

    def _let_nothing_end_it(self) -> None:
        """Keep Prefect's engine from ending this process at its next task where someone suspends the flow run.

        A flow run that this one is a part of ends as soon as this one has come to its end.
        """
        if self._context is not None:
            self._context.flow_run_suspension_request.raise_if_requested = _go_on  # type: ignore[method-assign]

    def let_go(self) -> None:
        """The run has come to its end: what it is a part of may be ended by Prefect again."""
        if self._context is not None and self._context.flow_run and self._context.flow_run.parent_task_run_id:
            vars(self._context.flow_run_suspension_request).pop("raise_if_requested", None)

    async def _watch(self) -> None:
        while flow_run_id() is not None:
            await asyncio.sleep(_LOOK_S)
            try:
                async with this_flow_run() as flow_run:
                    while flow_run is not None:
                        async with self._looking:
                            await self._look(flow_run)
                        await asyncio.sleep(_LOOK_S)
            except Exception as error:  # noqa: BLE001 - see above
                log.info("What is asked of the run in Prefect could not be read: %s", error)
                await asyncio.sleep(_AWAY_S)

    async def _patiently(self, work: Callable[[ThisFlowRun], Awaitable[None]]) -> None:
        """Do it; a server that is slow keeps nobody."""
        try:
            async with asyncio.timeout(ASKED_S), self._looking, this_flow_run() as flow_run:
                if flow_run is not None:
                    await work(flow_run)
        except Exception as error:  # noqa: BLE001 - see above
            log.info("Prefect does not show whether the run is paused: %s", error)

    async def _look(self, flow_run: ThisFlowRun) -> None:
        state = await flow_run.state()
        if state is None:
            return
        if state.is_paused():
            await self._look_at_pause(flow_run, state)
        elif state.is_running() and self._shown:
            self._shown, self._why = False, ""
            await self._ask(RunState.RESUMING, _RESUME)
        elif state.is_running() and self._why:
            await flow_run.show(Paused(message=escaping.state(self._why)))
            self._shown = True
        elif state.is_cancelling() or state.is_cancelled() or state.is_failed():
            # a worker stops the one process of the flow run that it knows; a pause may have lasted longer than it may
            progress.current().stop(StoppedBy.PREFECT)

    async def _look_at_pause(self, flow_run: ThisFlowRun, state: State) -> None:
        if state.state_details.pause_reschedule or not self._shown:  # someone pressed Suspend
            await self._ask(RunState.PAUSING, _SUSPEND)
            await flow_run.show(Paused(message=escaping.state(self._why or self._pauses())))
            self._shown = True
        elif not await asyncio.to_thread(pausing.asked, self._run):  # someone resumed it while no server was there
            await flow_run.show(Running())
            self._shown = False
        elif self._why and state.message != escaping.state(self._why):
            await flow_run.show(Paused(message=escaping.state(self._why)))

    async def _show_that_it_continues(self) -> None:
        if self._shown:
            await self._patiently(self._end)

    async def _end(self, flow_run: ThisFlowRun) -> None:
        state = await flow_run.state()
        if state is not None and state.is_paused() and not state.state_details.pause_reschedule:
            await flow_run.show(Running())
        self._shown = False

    def _pauses(self) -> str:
        return f"Pauses once its calls are answered. Resume it, or run simtandem resume {self._run.run_id}"

    async def _ask(self, wanted: RunState, by: str) -> None:
        with suppress(InputError):  # someone was quicker, or the run has ended
            await asyncio.to_thread(ask, self._run.ledger, self._run.run_id, wanted, by)
