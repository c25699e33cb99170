import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.limits import Bucket, Gate, SlidingWindow


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(limit: SlidingWindow | Bucket, now: float) -> bool:
    if limit.wait(now) > 0:
        return False
    limit.take(now)
    return True


def test_window_slides_and_does_not_start_afresh() -> None:
    window = SlidingWindow(3, 300)
    assert [taken(window, at) for at in (0, 299, 299, 299)] == [True, True, True, False]
    assert window.wait(299) == 1
    # At 300 only the call at 0 is out of the window: a window that started afresh would let three through.
    assert [taken(window, at) for at in (300, 300, 301)] == [True, False, False]


@settings(deadline=None)
@given(st.lists(st.floats(0, 50), max_size=60), st.integers(1, 5), st.floats(1, 20))
def test_no_window_ever_holds_more_than_the_limit(gaps: list[float], limit: int, seconds: float) -> None:
    window, now, let_through = SlidingWindow(limit, seconds), 0.0, []
    for gap in gaps:
        now += gap / 10
        if taken(window, now):
            let_through.append(now)
    for last in let_through:
        assert sum(last - seconds < at <= last for at in let_through) <= limit


def test_wait_is_long_enough_and_no_longer() -> None:
    window = SlidingWindow(2, 10)
    for at in (0, 4):
        window.take(at)
    assert window.wait(5) == 5
    assert window.wait(9.99) > 0
    assert window.wait(10) == 0


def test_limit_of_zero_lets_nothing_through() -> None:
    assert SlidingWindow(0, 300).wait(0) == 300


def test_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = Bucket(10, 5)
    assert [taken(bucket, 0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait(0) == pytest.approx(0.1)
    assert [taken(bucket, at) for at in (0.1, 0.1, 0.2)] == [True, False, True]
    assert sum(taken(bucket, 100) for _ in range(20)) == 5


def test_bucket_passes_a_caller_who_keeps_exactly_to_the_rate() -> None:
    bucket = Bucket(10, 5)
    assert all(taken(bucket, 1_750_000_000 + call * 0.1) for call in range(500))


def test_refused_call_uses_up_no_limit() -> None:
    clock = HandClock()
    gate = Gate(Behaviour(calls=6), clock)
    assert [gate.admit("a", "GET", "/api/v1/sim") for _ in range(5)] == [0] * 5
    assert gate.admit("a", "GET", "/api/v1/sim") > 0
    assert gate.admit("a", "PATCH", "/api/v1/sim/1") == 0
    assert gate.admit("a", "PATCH", "/api/v1/sim/1") > 0


@pytest.mark.parametrize(
    ("method", "path", "burst"),
    [
        ("GET", "/api/v1/sim", 5),
        ("GET", "/api/v1/endpoint", 5),
        ("GET", "/api/v1/event", 5),
        ("GET", "/api/v1/sim/17", 50),
        ("GET", "/api/v1/endpoint/17", 25),
        ("PATCH", "/api/v1/sim/17", 200),
        ("POST", "/api/v1/authenticate", 100),
    ],
)
def test_each_path_has_its_own_burst(method: str, path: str, burst: int) -> None:
    gate = Gate(Behaviour(calls=200), HandClock())
    assert sum(gate.admit("a", method, path) == 0 for _ in range(300)) == burst


def test_addresses_do_not_share_a_budget() -> None:
    gate = Gate(Behaviour(calls=1), HandClock())
    assert gate.admit("a", "PATCH", "/x") == 0
    assert gate.admit("a", "PATCH", "/x") > 0
    assert gate.admit("b", "PATCH", "/x") == 0


def test_limit_can_be_changed_while_calls_are_counted() -> None:
    clock, behaviour = HandClock(), Behaviour(calls=5)
    gate = Gate(behaviour, clock)
    for _ in range(5):
        gate.admit("a", "PATCH", "/x")
        clock.now += 1
    behaviour.change(calls=2)
    assert gate.admit("a", "PATCH", "/x") == 298  # not before the fourth of the five is out of the window
