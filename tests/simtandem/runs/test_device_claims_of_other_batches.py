"""A lease is lost while a change waits to be sent, and another batch of the run begins it anew meanwhile."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus
from simtandem.carriers.protocol import Change, Fresh, StepResult, Stops, always_fresh, never_stops
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import ENDPOINT, RUNNING, SIM, fleet_of, had_by_another_run, outcomes, sims, state


class Waiting(ActingCarrier):
    """The next change of a half, or the next return of endpoints, waits for `meanwhile` before it is sent."""

    waits: Half | None = None
    returns: bool = False
    meanwhile: Callable[[], Awaitable[None]]

    async def _wait(self, half: Half) -> None:
        if half is self.waits:
            self.waits = None
            await self.meanwhile()

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        await self._wait(SIM)
        return await super().change_sim(change, fresh=fresh)

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        await self._wait(ENDPOINT)
        return await super().change_endpoints(changes, stops=stops, fresh=fresh)

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        if self.returns:
            await self.meanwhile()
        return await super().put_back_endpoints(changes, fresh=fresh)


@pytest.mark.parametrize("half", Half)
async def test_a_change_that_waited_meanwhile_is_claimed_and_read_again(make_run: MakeRun, half: Half) -> None:
    fleet = fleet_of(2)
    carrier, run = Waiting(fleet), make_run(sims(2), batch_size=1)
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        async with applying.turn():
            first, second = applying.batches()

            async def meanwhile() -> None:
                had_by_another_run(run, "sim 2", "endpoint 102")
                fleet.devices[1].sim, fleet.devices[1].endpoint = RUNNING  # another run has it by now
                await applying.apply(first, first.second)
                assert not run.lease.lost, "begun anew"

            carrier.meanwhile = meanwhile
            await applying.apply(first, first.first)
            if half is second.first:
                carrier.waits = half
            await applying.apply(second, second.first)
            if half is second.second:
                carrier.waits = half
            await applying.apply(second, second.second)
            for work in (first, second):
                await applying.finish(work)
    assert fleet.illegal == [], "nothing is sent twice"
    assert carrier.waits is None
    assert (half, "2" if half is SIM else "102") not in carrier.sent
    assert outcomes(run)[2, SIM] is Outcome.UNCHANGED
    assert {outcomes(run)[1, each] for each in Half} == {Outcome.APPLIED}


@pytest.mark.parametrize("sim", [SimStatus.ISSUED, SimStatus.ACTIVATED])
async def test_endpoints_are_put_back_by_a_new_lease_unless_their_sim_has_moved(
    make_run: MakeRun, sim: SimStatus
) -> None:
    """One that went off beside a SIM that is charged by now would be a pair that pays and is off."""
    fleet = fleet_of(2)
    carrier, run = Waiting(fleet), make_run(sims(2))
    carrier.acts["2"].append(Refused(SimStatus.ISSUED))
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        async with applying.turn():
            (work,) = applying.batches()

            async def meanwhile() -> None:
                run.lease.lost, carrier.returns = True, False
                fleet.devices[1].sim = sim

            carrier.meanwhile, carrier.returns = meanwhile, True
            await applying.apply(work, work.first)
            await applying.apply(work, work.second)
            await applying.finish(work)
    put_back = sim is SimStatus.ISSUED
    assert carrier.put_back == (["102"] if put_back else [])
    assert state(fleet, 2) == (sim, EndpointStatus.DISABLED if put_back else EndpointStatus.ENABLED)
    assert outcomes(run)[2, ENDPOINT] is (Outcome.HELD if put_back else Outcome.APPLIED)


async def test_endpoints_that_another_run_has_by_now_are_not_put_back(make_run: MakeRun) -> None:
    fleet = fleet_of(2)
    carrier, run = Waiting(fleet), make_run(sims(2), batch_size=1)
    carrier.acts["2"].append(Refused(SimStatus.ISSUED))
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        async with applying.turn():
            first, second = applying.batches()

            async def meanwhile() -> None:
                had_by_another_run(run, "sim 2", "endpoint 102")
                fleet.devices[1].sim = SimStatus.ACTIVATED
                await applying.apply(first, first.second)

            carrier.meanwhile, carrier.returns = meanwhile, True
            for work in (first, second):
                await applying.apply(work, work.first)
            await applying.apply(second, second.second)
            for work in (first, second):
                await applying.finish(work)
    assert carrier.put_back == []
    assert state(fleet, 2) == (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
