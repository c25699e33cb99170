"""A host that stood still: what other runs had meanwhile is read again, and nothing else."""

from collections.abc import Sequence

import pytest

from schemas.statuses import EndpointStatus, Half, Outcome
from simtandem.carriers.protocol import Change, Fresh, StepResult, Stops, always_fresh, never_stops
from simtandem.errors import CarrierUnavailable
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.fresh_look import End, FreshLook
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import fleet_of, had_by_another_run, outcomes, said, send_all, sims

SIM = Half.SIM


class StoodStill(ActingCarrier):
    """Another run has the lease, and takes the first endpoint back, before the answer to the endpoints is heard."""

    run: Run

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        results = await super().change_endpoints(changes, stops=stops, fresh=fresh)
        had_by_another_run(self.run, "sim 1", "endpoint 101")
        self.fleet.devices[0].endpoint = EndpointStatus.DISABLED
        return results


async def test_first_halves_that_another_run_took_back_while_their_answer_was_awaited_hold_the_second(
    make_run: MakeRun,
) -> None:
    fleet = fleet_of(2)
    carrier, run = StoodStill(fleet), make_run(sims(2))
    carrier.run = run
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        carrier.journal = journal
        await send_all(Applying(run, carrier, journal))
    assert outcomes(run)[1, SIM] is Outcome.HELD
    assert "someone has changed its endpoint" in said(run, 1, SIM)
    assert outcomes(run)[2, SIM] is Outcome.APPLIED
    assert [each.paying_but_off for each in fleet.devices] == [False, False]


class Away(FreshLook):
    """The carrier can't be read."""

    async def again(self, work: BatchWork, half: Half, rows: Sequence[int], end: End, *, by_id: bool = False) -> None:
        raise CarrierUnavailable("away")


async def test_devices_that_nobody_had_since_a_lease_was_lost_are_not_read_again(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2))
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal, (applying := Applying(run, carrier, journal)).turn():
        (work,) = applying.batches()
        await applying.apply(work, work.first)
        run.lease.lost = True
        await applying.apply(work, work.second)
        await applying.finish(work)
    assert carrier.reads == []
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_what_another_run_had_is_read_also_where_the_lease_is_lost_again_before_that(make_run: MakeRun) -> None:
    fleet = fleet_of(2)
    carrier, run = ActingCarrier(fleet), make_run(sims(2))
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal, (applying := Applying(run, carrier, journal)).turn():
        (work,) = applying.batches()
        await applying.apply(work, work.first)
        had_by_another_run(run, "sim 1", "endpoint 101")
        fleet.devices[0].endpoint = EndpointStatus.DISABLED
        with pytest.raises(CarrierUnavailable):
            await applying._claims.have(work, work.second, Away(run, carrier), applying._end)
        run.lease.lost = True
        await applying.apply(work, work.second)
        await applying.finish(work)
    assert outcomes(run)[1, SIM] is Outcome.HELD
    assert outcomes(run)[2, SIM] is Outcome.APPLIED
