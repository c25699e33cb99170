"""What the tasks of one run share: the run, the connection to its carrier, and the sending under way."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed

from schemas.parameters import BulkUpdate
from schemas.statuses import Half, StoppedBy
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain.stop_reason import Stop
from simtandem.errors import CarrierUnavailable, Interrupted, PlanRefused, SimtandemError
from simtandem.ledger.journal import CallWriter
from simtandem.reports.run_document import Document
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.four_eyes import person
from simtandem.runs.handover import handed_over
from simtandem.runs.pipeline import RunSteps, carry_out
from simtandem.runs.run import Run, kind_of
from simtandem.runs.summary import ending, first_trouble, only_planned
from simtandem.text import escaping
from tasks.run_settings import settings_of_run

__all__ = [
    "PatchedBatch",
    "RunSteps",
    "Session",
    "carry_out",
    "final_state",
    "open_session",
    "origin",
    "stopping_in_good_order",
]


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

    def __init__(self, run: Run, carrier: Carrier, journal: CallWriter) -> None:
        self.run = run
        self.carrier = carrier
        self._journal = journal
        self._applying: Applying | None = None
        self._work: dict[int, BatchWork] = {}
        self._tries: Counter[tuple[int, Half]] = Counter()
        self._stops = asyncio.Event()
        self._all_sent = False
        self._fatal: BaseException | None = None

    @property
    def applying(self) -> Applying:
        """The sending of the plan, begun when first asked for."""
        if self._applying is None:
            self._applying = Applying(self.run, self.carrier, self._journal)
            progress.current().on_stop(self._stops.set)
        return self._applying

    @property
    def interrupted(self) -> bool:
        """Whether the sending was stopped. What is stopped after everything was sent has not been."""
        return self._applying is not None and self._applying.interrupted and not self._all_sent

    @property
    def stop(self) -> Stop | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        if self._fatal is not None:
            exit_code = self._fatal.exit_code if isinstance(self._fatal, SimtandemError) else None
            return Stop(StoppedBy.ERROR, str(self._fatal), exit_code)
        return None if self._applying is None or self._all_sent else self._applying.stop

    def begin_batch(self, work: BatchWork) -> PatchedBatch:
        """Remember a batch while it is on its way."""
        self._work[work.batch.number] = work
        return PatchedBatch(work, self.applying.batch_count)

    def work(self, batch: PatchedBatch) -> BatchWork:
        """What is to be done for a batch, and what became of it so far."""
        return self._work[batch.number]

    async def wait_before_trying_again(self, batch: PatchedBatch, half: Half, pauses: Sequence[float]) -> None:
        """Called at each try of a batch's half: return at once at the first, later after a pause, or when all stops."""
        before = self._tries[batch.number, half]
        self._tries[batch.number, half] += 1
        if before:
            pause = pauses[min(before, len(pauses)) - 1] * random.uniform(1, 4 / 3)  # noqa: S311 - no secret
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stops.wait()

    async def end_batch(self, batch: PatchedBatch) -> bool:
        """Both tasks of a batch have ended: every step gets an outcome, and what is remembered of it is dropped.

        Returns whether it was sent in full: not where the run was stopped before.
        """
        work = self._work.pop(batch.number)
        await self.applying.finish(work)
        for half in batch.halves:
            self._tries.pop((batch.number, half), None)
        return self.applying.stop is None or not work.held()

    async def all_done(self, pairs: Sequence[asyncio.Task[None]]) -> None:
        """Wait for all batches. Where one raises, the others still finish what is on its way, and send nothing new."""
        try:
            await asyncio.gather(*pairs)
        except Exception:
            self._stop()
            await asyncio.wait(pairs)
            raise
        self._all_sent = not self.applying.interrupted

    async def stop_if_fatal(self, state: State[Any]) -> None:
        """An outage is judged by what it did to the batch. Anything else ends the run: nothing more is sent."""
        error = await state.aresult(raise_on_failure=False) if state.is_failed() else None
        if error is not None and not isinstance(error, CarrierUnavailable):
            self._fatal = self._fatal or error
            self._stop()

    def _stop(self) -> None:
        self._stops.set()
        self.applying.interrupt()

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
    run = Run.begin(params, kind_of(params), settings, prepared)
    asked_by = person(None, params.requested_by)
    run.origin = origin() | (asked_by.as_record("requested_by") if asked_by else {})
    try:
        with run.failing():
            async with run.carrier() as (carrier, journal):
                yield Session(run, carrier, journal)
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


def final_state(document: Document, trouble: str = "", record: str = "") -> State[Any]:
    """How the flow run ends: completed if all is as asked, failed if something is left to do.

    `trouble` is the first row that is not as asked, `record` the head of the run's record.
    """
    message = ending(document, trouble, record)
    if document["exit_code"] == Interrupted.exit_code:
        return Cancelled(message=escaping.state(message))
    if document["exit_code"] == 0:
        return Completed(message=escaping.state(message))
    name = "Rows refused" if only_planned(document) else "Not in sync"
    name = "Plan refused" if document["exit_code"] == PlanRefused.exit_code else name
    return Failed(name=name, message=escaping.state(message))
