"""What became of changes without an answer is read, and only what did not happen stays to be sent."""

import pytest

from schemas.statuses import Outcome, Target
from simtandem.errors import CarrierUnavailable
from simtandem.runs import unanswered_changes
from tests.simtandem.runs.acting_carrier import ActingCarrier, Silent
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import RUNNING, SIM, fleet_of, outcomes, sims


async def test_what_happened_is_applied_and_the_rest_stays_open(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3, *RUNNING), acts={"1": [Silent(carried_out=True)], "2": [Silent()]})
    run = make_run(sims(3), Target.SUSPENDED)
    async with begun(run, carrier) as applying, applying.turn():
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply(work, SIM)
        await unanswered_changes.read_what_happened(carrier, work, SIM, applying._end)
        assert [change.ident for change in work.open(SIM)] == ["2"]
    assert outcomes(run)[1, SIM] is Outcome.APPLIED
