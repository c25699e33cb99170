"""Sending a plan: batches of pairs, first halves, then second halves of those whose first is known to be applied."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from schemas.organisations import NOBODY, OwnerField
from schemas.statuses import Action, Half, Outcome, StoppedBy
from simtandem import progress
from simtandem.carriers.concurrency import together
from simtandem.carriers.protocol import Carrier, Change, Outdated, StepResult
from simtandem.domain.batches import split
from simtandem.domain.safety import StopRule
from simtandem.domain.stop_reason import Stop
from simtandem.errors import CarrierError, CarrierUnavailable, Interrupted
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import OutcomeRecord, RunState
from simtandem.runs import late_changes
from simtandem.runs.batch import BatchWork
from simtandem.runs.fresh_look import FreshLook
from simtandem.runs.run import Run
from simtandem.runs.run_lock import changed_meanwhile, one_at_a_time

log = logging.getLogger(__name__)

_OUTAGE = 8
"""So many SIMs in a row without any answer are an outage, not bad luck: the rest waits for the task's retry."""


@dataclass(slots=True)
class _SimSending:
    """How it goes with some changes of SIMs: SIMs in a row without an answer, and rows whose look was too old."""

    silent: int = 0
    late: set[int] = field(default_factory=set)
    halted: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing else may go."""
        return self.halted or self.silent >= _OUTAGE


class Applying:
    """The sending of one run's plan. Its methods are what the two tasks of a batch call.

    `steady` is a monotonic clock, in seconds.
    """

    def __init__(
        self, run: Run, carrier: Carrier, journal: CallWriter, *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._carrier = carrier
        self._journal = journal
        self._sims_at_once = asyncio.Semaphore(run.settings.sim_concurrency)  # of all batches under way
        self._rule = StopRule(run.settings.stop_share, run.settings.stop_at_least)
        self._hooks = progress.current()
        self._look = FreshLook(run, carrier, steady=steady)
        plan = run.folder.table("plan.parquet")
        self._batches = split(plan, run.request.batch_size, carrier.lifecycle)
        self._ended_before: dict[Half, dict[int, StepResult]] = {half: {} for half in Half}
        self.stopped = ""
        self.interrupted = False
        run.ledger.record_state(run.run_id, RunState.APPLYING, {"batches": len(self._batches)})
        self._hooks.applies(int(plan["sim_step"].sum()), int(plan["endpoint_step"].sum()), carrier.waiting_s)
        self._hooks.on_stop(self.interrupt)

    @property
    def batch_count(self) -> int:
        """How many batches there are."""
        return len(self._batches)

    def batches(self) -> Iterator[BatchWork]:
        """The batches in order, made ready one by one: what a batch remembers is released with it."""
        for batch in self._batches:
            work = BatchWork(batch, self._carrier.lifecycle)
            for half, ended in self._ended_before.items():
                work.keep(half, [ended.pop(row) for row in work.changes[half] if row in ended])
            yield work

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """In this block this run alone sends to its carrier. It plans again first, where others changed devices.

        Where the waiting for it is interrupted, the block is entered nevertheless, and sends nothing.
        """
        if not self._batches:
            yield
            return
        async with one_at_a_time(self._run.settings, lambda: self.interrupted) as ours:
            if ours:
                with suppress(Interrupted):
                    await self._replan()
            yield

    async def _replan(self) -> None:
        plan = self._run.folder.table("plan.parquet").filter(pl.col("action") == Action.CHANGE)
        waited = await late_changes.wait_for_earlier(self._run, self._carrier, plan["sim_id"].drop_nulls().to_list())
        rows = plan if waited else await changed_meanwhile(self._run, self._look, lambda: self.interrupted)
        if rows.is_empty():
            return
        self._look.of_plan = self._look.now()
        for half, ended in (await self._look.read(rows)).items():
            await self._record(half, ended)
            self._ended_before[half] = {end.row: end for end in ended}

    @property
    def stop(self) -> Stop | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        if self.interrupted:
            return Stop(self._hooks.stopped_by)
        return Stop(StoppedBy.STOP_RULE, self.stopped.removeprefix("stopped: ")) if self.stopped else None

    def interrupt(self) -> None:
        """Send nothing new; what is on its way is finished and recorded."""
        self.interrupted = True
        self._carrier.halt()

    async def apply(self, work: BatchWork, half: Half) -> str:
        """Send the changes of one half that are still open, each on a look that is good enough.

        Of second halves those are sent whose first is applied; the others are held, and endpoints are put back that
        must not stay partly changed. Returns how many ended how, in words. Raises `CarrierUnavailable` while some stay
        open: call again later.
        """
        if half is work.second:
            await self._hold_blocked(work)
        if work.attempted[half]:
            with suppress(Interrupted):
                await self._read_what_happened(work, half)
        change = self._change_sims if half is Half.SIM else self._change_endpoints
        tried: set[int] = set()
        with suppress(Interrupted):
            while not self._ending() and (left := [each for each in work.open(half) if each.row not in tried]):
                async with self._look.part(work, half, left, self._end) as ready:
                    late = await change(work, ready) if ready else set()
                if late is None:
                    break
                tried |= {each.row for each in ready} - late
        await self._require_all_sent(work, half)
        if half is work.second:
            await self._put_back(work)
        return _counted(work.results[half].values())

    async def _require_all_sent(self, work: BatchWork, half: Half) -> None:
        """Raise `CarrierUnavailable` where changes are open; where nothing more is to be changed, they end instead."""
        left = work.open(half)
        if left and self._ending():
            await self._give_up(work, half)
        elif left:
            total = len(work.changes[half])
            raise CarrierUnavailable(
                f"{len(left)} of {total} {half} changes of batch {work.batch.number} are still open."
            )

    async def finish(self, work: BatchWork) -> None:
        """Nothing more can be done for this batch: steps without a result get theirs."""
        if work.open(work.second):  # its task ended before it came to this
            await self._put_back(work)
        for half in (work.first, work.second):
            await self._give_up(work, half)
        await self._hold_blocked(work)
        if self.stopped:
            await self._put_back(work)

    def _ending(self) -> bool:
        """Whether nothing more is to be changed."""
        return self.interrupted or bool(self.stopped)

    async def _change_sims(self, work: BatchWork, ready: Sequence[Change]) -> set[int] | None:
        """Send these. Returns the rows whose look was too old by then; None where nothing else may go."""
        sending, size = _SimSending(), self._carrier.lifecycle.bulk_sims
        groups = [ready[start : start + size] for start in range(0, len(ready), size)]
        await together(groups, partial(self._change_sim, work, sending))
        return None if sending.over else sending.late

    async def _change_sim(self, work: BatchWork, sending: _SimSending, group: Sequence[Change]) -> None:
        """Send a group that goes in one call: one SIM, or as many as the carrier takes in a request."""
        attempted, doubtful, rows = work.attempted[Half.SIM], work.doubtful[Half.SIM], {each.row for each in group}
        async with self._sims_at_once:
            if sending.over or self._ending():
                return
            first, sent = rows - attempted, True
            attempted |= rows
            try:
                results = await self._send(work, group)
            except CarrierUnavailable as error:
                sending.silent += 1
                if error.maybe_processed:
                    doubtful |= rows
                log.warning("%s", error)
            except Interrupted:
                sending.halted, sent = True, False
            except Outdated as outdated:
                sending.late |= rows
                sent = outdated.sent
            except BaseException:  # it may be on its way, and nobody will learn what became of it
                doubtful |= rows
                raise
            else:
                sending.silent = 0
                await self._end(work, Half.SIM, results)
            if not sent:
                attempted -= first

    async def _send(self, work: BatchWork, group: Sequence[Change]) -> Sequence[StepResult]:
        send = late_changes.sending(self._carrier, partial(self._record, Half.SIM, again=True))
        return await send(group, lambda: all(self._look.good(work, each.row) for each in group))

    async def _change_endpoints(self, work: BatchWork, changes: Sequence[Change]) -> set[int] | None:
        """As `_change_sims`. Raises `CarrierUnavailable`."""
        rows, attempted = {change.row for change in changes}, set(work.attempted[Half.ENDPOINT])
        work.attempted[Half.ENDPOINT] |= rows
        try:
            results = await self._carrier.change_endpoints(
                changes, stops=self._rule.stops, fresh=lambda: all(self._look.good(work, row) for row in rows)
            )
        except CarrierUnavailable as error:
            if error.maybe_processed:
                work.doubtful[Half.ENDPOINT] |= rows
            if not self._ending():
                raise
            return None
        except Interrupted:
            work.attempted[Half.ENDPOINT] = attempted
            return None
        except Outdated as late:
            if late.sent:
                await self._read_what_happened(work, Half.ENDPOINT)
            else:
                work.attempted[Half.ENDPOINT] = attempted
            return rows
        except BaseException:  # see _change_sims
            work.doubtful[Half.ENDPOINT] |= rows
            raise
        if len(results) < len(changes):  # too many of those tried were refused; the others were not sent
            work.attempted[Half.ENDPOINT] = attempted | {result.row for result in results}
            refused = sum(result.outcome is Outcome.REFUSED for result in results)
            self._stop(f"{refused} of the {len(results)} endpoints tried in batch {work.batch.number} were refused")
        await self._end(work, Half.ENDPOINT, results)
        return set()

    async def _read_what_happened(self, work: BatchWork, half: Half) -> None:
        """Before trying again after an outage: what was carried out without an answer is not sent again."""
        changes = work.open(half)
        rows = work.batch.rows.filter(pl.col("row").is_in([change.row for change in changes]))
        now = await self._carrier.read(rows.select("sim_id", "endpoint_id"))
        status = dict(now.select(f"{half}_id", f"{half}_status").iter_rows())
        owners = await self._owners_now(changes)
        left = [change.left(status.get(change.ident), owners.get(change.ident, {})) for change in changes]
        work.narrow(half, [change for change in left if not change.done])
        await self._end(work, half, [StepResult(change.row, Outcome.APPLIED, 1) for change in left if change.done])

    async def _owners_now(self, changes: Sequence[Change]) -> dict[str, dict[OwnerField, str]]:
        """Whose the SIMs are of which some owner should change."""
        asked = [change.ident for change in changes if change.owners]
        if not asked:
            return {}
        rows = (await self._carrier.read_owners(asked)).iter_rows(named=True)
        return {row["sim_id"]: {name: row[name] or NOBODY for name in OwnerField} for row in rows}

    async def _put_back(self, work: BatchWork) -> None:
        """Return endpoints to where they were, where their SIM did not follow and that is legal and free."""
        free = self._carrier.lifecycle.free_to_put_back
        backs = [
            back
            for back, sim in work.to_put_back(held=bool(self.stopped))
            if free(sim.now or work.changes[Half.SIM][back.row].before, back.after)
        ]
        if not backs:
            return
        work.returned |= {back.row for back in backs}
        try:
            results = await self._carrier.put_back_endpoints(backs)
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

    async def _give_up(self, work: BatchWork, half: Half) -> None:
        """End what is open. Where the stop rule left calls without answer, the carrier is read once more first."""
        if self.stopped and work.doubtful[half]:
            with suppress(CarrierError, Interrupted):
                await self._read_what_happened(work, half)
                work.forget(half, [change.row for change in work.open(half)])
        await self._end(work, half, [self._given_up(work, half, change) for change in work.open(half)])

    async def _hold_blocked(self, work: BatchWork) -> None:
        held = [StepResult(change.row, Outcome.HELD, 0, error=why) for change, why in work.blocked()]
        await self._end(work, work.second, held)

    async def _end(self, work: BatchWork, half: Half, results: Sequence[StepResult], *, again: bool = False) -> None:
        """Steps have ended: in the record, for the hooks, for the stop rule. `again`: they had ended before."""
        if not results:
            return
        work.keep(half, results)
        await self._record(half, results, again=again)
        failures, devices = work.failures(), work.batch.rows.height
        if not self.stopped and self._rule.stops(failures, devices):
            self._stop(f"{failures} of {devices} devices of batch {work.batch.number} failed")

    def _stop(self, why: str) -> None:
        """Change nothing more in any batch."""
        if self.stopped:
            return
        self.stopped = f"stopped: {why}"
        self._carrier.halt_changes()
        self._hooks.message(f"{self.stopped}; nothing more is changed, the rest is not sent")

    async def _record(self, half: Half, results: Sequence[StepResult], *, again: bool = False) -> None:
        if not results:
            return
        await self._journal.outcome(
            [OutcomeRecord(end.row, half, end.outcome, end.attempts, end.http_status, end.error) for end in results]
        )
        for end in results if not again else ():
            self._hooks.ended(half, end.outcome)


def _counted(results: Iterable[StepResult]) -> str:
    counted: dict[str, int] = {}
    for result in results:
        counted[result.outcome] = counted.get(result.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items())) or "nothing to send"
