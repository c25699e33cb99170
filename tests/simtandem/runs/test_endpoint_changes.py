"""What ends a batch's calls in the midst leaves each of its rows what is known of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from schemas.statuses import Outcome
from simtandem.carriers.protocol import Change, Fresh, PartlyChanged, StepResult, Stops, always_fresh, never_stops
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted, LedgerError
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import ENDPOINT, RESTING, SIM, fleet_of, outcomes, said, sims


@dataclass
class Parting(ActingCarrier):
    """Changes the first endpoint; of the second nobody knows, or it is not accepted; the others are not sent."""

    cause: Exception | None = None
    meanwhile: Callable[[], None] = lambda: None

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        assert self.cause is not None
        assert fresh()
        self.meanwhile()
        first, second, *_ = changes
        ends, unclear = [StepResult(first.row, Outcome.APPLIED, 1, 204)], {second.row}
        if isinstance(self.cause, AuthenticationFailed):
            ends, unclear = [*ends, StepResult(second.row, Outcome.REFUSED, 1, 401, "no")], set()
        raise PartlyChanged(ends, unclear, {first.row, second.row}, self.cause)


@pytest.mark.parametrize(
    ("cause", "second", "why"),
    [
        (AuthenticationFailed("no", status=401, attempts=1), Outcome.REFUSED, "does not accept the key or token"),
        (LedgerError("The disk is full."), Outcome.UNKNOWN, "the run ended before it was sent: The disk is full."),
        (CarrierUnavailable("no connection", maybe_processed=True), Outcome.UNKNOWN, "could not be reached"),
    ],
)
async def test_each_row_is_answered_or_sent_and_unanswered_or_held(
    make_run: MakeRun, begun: Begun, cause: Exception, second: Outcome, why: str
) -> None:
    carrier = Parting(fleet_of(4, *RESTING), cause=cause)
    run = make_run(sims(4))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(type(cause)):
            await applying.apply(work, ENDPOINT)
        await applying.finish(work)
    ends = outcomes(run)
    assert [ends[number, ENDPOINT] for number in (2, 3, 4)] == [second, Outcome.HELD, Outcome.HELD]
    assert {ends[number, SIM] for number in (1, 2, 3, 4)} == {Outcome.HELD}
    assert why in said(run, 4, ENDPOINT)
    assert carrier.put_back in ([], ["101"]), "an endpoint whose SIM does not follow may go back"


async def test_what_a_pause_cuts_off_may_be_changed_where_its_call_was_sent(make_run: MakeRun, begun: Begun) -> None:
    carrier = Parting(fleet_of(4, *RESTING), cause=Interrupted("The run pauses."))
    async with begun(make_run(sims(4)), carrier) as applying:
        work = next(applying.batches())
        carrier.meanwhile = applying.pause
        await applying.apply(work, ENDPOINT)
        assert work.attempted[ENDPOINT] - set(work.results[ENDPOINT]) == {3}, "row 3, if changed, is the run's"
