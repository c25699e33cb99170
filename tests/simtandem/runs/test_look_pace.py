"""How the next look is made, by how long the last took."""

import pytest

from simtandem import progress
from simtandem.runs.look_pace import LookCost, LookPace
from tests.simtandem.runs.desk import Time
from tests.simtandem.runs.looking_again import Notes

FLEET = LookCost(pages=100, portion=190, each=1, window=1900, fresh_calls=380)


def took(pace: LookPace, time: Time, devices: int, seconds: float) -> None:
    with pace.timed(devices, by_id=pace.by_id):
        time.now += seconds


@pytest.mark.parametrize(
    ("costly", "looks"),
    [(0, 0), (15, 0), (30, 15)],
)
def test_where_each_device_is_read_on_its_own_those_that_go_late_are_looked_at_again(costly: int, looks: int) -> None:
    cost = LookCost(pages=None, portion=20, each=2, window=1, fresh_calls=60)
    assert cost.planned(30, costly, 30 * 4, 500) == looks


def test_a_listing_too_slow_to_be_used_is_planned_as_a_call_for_each_device() -> None:
    quick, slow = FLEET, LookCost(100, 190, 1, 1900, 380, pages_s=70)
    assert quick.planned(2000, 2000, 1900 + 1000, 500) == 100 + 2 * 100
    assert slow.planned(2000, 2000, 1900 + 1000, 500) == 2000 + 2000, "the looks fill the first window as well"
    assert slow.calls(500) == 100, "how the look at the result is made does not change"


def test_a_quick_listing_is_read_for_all_devices_again_and_again() -> None:
    time = Time()
    pace = LookPace(FLEET, time)
    for _ in range(20):
        assert (pace.at_once(500), pace.by_id) == (500, False)
        took(pace, time, 500, 39)
    assert not pace.wasted


def test_after_a_slow_listing_parts_are_read_by_id_as_many_as_half_the_minute_allows() -> None:
    time = Time()
    pace = LookPace(FLEET, time)
    took(pace, time, 500, 70)
    assert (pace.wasted, pace.by_id, pace.at_once(500)) == (True, True, 50)
    took(pace, time, 50, 25)
    assert (pace.wasted, pace.by_id, pace.at_once(500)) == (False, True, 60)
    took(pace, time, 60, 6)
    assert pace.at_once(500) == 190, "more than the budget lets go within the minute are never read"


def test_what_the_listing_of_the_plan_took_counts_as_well() -> None:
    pace = LookPace(LookCost(100, 190, 1, 1900, 380, pages_s=41), Time())
    assert (pace.by_id, pace.at_once(500)) == (True, 50)


def test_a_slow_listing_is_tried_again_after_a_while_as_what_slowed_it_may_be_over() -> None:
    time = Time()
    pace = LookPace(FLEET, time)
    took(pace, time, 500, 70)
    time.now += 699
    assert pace.by_id
    time.now += 1
    assert (pace.by_id, pace.at_once(500)) == (False, 500)


def test_parts_shrink_until_one_alone_is_too_slow() -> None:
    time, sizes = Time(), list[int]()
    pace = LookPace(LookCost(None, 190, 1, 1900, 380), time)
    while not pace.hopeless:
        sizes.append(pace.at_once(500))
        took(pace, time, sizes[-1], 61 * sizes[-1])
        assert pace.wasted is (sizes[-1] > 1)
    assert sizes == [190, 1, 1, 1]
    assert pace.hopeless.startswith("reading it alone takes 1 min 01 s, and what it shows counts for 1 min 00 s: ")
    took(pace, time, 1, 1)
    assert not pace.hopeless


def test_the_line_says_that_devices_are_read_again_and_once_that_they_are_in_parts() -> None:
    notes, time = Notes(), Time()
    progress.install(notes)
    notes.begins("sending")
    pace = LookPace(FLEET, time)
    with pace.timed(1234, by_id=False):
        assert "reading 1,234 devices afresh" in notes.meter.line()
    for _ in range(2):
        took(pace, time, 500, 70)
    assert len(notes.told) == 1
    assert "one by one, in parts" in notes.told[0]
    assert "afresh" not in notes.meter.line()
