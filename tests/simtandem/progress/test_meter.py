"""The line of a run: each part says what is so, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.call_budget import CallsLeft
from schemas.statuses import Outcome
from simtandem.progress import Meter, Sending

START = datetime(2026, 3, 1, 14, 0, tzinfo=UTC)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.s - 1000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Meter:
    return Meter(clock, clock.now)


def _sends(meter: Meter, devices: int) -> None:
    meter.sends(Sending(devices, devices, 0, devices))


def _done(meter: Meter, count: int) -> None:
    for _ in range(count):
        meter.ended(Outcome.APPLIED)
        meter.devices_done(1)


def test_nothing_is_said_where_nothing_is_under_way(meter: Meter) -> None:
    assert meter.line() == ""
    meter.begins("planning")
    meter.begins("")
    assert meter.line() == ""


def test_a_stage_says_how_long_it_takes_already(meter: Meter, clock: Clock) -> None:
    meter.begins("listing the fleet")
    clock.s += 75
    assert meter.line() == "listing the fleet · for 1 min 15 s"


def test_the_line_has_devices_rate_calls_and_end(meter: Meter, clock: Clock) -> None:
    meter.uses(lambda: CallsLeft(2000, 300.0, (100.0,) * 500), lambda: 0.0)
    _sends(meter, 100)
    for _ in range(20):
        clock.s += 0.5
        _done(meter, 1)
    assert meter.line() == "20 of 100 devices · 2.0/s · 1,500 of 2,000 calls left · ends about 14:00 UTC (in 40.0 s)"


def test_the_end_is_when_the_rate_limit_allows_it_however_quick_the_carrier_is(meter: Meter, clock: Clock) -> None:
    meter.uses(lambda: CallsLeft(1000, 300.0, (156.0,) * 1000), lambda: 156.0)
    _sends(meter, 3000)
    for _ in range(10):
        clock.s += 1
        _done(meter, 100)
    assert meter.figures()["eta_s"] == 456, "1,000 calls in 156 s, the other 1,000 a window later"
    assert "0 of 1,000 calls left" in meter.line()
    assert "waiting for the rate limit until 14:02:46 UTC (156 s)" in meter.line()


def test_a_long_wait_makes_the_carrier_no_slower(meter: Meter, clock: Clock) -> None:
    _sends(meter, 200)
    for _ in range(100):
        clock.s += 0.1
        _done(meter, 1)
    clock.s += 250
    _done(meter, 1)
    assert float(str(meter.figures()["eta_s"])) < 20
    clock.s += 61
    assert "0.0/s" in meter.line(), "and the rate says that nothing moves now"


def test_a_pause_by_the_carrier_is_named_instead_of_the_rate_limit(meter: Meter) -> None:
    meter.uses(lambda: CallsLeft(1000, 300.0, (), 30.0), lambda: 30.0)
    _sends(meter, 10)
    assert "paused by the carrier (HTTP 429) until 14:00:30 UTC (30 s)" in meter.line()
    assert "rate limit" not in meter.line()


def test_what_is_waited_for_is_named_while_it_is_and_once(meter: Meter, clock: Clock) -> None:
    _sends(meter, 10)
    with meter.waits("no answer", 20), meter.waits("no answer", 8), meter.waits("waiting for another run to end"):
        clock.s += 3
        assert meter.line().endswith("no answer until 14:00:08 UTC (5 s) · waiting for another run to end")
    assert meter.line().endswith("0.0/s")


def test_a_wait_that_takes_longer_than_foreseen_names_no_end_that_has_passed(meter: Meter, clock: Clock) -> None:
    _sends(meter, 10)
    with meter.waits("no answer", 5):
        clock.s += 5
        assert meter.line().endswith(" · no answer")


def test_while_the_run_is_paused_nobody_knows_when_it_ends(meter: Meter, clock: Clock) -> None:
    meter.uses(lambda: CallsLeft(2000, 300.0, (100.0,) * 500), lambda: 0.0)
    _sends(meter, 100)
    for _ in range(20):
        clock.s += 0.5
        _done(meter, 1)
    with meter.waits("paused"):
        assert meter.line() == "20 of 100 devices · 2.0/s · 1,500 of 2,000 calls left · paused"
        assert "eta_s" not in meter.figures()
    with meter.waits("no answer", 8):
        assert "ends about 14:00 UTC" in meter.line()


def test_what_went_wrong_is_counted_and_a_stop_named(meter: Meter) -> None:
    _sends(meter, 10)
    meter.ended(Outcome.FAILED, 2)
    meter.ended(Outcome.HELD)
    meter.stopping = True
    assert meter.line() == "0 of 10 devices · 0.0/s · stopping · changes: 2 failed, 1 not sent"
    assert meter.summary() == "0 of 10 devices · changes: 2 failed, 1 not sent"


def test_a_wave_is_named_and_its_devices_count_with_the_others(meter: Meter) -> None:
    for number in (1, 2):
        meter.begins_wave(number, 3)
        _sends(meter, 5)
        _done(meter, 5)
    assert meter.line().startswith("wave 2 of 3 · 10 of 10 devices")


def test_what_was_done_between_two_waves_is_over_when_the_next_one_is_sent(meter: Meter) -> None:
    _sends(meter, 10)
    meter.begins_wave(1, 2)
    _done(meter, 5)
    meter.begins("reading the devices of wave 1 of 2 afresh")
    assert "afresh" in meter.line()
    meter.begins_wave(2, 2)
    assert meter.line().startswith("wave 2 of 2 · 5 of 10 devices")


def test_the_budget_is_looked_up_once_a_second(meter: Meter, clock: Clock) -> None:
    looks: list[float] = []

    def budget() -> CallsLeft:
        looks.append(clock())
        return CallsLeft(10, 1.0)

    meter.uses(budget, lambda: 0.0)
    _sends(meter, 10)
    for _ in range(20):
        meter.line()
        clock.s += 0.1
    assert len(looks) == 2


def test_the_mark_differs_where_the_run_moved(meter: Meter, clock: Clock) -> None:
    _sends(meter, 10)
    before = meter.mark
    clock.s += 30
    assert meter.mark == before
    _done(meter, 1)
    assert meter.mark != before


@pytest.mark.parametrize(
    ("frees", "paused", "calls", "seconds"),
    [
        ((), 0.0, 10, 0.0),
        ((), 30.0, 1, 30.0),
        ((), 0.0, 11, 0.0),
        ((), 0.0, 21, 300.0),
        ((50.0, 60.0), 0.0, 8, 0.0),
        ((50.0, 60.0), 0.0, 9, 50.0),
        ((50.0, 60.0), 0.0, 10, 60.0),
        ((50.0, 60.0), 55.0, 9, 55.0),
        (tuple(map(float, range(10))), 0.0, 1, 0.0),
        (tuple(map(float, range(10))), 0.0, 12, 301.0),
    ],
)
def test_how_long_calls_take_follows_from_when_those_before_count_no_more(
    frees: tuple[float, ...], paused: float, calls: int, seconds: float
) -> None:
    assert CallsLeft(10, 300.0, frees, paused).takes_s(calls) == seconds
