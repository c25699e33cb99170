"""What ends the calls that put endpoints back leaves each of them what is known of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from schemas.statuses import Outcome
from simtandem.carriers.protocol import Change, Fresh, PartlyChanged, StepResult, always_fresh
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted, LedgerError
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import ENDPOINT, RESTING, RUNNING, SIM, fleet_of, outcomes, said, sims, state


@dataclass
class Parting(ActingCarrier):
    """Puts the first endpoint back once; of the second nobody knows, the third is refused, the fourth not sent."""

    causes: list[Exception] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        if not self.causes:
            return await super().put_back_endpoints(changes, fresh=fresh)
        first, second, third, _ = changes
        ends = await super().put_back_endpoints([first], fresh=fresh)
        self.meanwhile()
        ends.append(StepResult(third.row, Outcome.REFUSED, 1, 404, "no"))
        raise PartlyChanged(ends, {second.row}, {first.row, second.row, third.row}, self.causes.pop())


def parting(cause: Exception) -> Parting:
    """Four SIMs do not follow, the fifth does."""
    return Parting(fleet_of(5), acts={each: [Refused()] for each in sims(4)}, causes=[cause])


EACH = [Outcome.HELD, Outcome.UNKNOWN, Outcome.APPLIED, Outcome.APPLIED, Outcome.APPLIED]


@pytest.mark.parametrize(
    "cause", [AuthenticationFailed("no", status=401, attempts=1), CarrierUnavailable("lost", maybe_processed=True)]
)
async def test_each_is_put_back_or_unknown_or_left_where_it_is(
    make_run: MakeRun, begun: Begun, cause: Exception
) -> None:
    carrier, run = parting(cause), make_run(sims(5))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        for half in (work.first, work.second):
            await applying.apply(work, half)
        await applying.finish(work)
    assert [outcomes(run)[number, ENDPOINT] for number in range(1, 6)] == EACH
    assert said(run, 1, ENDPOINT) == "put back to Disabled: the SIM did not follow"
    assert said(run, 2, ENDPOINT) == "the SIM did not follow; putting it back was not answered"
    assert said(run, 4, ENDPOINT) == ""
    assert carrier.put_back == ["101"]
    assert state(carrier.fleet, 1) == RESTING
    assert state(carrier.fleet, 5) == RUNNING


async def test_a_ledger_that_fails_in_the_midst_ends_the_run(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = parting(LedgerError("The disk is full.")), make_run(sims(5))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        await applying.apply(work, work.first)
        with pytest.raises(LedgerError):
            await applying.apply(work, work.second)
    assert [outcomes(run)[number, ENDPOINT] for number in range(1, 6)] == EACH


async def test_what_a_pause_leaves_is_put_back_after_it(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = parting(Interrupted("The run pauses.")), make_run(sims(5))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        carrier.meanwhile = applying.pause
        for half in (work.first, work.second):
            await applying.apply(work, half)
        await applying.finish(work)
        assert carrier.put_back == ["101"]
        applying.go_on()
        for half in (work.first, work.second):
            await applying.apply(work, half)
        await applying.finish(work)
    assert carrier.put_back == ["101", "104"], "the second may be back, the third can't be"
    told = [Outcome.HELD, Outcome.UNKNOWN, Outcome.APPLIED, Outcome.HELD, Outcome.APPLIED]
    assert [outcomes(run)[number, ENDPOINT] for number in range(1, 6)] == told
    assert {outcomes(run)[number, SIM] for number in range(1, 5)} == {Outcome.REFUSED}
