"""A carrier whose listing takes longer than what it shows counts, or a machine that is too slow for any look."""

from dataclasses import dataclass, field

import polars as pl
import pytest

from schemas.statuses import Outcome, SimStatus
from simtandem import progress
from simtandem.runs.fresh_look import note_confirmed
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.desk import RESTING, Desk, Time
from tests.simtandem.runs.looking_again import Notes
from tests.simtandem.runs.sending import ENDPOINT, RUNNING, SIM, fleet_of, outcomes, said, sims, state

PAGES = 3


@dataclass
class Slow(ActingCarrier):
    """Reads by listing in so many seconds, or by id in so many for each device."""

    time: Time = field(default_factory=Time)
    listing_s: float = 70.0
    each_s: float = 0.1
    listings: int = 0

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        found = await super().read(pairs, by_id=by_id)
        listed = not by_id and pairs.height > PAGES
        self.listings += listed
        self.time.now += self.listing_s if listed else self.each_s * pairs.height
        return found


async def desk_of(run_of: MakeRun, carrier: Slow, **how: object) -> Desk:
    """A desk after a question, so that devices are looked at before they are sent."""
    carrier.pages = PAGES
    run = run_of(sims(len(carrier.fleet.devices)), **how)
    await prepare(run, carrier)
    note_confirmed(run)
    return Desk(run, carrier, carrier.time)


async def test_a_fleet_that_takes_longer_to_list_than_a_look_counts_is_listed_once_and_sent(make_run: MakeRun) -> None:
    carrier = Slow(fleet_of(100))
    desk = await desk_of(make_run, carrier, batch_size=50)
    await desk.send_all()
    assert set(outcomes(desk.run).values()) == {Outcome.APPLIED}
    assert carrier.listings == 1, "what it cost is known then"
    assert max(map(len, carrier.reads[1:])) <= 50


async def test_a_listing_that_was_slow_when_the_plan_was_made_is_not_read_for_a_look(make_run: MakeRun) -> None:
    carrier = Slow(fleet_of(100), pages_s=70.0)
    desk = await desk_of(make_run, carrier, batch_size=50)
    looks, result = 100, PAGES
    assert desk.run.folder.plan_counts()["calls"] == 100 + 2 + looks + result
    await desk.send_all()
    assert set(outcomes(desk.run).values()) == {Outcome.APPLIED}
    assert (carrier.listings, len(carrier.reads)) == (0, 2)


async def test_a_quick_listing_is_read_as_often_as_before(make_run: MakeRun) -> None:
    carrier = Slow(fleet_of(100), listing_s=20.0, pages_s=20.0)
    desk = await desk_of(make_run, carrier, batch_size=50)
    assert desk.run.folder.plan_counts()["calls"] == 100 + 2 + PAGES + PAGES
    await desk.send_all()
    assert (carrier.listings, len(carrier.reads)) == (1, 1)


async def test_where_single_reads_are_slow_as_well_the_parts_are_smaller(make_run: MakeRun) -> None:
    carrier = Slow(fleet_of(40, SimStatus.ISSUED), each_s=4.0)
    desk = await desk_of(make_run, carrier)
    await desk.send_all()
    assert set(outcomes(desk.run).values()) == {Outcome.APPLIED}
    assert carrier.listings == 1
    assert {len(read) for read in carrier.reads[2:-1]} <= {7, 5}, "half the minute"


async def test_where_one_read_takes_more_than_the_minute_the_rows_end_with_that_reason(make_run: MakeRun) -> None:
    carrier, notes = Slow(fleet_of(8), each_s=75.0), Notes()
    progress.install(notes)
    desk = await desk_of(make_run, carrier, batch_size=4)
    await desk.send_all()
    assert carrier.sent == []
    assert set(outcomes(desk.run).values()) == {Outcome.HELD}
    why = "reading it alone takes 1 min 15 s, and what it shows counts for 1 min 00 s"
    assert all(said(desk.run, number, half).startswith(why) for number in (1, 8) for half in (ENDPOINT, SIM))
    assert len(carrier.reads) < 12
    assert sum("one by one, in parts" in each for each in notes.told) == 1


@pytest.mark.parametrize("by_id_s", [0.1, 4.0])
async def test_endpoints_go_back_on_looks_that_are_read_in_parts(make_run: MakeRun, by_id_s: float) -> None:
    carrier = Slow(fleet_of(12), each_s=by_id_s, pages_s=20.0)
    desk = await desk_of(make_run, carrier, settings={"stop_share": 1.0})
    carrier.acts.update({each: [Refused()] for each in sims(11)})
    carrier.before_change = lambda change: desk.time.passes() if change == "12" else None
    await desk.send_all()
    assert sorted(carrier.put_back) == sorted(f"1{number:02}" for number in range(1, 12))
    assert state(carrier.fleet, 1) == RESTING
    assert state(carrier.fleet, 12) == RUNNING
