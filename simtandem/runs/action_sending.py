"""Sending a plan of SIM actions: one call after another, on a look that is good enough, and every end recorded.

Between the plan and a call another run, someone else or the carrier may have moved a device. So what is to be sent is
read again where the look at it is old, and what does not stand as it was planned is left alone. A SIM that may have
come into a status that forbids the action needs a look that is a minute old at most.

A run that pauses releases what it has claimed, so that other runs may send. When it continues, it claims and reads
again all that is left.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl

from schemas.sim_actions import ActionWishes, SimAction
from schemas.statuses import Action, Half, Outcome, StoppedBy
from schemas.tables import empty
from simtandem import progress
from simtandem.carriers.protocol import Outdated, StepResult
from simtandem.carriers.sim_actions import ActingCarrier, ActionStep
from simtandem.domain.action_plan import Listed, make_action_plan
from simtandem.domain.safety import StopRule
from simtandem.domain.sim_actions import rule_of
from simtandem.domain.stop_reason import Stop
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import ActionEnd, RunState
from simtandem.progress import Sending
from simtandem.runs import pausing
from simtandem.runs.action_run import ActionRun, look
from simtandem.runs.device_claims import DeviceClaims
from simtandem.runs.look_pace import FRESH, MOST_LOOKS, NO_TIME, LookCost, LookPace

log = logging.getLogger(__name__)

_OUTAGE = 4
"""So many calls in a row without any answer are an outage: the rest is not sent."""
_GOOD_S = 300.0
_NEVER = float("-inf")
_GONE = "it is not as it was planned any more"


class ActionSending:
    """The sending of one run's plan. `steady` is a monotonic clock, in seconds."""

    def __init__(
        self,
        run: ActionRun,
        carrier: ActingCarrier,
        journal: CallWriter,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._carrier = carrier
        self._journal = journal
        self._steady = steady
        self._rule = StopRule(run.settings.stop_share, run.settings.stop_at_least)
        self._hooks = progress.current()
        plan = run.folder.table("plan.parquet")
        self._open = {row["row"]: row for row in plan.filter(pl.col("decision") == Action.CHANGE).iter_rows(named=True)}
        self._total, self._failures, self._silent = len(self._open), 0, 0
        self.stopped = ""
        self.interrupted = self.paused = False
        self._stops = asyncio.Event()
        self._looked = _NEVER  # when the devices of which this sending has read none yet were looked at
        self._login_refused: AuthenticationFailed | None = None
        self._claims = DeviceClaims(run, self._sends_nothing)
        self._pace = LookPace(LookCost.of(run.folder, run.settings), steady)
        self._looks: Counter[int] = Counter()

    @property
    def stop(self) -> Stop | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        if self.interrupted:
            return Stop(self._hooks.stopped_by)
        if self._login_refused is not None:
            return Stop(StoppedBy.ERROR, self.stopped, self._login_refused.exit_code)
        return Stop(StoppedBy.STOP_RULE, self.stopped) if self.stopped else None

    def interrupt(self) -> None:
        """Send nothing new; what is on its way is finished and recorded."""
        self.interrupted = True
        self._carrier.halt()
        self._stops.set()

    def pause(self) -> None:
        """Send nothing more for now: what is on its way is finished and recorded, and the rest stays open."""
        self.paused = True
        self._carrier.hold()

    async def send(self) -> None:
        """Send what is open, with its devices claimed. What is not sent ends as that.

        Where someone asks the run to pause, it sends nothing else until someone lets it continue.
        """
        if not self._open:
            return
        self._run.ledger.record_state(self._run.run_id, RunState.APPLYING, {"actions": self._total})
        self._hooks.applies(Sending(self._total, 0, self._total, self._total))
        self._hooks.on_stop(self.interrupt)
        listed_s = (self._run.ledger.clock() - self._listed_at()).total_seconds()
        self._looked = self._steady() - max(0.0, listed_s)
        await self._send_until_paused()
        while self.paused:
            await self._stay_paused()
            await self._send_until_paused()
        why = "the run was interrupted" if self.interrupted else self.stopped or "the carrier could not be reached"
        await self._end([StepResult(row, Outcome.HELD, 0, error=why) for row in self._open])

    async def _send_until_paused(self) -> None:
        """One turn of sending, with its devices claimed; nothing where nothing is left, or is to be sent any more."""
        if not self._open or self._ending():
            return
        async with pausing.heeded(self._run, self, lambda: None):
            try:
                await self._claims.begin()
                await self._send_all()
            finally:
                await self._claims.end()

    async def _stay_paused(self) -> None:
        """Return when the run may continue, or is to stop. Where everything was sent, there is nothing to wait for."""
        if self._open and not self._ending():
            await pausing.stay(self._run, self._wait, left=(len(self._open), 0), what="action")
        self.paused, self._looked = False, _NEVER
        if not self.interrupted:
            self._carrier.resume()

    async def _wait(self, seconds: float) -> bool:
        """Wait; true, and at once, where the run is to stop."""
        return await pausing.within(seconds, self._stops)

    async def _send_all(self) -> None:
        try:
            for number, part in enumerate(self._parts()):
                left, at = part, self._looked
                while left and not self._sends_nothing():
                    if await self._others_had(number, left):
                        at = _NEVER
                    left, at = await self._send_part(left, at)
                await self._claims.release(number)
        except Interrupted:
            return
        except CarrierUnavailable as error:
            self.stopped = str(error)
        except AuthenticationFailed as error:
            self.stopped, self._login_refused = str(error), error

    async def _others_had(self, part: int, rows: list[int]) -> bool:
        """Claim these rows' devices, where they are not yet; whether another run has had some since the listing."""
        if self._claims.holds(part):
            return False
        named = pl.DataFrame(
            [(self._open[row]["sim_id"], self._open[row]["endpoint_id"]) for row in rows],
            schema={"sim_id": pl.String, "endpoint_id": pl.String},
            orient="row",
        )
        theirs = await self._claims.take(part, named)
        return theirs is not None and not theirs.is_empty()

    def _listed_at(self) -> datetime:
        return datetime.fromisoformat(self._run.folder.listing()["begun"])

    def _parts(self) -> Iterator[list[int]]:
        rows, size = list(self._open), self._run.request.batch_size
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _ending(self) -> bool:
        return self.interrupted or bool(self.stopped)

    def _sends_nothing(self) -> bool:
        """Whether nothing is to be sent now."""
        return self.paused or self._ending()

    async def _send_part(self, rows: list[int], looked: float) -> tuple[list[int], float]:
        """Send these in order; returns those whose look was too old, for another round, and when that look was."""
        later: list[int] = []
        if any(not self._good(row, looked) for row in rows):
            looked = self._steady()
            rows, later = await self._look_at_some(rows)
        for place, row in enumerate(rows):
            if self._sends_nothing():
                break
            try:
                await self._send_one(row, looked)
            except Outdated:
                return [*rows[place:], *later], _NEVER
        return later, _NEVER if later else looked

    async def _look_at_some(self, rows: list[int]) -> tuple[list[int], list[int]]:
        """Read as many of these as can be sent on one look: those to be sent now, and those of another look.

        What no look helps ends.
        """
        size = self._pace.at_once(len(rows))
        part, later, by_id = rows[:size], rows[size:], self._pace.by_id
        with self._pace.timed(len(part), by_id=by_id):
            left = await self._look_again(part, by_id=by_id)
        if not self._pace.wasted:
            self._looks.update(part)
        worn_out = [row for row in left if self._looks[row] > MOST_LOOKS]
        await self._hold(worn_out, NO_TIME)
        if why := self._pace.hopeless:
            await self._hold([row for row in [*left, *later] if row in self._open], why)
        return [row for row in left if row in self._open], [row for row in later if row in self._open]

    async def _hold(self, rows: list[int], why: str) -> None:
        await self._end([StepResult(row, Outcome.HELD, 0, error=why) for row in rows])

    def _good(self, row: int, looked: float) -> bool:
        """Whether a look at that moment is good enough to send this row."""
        planned, lifecycle = self._open[row], self._run.lifecycle
        rule = rule_of(lifecycle.actions, planned["action"])
        leads = {after for before, after in lifecycle.sim_moves if before == planned["sim_status"]}
        trap = rule is not None and any(status in rule.sims for status in leads)
        return self._steady() - looked <= (FRESH.total_seconds() if trap else _GOOD_S)

    async def _look_again(self, rows: list[int], *, by_id: bool) -> list[int]:
        """Those of the rows that are still to be sent as planned; the others end."""
        wishes = _wishes([self._open[row] for row in rows])
        inventory, batches = await look(self._carrier, wishes, by_id=by_id)
        plan = make_action_plan(wishes, Listed.of(inventory, batches=batches), self._run.lifecycle)
        ends, left = [], []
        for now in plan.iter_rows(named=True):
            was = self._open[now["row"]]
            if now["decision"] == Action.UNCHANGED:
                ends.append(StepResult(now["row"], Outcome.UNCHANGED, 0))
            elif now["decision"] == Action.CHANGE and now["idle"] <= was["idle"]:
                left.append(now["row"])
            else:
                why = now["reason"] or _GONE
                ends.append(StepResult(now["row"], Outcome.HELD, 0, error=f"since it was planned: {why}"))
        await self._end(ends)
        return left

    async def _send_one(self, row: int, looked: float) -> None:
        planned = self._open[row]
        wish = [planned[name] for name in ("sim_id", "endpoint_id", "bic", "status")]
        step = ActionStep(row, SimAction(planned["action"]), *wish)
        try:
            result = await self._carrier.act(step, fresh=lambda: self._good(row, looked))
        except CarrierUnavailable as error:
            log.warning("%s", error)
            self._silent += 1
            outcome = Outcome.UNKNOWN if error.maybe_processed else Outcome.FAILED
            result = StepResult(row, outcome, 1, error.status, str(error))
        except AuthenticationFailed as error:
            if error.status is not None:
                await self._end([StepResult(row, Outcome.REFUSED, error.attempts, error.status, str(error))])
            raise
        else:
            self._silent = self._silent + 1 if result.outcome is Outcome.UNKNOWN else 0
        await self._end([result])
        if self._silent >= _OUTAGE:
            self.stopped = f"{_OUTAGE} calls in a row were not answered"
        self._failures += result.outcome in (Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN)
        if not self.stopped and self._rule.stops(self._failures, self._total):
            self.stopped = f"{self._failures} of {self._total} actions failed"

    async def _end(self, results: list[StepResult]) -> None:
        """Record how these ended; they are open no longer."""
        if not results:
            return
        ends = [ActionEnd(each.row, each.outcome, each.attempts, each.http_status, each.error) for each in results]
        await self._journal.action_outcome(ends)
        for each in results:
            self._open.pop(each.row, None)
            self._hooks.ended(Half.ENDPOINT, each.outcome)
        self._hooks.devices_done(sum(each.attempts > 0 for each in results))


def _wishes(planned: list[dict[str, object]]) -> pl.DataFrame:
    schema = empty(ActionWishes).schema
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in planned], schema=schema, orient="row")
