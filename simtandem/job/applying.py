"""Sending a plan: batches of pairs, first halves, then second halves of those whose first is known to be applied."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import polars as pl

from schemas.ownership import NOBODY
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus
from simtandem import watching
from simtandem.batching import split
from simtandem.carriers.base import Carrier, Change, StepResult
from simtandem.carriers.together import together
from simtandem.errors import CarrierError, CarrierUnavailable, Interrupted
from simtandem.job.batchwork import BatchWork, other
from simtandem.job.run import Run
from simtandem.ledger.records import OutcomeRecord, RunState
from simtandem.ledger.writing import CallWriter
from simtandem.safety import StopRule

log = logging.getLogger(__name__)

_OUTAGE = 8
"""So many SIMs in a row without any answer are an outage, not bad luck: the rest waits for the task's retry."""


class Applying:
    """The sending of one run's plan. Its methods are what the two tasks of a batch call."""

    def __init__(self, run: Run, carrier: Carrier, journal: CallWriter) -> None:
        self._carrier = carrier
        self._journal = journal
        self._width = run.settings.sim_concurrency
        self._rule = StopRule(run.settings.stop_share, run.settings.stop_at_least)
        self._watcher = watching.current()
        plan = run.folder.table("plan.parquet")
        self._batches = split(plan, run.request.batch_size, carrier.lifecycle.bulk_endpoints)
        self.stopped = ""
        self.interrupted = False
        run.ledger.record_state(run.run_id, RunState.APPLYING, {"batches": len(self._batches)})
        self._watcher.applies(int(plan["sim_step"].sum()), int(plan["endpoint_step"].sum()), carrier.waiting_s)
        self._watcher.on_stop(self.interrupt)

    @property
    def batch_count(self) -> int:
        """How many batches there are."""
        return len(self._batches)

    def batches(self) -> Iterator[BatchWork]:
        """The batches in order, made ready one by one: what a batch remembers is let go of with it."""
        for batch in self._batches:
            yield BatchWork(batch)

    def interrupt(self) -> None:
        """Send nothing new; what is on its way is finished and recorded."""
        self.interrupted = True
        self._carrier.halt()

    async def apply_first_half(self, work: BatchWork) -> str:
        """Send the first halves that are still open; says in words what became of them.

        Raises `CarrierUnavailable` while some stay open: call again later.
        """
        if self.stopped and not work.begun:
            await self._hold(work, work.first, work.open(work.first), self.stopped)
            return self.stopped
        return await self._apply(work, work.first)

    async def apply_second_half(self, work: BatchWork) -> str:
        """Send the second halves whose first is applied, hold the others, put back what must not stay half done."""
        half = other(work.first)
        await self._hold(work, half, work.blocked(), "its partner was not changed")
        if self.stopped and not work.begun:
            await self._hold(work, half, work.open(half), self.stopped)
        told = await self._apply(work, half)
        await self._put_back(work)
        return told

    async def finish(self, work: BatchWork) -> None:
        """Nothing more can be done for this batch: steps without a result get theirs."""
        if work.open(other(work.first)):  # its task ended before it came to this
            await self._put_back(work)
        for half in (work.first, other(work.first)):
            await self._end(work, half, [self._given_up(work, half, change) for change in work.open(half)])
        await self._hold(work, other(work.first), work.blocked(), "its partner was not changed")

    async def _apply(self, work: BatchWork, half: Half) -> str:
        if work.attempted[half]:
            with suppress(Interrupted):
                await self._take_in_what_happened(work, half)
        if half is Half.SIM:
            await self._change_sims(work)
        else:
            await self._change_endpoints(work)
        left = work.open(half)
        if left and self.interrupted:
            await self._end(work, half, [self._given_up(work, half, change) for change in left])
        elif left:
            total = len(work.changes[half])
            raise CarrierUnavailable(
                f"{len(left)} of {total} {half} changes of batch {work.batch.number} are still open."
            )
        return _told(work.results[half].values())

    async def _change_sims(self, work: BatchWork) -> None:
        changes = iter(work.open(Half.SIM))
        silent = 0

        async def send() -> None:
            nonlocal silent
            for change in changes:
                if silent >= _OUTAGE or self.interrupted:
                    return
                again = change.row in work.attempted[Half.SIM]
                work.attempted[Half.SIM].add(change.row)
                try:
                    result = await self._carrier.change_sim(change)
                except CarrierUnavailable as error:
                    silent += 1
                    if error.maybe_processed:
                        work.doubtful[Half.SIM].add(change.row)
                    log.warning("%s", error)
                except Interrupted:
                    if not again:
                        work.attempted[Half.SIM].discard(change.row)
                    return
                except BaseException:  # it may be on its way, and nobody will learn what became of it
                    work.doubtful[Half.SIM].add(change.row)
                    raise
                else:
                    silent = 0
                    await self._end(work, Half.SIM, [result])

        await together(range(self._width), lambda _: send(), asyncio.Semaphore(self._width))

    async def _change_endpoints(self, work: BatchWork) -> None:
        changes, attempted = work.open(Half.ENDPOINT), set(work.attempted[Half.ENDPOINT])
        if not changes:
            return
        rows = {change.row for change in changes}
        work.attempted[Half.ENDPOINT] |= rows
        try:
            results = await self._carrier.change_endpoints(changes)
        except CarrierUnavailable as error:
            if error.maybe_processed:
                work.doubtful[Half.ENDPOINT] |= rows
            if not self.interrupted:
                raise
            return
        except Interrupted:
            work.attempted[Half.ENDPOINT] = attempted
            return
        except BaseException:  # see _change_sims
            work.doubtful[Half.ENDPOINT] |= rows
            raise
        await self._end(work, Half.ENDPOINT, results)

    async def _take_in_what_happened(self, work: BatchWork, half: Half) -> None:
        """Before trying again after an outage: whatever got through without an answer is not sent again."""
        changes = work.open(half)
        rows = work.batch.rows.filter(pl.col("row").is_in([change.row for change in changes]))
        now = await self._carrier.read(rows.select("sim_id", "endpoint_id"))
        status = dict(now.select(f"{half}_id", f"{half}_status").iter_rows())
        there = [change for change in changes if status.get(change.ident) == change.after]
        there = await self._with_owners_there(there)
        await self._end(work, half, [StepResult(change.row, Outcome.APPLIED, 1) for change in there])

    async def _with_owners_there(self, changes: Sequence[Change]) -> list[Change]:
        """Those of them whose owners, too, are as they should be."""
        asked = [change.ident for change in changes if change.owners]
        if not asked:
            return list(changes)
        rows = (await self._carrier.read_owners(asked)).iter_rows(named=True)
        owners = {row["sim_id"]: row for row in rows}
        return [
            change
            for change in changes
            if not change.owners
            or all(
                change.ident in owners and (owners[change.ident][name] or NOBODY) == after
                for name, (_, after) in change.owners.items()
            )
        ]

    async def _put_back(self, work: BatchWork) -> None:
        """Return endpoints to where they were, where their SIM did not follow and that is legal and free."""
        free = self._carrier.lifecycle.free_to_put_back
        backs = [
            back
            for back, sim in work.to_put_back()
            if free(SimStatus(sim.now or work.changes[Half.SIM][back.row].before), EndpointStatus(back.after))
        ]
        if not backs:
            return
        try:
            results = await self._carrier.change_endpoints(backs, put_back=True)
        except (CarrierError, Interrupted) as error:
            log.warning("Endpoints could not be put back: %s", error)
            if isinstance(error, CarrierUnavailable) and error.maybe_processed:
                lost = "the SIM did not follow; putting it back was not answered"
                unclear = [StepResult(back.row, Outcome.UNKNOWN, 1, error=lost) for back in backs]
                await self._end(work, Half.ENDPOINT, unclear, again=True)
            return
        returned = [
            StepResult(end.row, Outcome.HELD, 1, end.http_status, f"put back to {back.after}: the SIM did not follow")
            for back, end in zip(backs, results, strict=True)
            if end.outcome in (Outcome.APPLIED, Outcome.UNCHANGED)
        ]
        await self._end(work, Half.ENDPOINT, returned, again=True)

    def _given_up(self, work: BatchWork, half: Half, change: Change) -> StepResult:
        if change.row in work.doubtful[half]:
            return StepResult(change.row, Outcome.UNKNOWN, 1, error="sent, not answered, and not readable since")
        if change.row in work.attempted[half]:
            return StepResult(change.row, Outcome.FAILED, 1, error="the carrier could not be reached")
        why = "the run was interrupted" if self.interrupted else self.stopped or "the carrier could not be reached"
        return StepResult(change.row, Outcome.HELD, 0, error=why)

    async def _hold(self, work: BatchWork, half: Half, changes: Sequence[Change], why: str) -> None:
        await self._end(work, half, [StepResult(change.row, Outcome.HELD, 0, error=why) for change in changes])

    async def _end(self, work: BatchWork, half: Half, results: Sequence[StepResult], *, again: bool = False) -> None:
        """Steps have ended: in the record, for the watcher, for the stop rule. `again`: they had ended before."""
        if not results:
            return
        work.keep(half, results)
        await self._journal.outcome(
            [OutcomeRecord(end.row, half, end.outcome, end.attempts, end.http_status, end.error) for end in results]
        )
        for end in results if not again else ():
            self._watcher.ended(half, end.outcome)
        failures, devices = work.failures(), work.batch.rows.height
        if not self.stopped and self._rule.stops(failures, devices):
            self.stopped = f"stopped: {failures} of {devices} devices of batch {work.batch.number} failed"
            self._watcher.notes(f"{self.stopped}; batches not begun are held")


def _told(results: Iterable[StepResult]) -> str:
    counted: dict[str, int] = {}
    for result in results:
        counted[result.outcome] = counted.get(result.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items())) or "nothing to send"
