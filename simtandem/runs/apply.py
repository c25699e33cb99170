"""Sending a plan: batches of pairs, first halves, then second halves of those whose first is known to be applied."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial

from schemas.statuses import Half, Outcome, StoppedBy
from simtandem import progress
from simtandem.carriers.concurrency import together
from simtandem.carriers.protocol import Carrier, Change, Outdated, StepResult
from simtandem.domain.safety import StopRule
from simtandem.domain.stop_reason import Stop
from simtandem.domain.waves import Wave
from simtandem.errors import AuthenticationFailed, CarrierError, CarrierUnavailable, Interrupted
from simtandem.host import clock
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunState
from simtandem.runs import endpoint_changes, late_changes, unanswered_changes
from simtandem.runs.announcement import announce
from simtandem.runs.batch import BatchWork, SimSending, as_records, counted, unsent
from simtandem.runs.device_claims import DeviceClaims
from simtandem.runs.fresh_look import FreshLook
from simtandem.runs.returning import Returning
from simtandem.runs.run import Run
from simtandem.runs.turns import Turns

log = logging.getLogger(__name__)


class Applying:
    """The sending of one run's plan. Its methods are what the two tasks of a batch call.

    `steady` is a monotonic clock, in seconds.
    """

    def __init__(
        self, run: Run, carrier: Carrier, journal: CallWriter, *, steady: Callable[[], float] = clock.steady
    ) -> None:
        self._run = run
        self._carrier = carrier
        self._journal = journal
        at_once = run.settings.sim_concurrency  # of all batches under way; as many may wait until their end is recorded
        self._sims_at_once, self._unrecorded = asyncio.Semaphore(at_once), asyncio.Semaphore(2 * at_once)
        self._rule = StopRule(run.settings.stop_share, run.settings.stop_at_least)
        self._hooks = progress.current()
        self._look = FreshLook(run, carrier, steady=steady)
        self._claims = DeviceClaims(run, self._sends_nothing)
        self.stopped = ""
        self.stopped_by = StoppedBy.STOP_RULE
        self.paused = self.interrupted = self._completing = self._endpoints_failed = False
        self._accepted = True
        self._why_ended, self._why_open = "the run was interrupted", "the carrier could not be reached"
        self.turns = Turns(
            run, carrier, self._look, self._record, self._claims, end=self._end, over=self._sends_nothing
        )
        waves = {"waves": [str(size) for size in run.pacing.sizes]} if run.pacing.sizes else {}
        run.ledger.record_state(run.run_id, RunState.APPLYING, {"batches": self.turns.batch_count, **waves})
        announce(self._hooks, run, run.folder.table("plan.parquet"))
        self._hooks.on_stop(self.interrupt)

    def batches(self) -> Iterator[BatchWork]:
        """The batches in order, made ready one by one."""
        return self.turns.batches()

    def turn(self, *waves: Wave) -> AbstractAsyncContextManager[None]:
        """In this block this run sends: batches of these waves, of all where none is named. See `Turns.turn`."""
        return self.turns.turn(waves or self.turns.waves)

    @property
    def stop(self) -> Stop | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        if self.interrupted:
            return Stop(self._hooks.stopped_by)
        return Stop(self.stopped_by, self.stopped.removeprefix("stopped: ")) if self.stopped else None

    @property
    def completes(self) -> bool:
        """Whether pairs left paid for and off are completed before the end: see `runs.stopping`."""
        if self.stopped:
            return self._accepted and self.stopped_by is StoppedBy.STOP_RULE and not self._endpoints_failed
        return self.interrupted and self._hooks.stop_requested and self._accepted

    def stop_after_wave(self, why: str) -> None:
        """Send nothing of the waves that follow."""
        self.stopped_by = StoppedBy.WAVE
        self._stop(why)

    def interrupt(self) -> None:
        """Send nothing new; what is on its way is finished and recorded."""
        self.interrupted = True
        self._carrier.halt()

    def pause(self) -> None:
        """Send nothing more until `go_on`: what is on its way is finished and recorded, and the rest stays open."""
        self.paused = True
        self._carrier.hold()

    def go_on(self) -> None:
        """Undo `pause`."""
        self.paused = False
        if not self.interrupted:
            self._carrier.resume()

    def put_aside(self, work: BatchWork) -> bool:
        """Leave what is open of a batch for after the pause; false where nothing is, or the run is to end.

        Where an operator ends it, what `completes` is about is left for before the end.
        """
        if self._ending() and self.completes and work.charged_and_off():
            self.turns.put_aside(work)
            return True
        if not self.paused or self._ending() or not work.left():
            return False
        work.pause()
        self.turns.put_aside(work)
        return True

    @contextmanager
    def completing(self) -> Iterator[None]:
        """In this block changes are sent although the run is to stop, unless someone stops it once more."""
        was_interrupted, self.interrupted, self._completing = self.interrupted, False, True
        self._carrier.resume()
        self._carrier.allow_changes()
        try:
            yield
        finally:
            self._completing = False
            if self.stopped:
                self._carrier.halt_changes()
            if was_interrupted or self.interrupted:
                self.interrupt()

    async def apply(self, work: BatchWork, half: Half) -> str:
        """Send the changes of one half that are still open, each on a look that is good enough.

        Of second halves those are sent whose first is applied; the others are held, and endpoints are put back that
        must not stay partly changed. Returns how many ended how, in words. Raises `CarrierUnavailable` while some stay
        open: call again later. In a pause they stay open, and nothing is raised.
        """
        if half is work.second:
            await self._hold_blocked(work)
        with suppress(Interrupted):
            await self._claims.have(work, half, self._look, self._end)
        if work.attempted[half]:
            with suppress(Interrupted):
                await self._read_what_happened(work, half)
        change = self._change_sims if half is Half.SIM else self._change_endpoints
        tried: set[int] = set()
        with suppress(Interrupted):
            while not self._sends_nothing():
                await self._claims.have(work, half, self._look, self._end)
                if not (left := [each for each in work.open(half) if each.row not in tried]):
                    break
                async with self._look.part(work, half, left, self._end) as ready:
                    late = await change(work, ready) if ready else set()
                if late is None:
                    break
                tried |= {each.row for each in ready} - late
        await self._require_all_sent(work, half)
        if half is work.second and not self.paused:
            await self._put_back(work)
        return counted(work.results[half].values())

    async def _require_all_sent(self, work: BatchWork, half: Half) -> None:
        """Raise `CarrierUnavailable` where changes are open; where nothing more is to be changed, they end instead."""
        left = work.open(half)
        if left and self._ending():
            await self._give_up(work, half, work.charged_and_off() if half is work.second and self.completes else ())
        elif left and not self.paused:
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
        await self._claims.release(work.batch.number)

    def _ending(self) -> bool:
        """Whether nothing more is to be changed."""
        return self.interrupted or (bool(self.stopped) and not self._completing)

    def _sends_nothing(self) -> bool:
        """Whether nothing is to be sent now."""
        return self.paused or self._ending()

    async def _change_sims(self, work: BatchWork, ready: Sequence[Change]) -> set[int] | None:
        """Send these. Returns the rows whose look was too old by then; None where nothing else may go."""
        sending, groups = SimSending(), late_changes.for_a_call_each(ready, self._carrier.lifecycle.bulk_sims)
        await together(groups, partial(self._change_sim, work, sending))
        if sending.refused is not None:
            raise sending.refused
        return None if sending.over else sending.late

    async def _change_sim(self, work: BatchWork, sending: SimSending, group: Sequence[Change]) -> None:
        """Send a group that goes in one call. The next may go while its end is recorded, and is recorded behind it."""
        async with self._unrecorded:
            async with self._sims_at_once:
                ended = await self._call(work, sending, group)
            await self._end(work, Half.SIM, ended)

    async def _call(self, work: BatchWork, sending: SimSending, group: Sequence[Change]) -> Sequence[StepResult]:
        attempted, doubtful, rows = work.attempted[Half.SIM], work.doubtful[Half.SIM], {each.row for each in group}
        if sending.over or self._sends_nothing():
            return []
        accepted = partial(self._record, Half.SIM, turns=work.turns, again=True)
        first, sent, ended = rows - attempted, True, list[StepResult]()
        attempted |= rows
        try:
            send = late_changes.sending(self._carrier, accepted)
            results = await send(group, partial(self._may_go, work, Half.SIM, rows))
        except CarrierUnavailable as error:
            sending.silent += 1
            if error.maybe_processed:
                doubtful |= rows
            log.warning("%s", error)
        except Interrupted:
            sending.halted, sent = True, False
        except AuthenticationFailed as error:  # what is on its way ends as it is answered, and nothing else goes
            sending.refused, sent = sending.refused or error, error.maybe_processed
            await self._login_refused(work, Half.SIM, group, error)
        except Outdated as outdated:
            sending.late |= rows
            sent = outdated.sent
        except BaseException:  # it may be on its way, and nobody will learn what became of it
            doubtful |= rows
            raise
        else:
            sending.silent, left_open = 0, unsent(results) if self.paused else set()
            attempted -= first & left_open
            ended = [end for end in results if end.row not in left_open]
        if not sent:
            attempted -= first
        return ended

    def _may_go(self, work: BatchWork, half: Half, rows: Iterable[int]) -> bool:
        """Whether the batch's devices are this run's still, and what is known of these rows is good enough.

        Another batch may have begun a lost lease anew while a call of this one waited.
        """
        turn = self._claims.turn(work.batch.number)
        if turn is None or not all(self._look.good(work, half, row) for row in rows):
            return False
        work.turns.update(dict.fromkeys(((half, row) for row in rows), turn))
        return True

    async def _change_endpoints(self, work: BatchWork, changes: Sequence[Change]) -> set[int] | None:
        """As `_change_sims`. Raises `CarrierUnavailable`."""
        rows, attempted = {change.row for change in changes}, set(work.attempted[Half.ENDPOINT])
        fresh = partial(self._may_go, work, Half.ENDPOINT, [*rows])
        try:
            results = await endpoint_changes.send(
                self._carrier, work, changes, self._end, self._rule.stops, fresh, rows
            )
        except CarrierUnavailable as error:
            if error.maybe_processed:
                work.doubtful[Half.ENDPOINT] |= rows
            if not self._sends_nothing():
                raise
            return None
        except Interrupted:
            return None
        except AuthenticationFailed as error:
            await self._login_refused(work, Half.ENDPOINT, changes, error)
            raise
        except Outdated as late:
            if late.sent:
                await self._read_what_happened(work, Half.ENDPOINT)
            return rows
        except BaseException as error:  # see _change_sims
            work.doubtful[Half.ENDPOINT] |= rows
            self._why_open = f"the run ended before it was sent: {error}"
            raise
        if len(results) < len(changes):  # too many of those tried were refused; the others were not sent
            work.attempted[Half.ENDPOINT] = attempted | {result.row for result in results}
            self._endpoints_failed, refused = True, sum(result.outcome is Outcome.REFUSED for result in results)
            self._stop(f"{refused} of the {len(results)} endpoints tried in batch {work.batch.number} were refused")
        await self._end(work, Half.ENDPOINT, results)
        return set()

    async def _login_refused(
        self, work: BatchWork, half: Half, changes: Sequence[Change], error: AuthenticationFailed
    ) -> None:
        """Send nothing else: the carrier does not accept the key or token any more, and said so of these, or before."""
        self._accepted, self._why_ended = False, "the carrier does not accept the key or token any more"
        self.interrupt()
        if error.maybe_processed:
            work.doubtful[half] |= {each.row for each in changes}
        if error.status is not None:
            told = (Outcome.REFUSED, error.attempts, error.status, str(error))
            await self._end(work, half, [StepResult(each.row, *told) for each in changes])

    async def _read_what_happened(self, work: BatchWork, half: Half) -> None:
        await unanswered_changes.read_what_happened(self._carrier, work, half, self._end)

    async def _put_back(self, work: BatchWork) -> None:
        """Return endpoints to where they were, where their SIM did not follow and that is legal and free."""
        await Returning(work, self._carrier, self._claims, self._look, self._end).put_back(held=bool(self.stopped))

    async def _give_up(self, work: BatchWork, half: Half, but: Collection[int] = ()) -> None:
        """End what is open. Where the stop rule left calls without answer, the carrier is read once more first."""
        if self.stopped and work.doubtful[half]:
            with suppress(CarrierError, Interrupted):
                await self._read_what_happened(work, half)
                work.forget(half, [change.row for change in work.open(half)])
        why = self._why_ended if self.interrupted else self.stopped or self._why_open
        await self._end(work, half, [work.given_up(half, each, why) for each in work.open(half) if each.row not in but])

    async def _hold_blocked(self, work: BatchWork) -> None:
        for_good = self.paused or work.only is not None
        held = [StepResult(change.row, Outcome.HELD, 0, error=why) for change, why in work.blocked(for_good=for_good)]
        await self._end(work, work.second, held)

    async def _end(self, work: BatchWork, half: Half, results: Sequence[StepResult], *, again: bool = False) -> None:
        """Steps have ended: in the record, for the hooks, for the stop rule. `again`: they had ended before."""
        if not results:
            return
        results = work.noted(half, self.turns.as_sent(half, results))
        self._hooks.devices_done(work.keep(half, results))
        failures, devices = work.failures(), work.batch.rows.height
        if not self.stopped and self._rule.stops(failures, devices):  # at once: the next call may be about to go
            self._endpoints_failed = work.failed(Half.ENDPOINT)
            self._stop(f"{failures} of {devices} devices of batch {work.batch.number} failed")
        await self._record(half, results, work.turns, again=again)

    def _stop(self, why: str) -> None:
        """Change nothing more in any batch."""
        if self.stopped:
            return
        self.stopped = f"stopped: {why}"
        self._carrier.halt_changes()
        self._hooks.message(f"{self.stopped}; nothing more is changed, the rest is not sent")

    async def _record(
        self, half: Half, results: Sequence[StepResult], turns: Mapping[tuple[Half, int], int], *, again: bool = False
    ) -> None:
        if not results:
            return
        await self._journal.outcome(as_records(half, results, turns, self._claims.looked))
        for end in results if not again else ():
            self._hooks.ended(half, end.outcome)
