"""What the tasks of one run share: the run, the connection to its carrier, and the sending under way."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal

from schemas.parameters import BulkUpdate
from schemas.statuses import Half, StoppedBy
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain.stop_reason import Stop
from simtandem.domain.waves import Wave
from simtandem.errors import CarrierUnavailable, Interrupted, SimtandemError
from simtandem.ledger import flow_runs
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.runs import pausing, stopping, takeover
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BATCHES_UNDER_WAY, BatchWork
from simtandem.runs.four_eyes import person
from simtandem.runs.handover import handed_over
from simtandem.runs.pipeline import RunSteps, carry_out
from simtandem.runs.run import Run, kind_of
from simtandem.runs.summary import first_trouble
from tasks.file_links import note_files
from tasks.ledger_wait import once_it_answers
from tasks.prefect_pause import PrefectPause
from tasks.run_progress import RunProgress, progress_shown
from tasks.run_settings import settings_of_run

__all__ = [
    "BATCHES_UNDER_WAY",
    "PatchedBatch",
    "RunSteps",
    "Session",
    "carry_out",
    "open_session",
    "origin",
    "stopping_in_good_order",
]

_LEFT_AT_ONCE = 20


class PatchedBatch:
    """A batch on its way, as its tasks know it. A plain object: Prefect does not look into it.

    `halves` are in the order they go. `sims` and `endpoints` name the batch in a task's name: `batch 3 of 12 (500)`.
    """

    def __init__(self, work: BatchWork, batches: int) -> None:
        self.number = work.batch.number
        self.halves = (work.first, work.second)
        self.sims, self.endpoints = (
            f"batch {self.number:,} of {batches:,} ({len(work.changes[half]):,})" for half in (Half.SIM, Half.ENDPOINT)
        )


class Session:
    """One run on its way. A plain object, of which Prefect stores nothing.

    Tasks return it, or the batch they patched: so Prefect's graph of a run shows the data flow.
    """

    def __init__(self, run: Run, carrier: Carrier, journal: CallWriter, shown: RunProgress | None = None) -> None:
        self.run = run
        self.carrier = carrier
        self.shown = shown or RunProgress(progress.current())
        self.in_prefect = PrefectPause(run)
        self._journal = journal
        self._applying: Applying | None = None
        self._work: dict[int, BatchWork] = {}
        self._tries: Counter[tuple[int, Half]] = Counter()
        self._stops = asyncio.Event()
        self._sends_nothing = asyncio.Event()
        self._at_end: tuple[bool, Stop | None] | None = None
        self._fatal: BaseException | None = None

    @property
    def applying(self) -> Applying:
        """The sending of the plan, begun when first asked for."""
        if self._applying is None:
            self._applying = Applying(self.run, self.carrier, self._journal)
            progress.current().on_stop(self._stop_waiting)
        return self._applying

    @property
    def interrupted(self) -> bool:
        """Whether the sending was stopped. What is stopped after everything was sent has not been."""
        if self._at_end is not None:
            return self._at_end[0]
        return self._applying is not None and self._applying.interrupted

    @property
    def stop(self) -> Stop | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        if self._fatal is not None:
            exit_code = self._fatal.exit_code if isinstance(self._fatal, SimtandemError) else None
            return Stop(StoppedBy.ERROR, str(self._fatal), exit_code)
        if self._at_end is not None:
            return self._at_end[1]
        return None if self._applying is None else self._applying.stop

    async def begin_sending(self) -> None:
        """Show what is about to be sent."""
        await self.shown.begin(self.applying.turns.batch_count)

    def begin_wave(self, wave: Wave) -> None:
        """Show which wave it is, where there are several."""
        if wave.waves > 1:
            progress.current().meter.begins_wave(wave.number, wave.waves)

    def begin_batch(self, work: BatchWork) -> PatchedBatch:
        """Remember a batch while it is on its way."""
        self._work[work.batch.number] = work
        return PatchedBatch(work, self.applying.turns.batch_count)

    def work(self, batch: PatchedBatch) -> BatchWork:
        """What is to be done for a batch, and what became of it so far."""
        return self._work[batch.number]

    async def wait_before_trying_again(self, batch: PatchedBatch, half: Half, pauses: Sequence[float]) -> None:
        """Called at each try of a batch's half: return at once at the first, later after a pause, or when all rests."""
        before = self._tries[batch.number, half]
        self._tries[batch.number, half] += 1
        if before:
            pause = pauses[min(before, len(pauses)) - 1] * random.uniform(1, 4 / 3)  # noqa: S311 - no secret
            why = f"the carrier does not answer: batch {batch.number:,} waits"
            with progress.current().waits(why, pause):
                await pausing.within(pause, self._sends_nothing)

    async def end_batch(self, batch: PatchedBatch) -> bool:
        """Both tasks of a batch have ended: every step gets an outcome, and what is remembered of it is dropped.

        In a pause, what is open of it is put aside instead. Returns whether it was sent in full: not where the run was
        stopped before.
        """
        work = self._work.pop(batch.number)
        if not self.applying.put_aside(work):
            await self.applying.finish(work)
        for half in batch.halves:
            self._tries.pop((batch.number, half), None)
        await self.shown.update()
        return (self.applying.stop is None or not work.held()) and not work.left()

    async def all_done(self, pairs: Sequence[asyncio.Task[None]]) -> None:
        """Wait for all batches. Where one raises, the others still finish what is on its way, and send nothing new."""
        try:
            await asyncio.gather(*pairs)
        except Exception:
            self._stop()
            await asyncio.wait(pairs)
            raise

    def end_sending(self) -> None:
        """Nothing is left to be sent: what stops the run from here on has not interrupted it."""
        self._at_end = (self.applying.interrupted, self.applying.stop)

    async def until_nothing_is_sent(self) -> None:
        """Return when the run is to stop, or to pause."""
        await self._sends_nothing.wait()

    async def wait(self, seconds: float) -> bool:
        """Wait; true, and at once, where the run is to stop."""
        return await pausing.within(seconds, self._stops)

    async def wait_unless_paused(self, seconds: float) -> bool:
        """As `wait`. Raises `Interrupted`, at once, where someone has asked this run to pause."""
        await pausing.within(seconds, self._sends_nothing)
        if self._sends_nothing.is_set() and not self._stops.is_set():
            raise Interrupted("Someone has asked this run to pause.")
        return self._stops.is_set()

    def heeding_pauses(self) -> AbstractAsyncContextManager[None]:
        """In this block a pause that someone asks for lets what is on its way end; nothing else is sent."""
        return pausing.heeded(self.run, self.applying, self._sends_nothing.set)

    async def complete_pairs(self) -> None:
        """Send the second halves of pairs that a pause or a stop has split, as far as they go now.

        See `pausing.complete_pairs` and `stopping.complete_pairs`.
        """
        try:
            await pausing.complete_pairs(self.applying)
            if self._fatal is None:
                await stopping.complete_pairs(self.applying, self.carrier)
        except SimtandemError as error:
            self._fatal = self._fatal or error
            self._stop()

    async def stay_paused(self) -> None:
        """Where someone has asked this run to pause: return when it may continue, or is to stop.

        Where everything was sent already, there is nothing to wait for.
        """
        turns = self.applying.turns
        left = turns.devices_left()
        if self.pauses() and left[0]:
            turns.waited = True
            async with self.in_prefect.shown(f"Paused. Resume it, or run simtandem resume {self.run.run_id}"):
                await pausing.stay(self.run, self.wait, left=left)
        if self.applying.paused:
            self.applying.go_on()
            if not self._stops.is_set():
                self._sends_nothing.clear()

    def begins_more(self, wave: Wave) -> bool:
        """Whether another batch of this wave is to begin now."""
        return self.applying.turns.left(wave) and self.applying.stop is None and not self.pauses()

    async def leave_rest(self, wave: Wave) -> None:
        """Where the run is to stop: what of this wave has not begun ends as not sent, many batches at once.

        No task is run for it: of hundreds of batches they would take minutes.
        """
        turns = self.applying.turns
        while self.applying.stop is not None and turns.left(wave):
            left = [turns.next_batch(wave) for _ in range(_LEFT_AT_ONCE) if turns.left(wave)]
            await asyncio.gather(*(self.applying.finish(work) for work in left))
            await self.shown.update()

    def pauses(self) -> bool:
        """Whether nothing more is begun before someone lets the run continue."""
        return self.applying.stop is None and (self.applying.paused or pausing.asked(self.run))

    async def stop_if_fatal(self, state: State[Any]) -> None:
        """An outage is judged by what it did to the batch. Anything else ends the run: nothing more is sent."""
        error = await state.aresult(raise_on_failure=False) if state.is_failed() else None
        if error is not None and not isinstance(error, CarrierUnavailable):
            self._fatal = self._fatal or error
            self._stop()

    def _stop(self) -> None:
        self._stop_waiting()
        self.applying.interrupt()

    def _stop_waiting(self) -> None:
        self._stops.set()
        self._sends_nothing.set()

    def trouble(self) -> str:
        """The first row that did not become as asked; empty where all did."""
        return first_trouble(self.run)

    def raise_if_fatal(self) -> None:
        """Raise what ended the run, after its report was written."""
        if self._fatal is not None:
            raise self._fatal


def origin() -> dict[str, str]:
    """Which flow run this is and who or what asked for it, as far as Prefect knows; for the record."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None:
        return {}
    by = flow_run.created_by
    told = {"flow_run": str(flow_run.id), "flow_run_name": flow_run.name}
    if by is not None:
        told["asked_by"] = by.display_value or by.type or ""
    if flow_run.auto_scheduled:
        told["asked_by"] = "schedule"
    return told


@asynccontextmanager
async def open_session(params: BulkUpdate) -> AsyncIterator[Session]:
    """A session for these parameters, or for the run that was handed over. What ends it is recorded and raised on."""
    prepared = handed_over(params)
    settings = await settings_of_run(params.account, run_id=params.retry_of or params.undo_of)
    run = await once_it_answers(lambda: Run.begin(params, kind_of(params), settings, prepared))
    asked_by = person(None, params.requested_by)
    run.origin = origin() | (asked_by.as_record("requested_by") if asked_by else {})
    try:
        alone = None if prepared is None else takeover.show_at_work(run)
        with run.failing(), flow_runs.held(run.ledger.database, lambda: run.continued or alone):
            async with progress_shown() as shown:
                if prepared is None and run.kind is not RunKind.PLAN and "flow_run" in run.origin:
                    await takeover.begin(run, run.origin["flow_run"])
                note_files(settings.home, f"runs/{run.run_id}/")
                async with run.carrier() as (carrier, journal):
                    session = Session(run, carrier, journal, shown)
                    try:
                        yield session
                    finally:
                        session.in_prefect.let_go()
    except TerminationSignal:  # Prefect's, before or after the sending: see `stopping_in_good_order`
        run.stopped(StoppedBy.OPERATOR if progress.attended() else StoppedBy.PREFECT)
        raise
    finally:
        run.close()


@asynccontextmanager
async def stopping_in_good_order() -> AsyncIterator[None]:
    """In this block SIGTERM, which is how a worker cancels a run, stops the sending and lets the run report.

    Prefect's own handler would raise at any point: before, that is right. After the
    block the run has ended, and a cancel that comes so late changes nothing, unless the run is a part of another one.
    """
    by = StoppedBy.OPERATOR if progress.attended() else StoppedBy.PREFECT
    hooks, loop = progress.own(), asyncio.get_running_loop()
    if hooks.handles_signals:
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        loop.add_signal_handler(signal.SIGTERM, hooks.stop, by)
    except (ValueError, RuntimeError):  # not in the main thread: the caller has to stop this one
        yield
        return
    over = False
    try:
        yield
        over = not _is_part_of_another()
    finally:
        if not over:
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)


def _is_part_of_another() -> bool:
    context = FlowRunContext.get()
    return context is None or context.flow_run is None or context.flow_run.parent_task_run_id is not None
