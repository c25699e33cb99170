import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simtandem.carriers.host_slots import HostSlots
from simtandem.carriers.rate_limit import LONGEST_CALL_S, CallBudget, Spacing, Window
from simtandem.errors import Interrupted, LedgerError
from simtandem.host.home_use import Host


class VirtualTime:
    """A clock that jumps to the next sleeper's time, so that minutes pass in microseconds."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.Event()
        self._sleepers.append((self.now + max(seconds, 0.0), next(self._order), wake))
        await wake.wait()

    async def run(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        done = asyncio.gather(*work)
        while not done.done():
            for _ in range(20):  # let everybody who can go on do so first
                await asyncio.sleep(0)
            if self._sleepers and not done.done():
                self._sleepers.sort(key=lambda sleeper: sleeper[:2])
                at, _, wake = self._sleepers.pop(0)
                self.now = max(self.now, at)
                wake.set()
        return await done


class CountingCarrier:
    """Notes when calls arrive: somewhere between their sending and their answer."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.arrivals: list[float] = []

    async def call(self, way_there_s: float, way_back_s: float) -> None:
        await self._time.sleep(way_there_s)
        self.arrivals.append(self._time.now)
        await self._time.sleep(way_back_s)

    def most_in(self, seconds: float) -> int:
        times = sorted(self.arrivals)
        return max((sum(1 for t in times if start <= t < start + seconds) for start in times), default=0)


Folders = pytest.TempPathFactory
Arrivals = list[tuple[float, float, float]]
ARRIVALS = st.lists(
    st.tuples(
        st.floats(0, 30, allow_nan=False),  # when the caller comes
        st.floats(0, 4, allow_nan=False),  # how long the call takes to arrive
        st.floats(0, 4, allow_nan=False),  # and the answer to return
    ),
    max_size=40,
)


def budget(folder: Path, time: VirtualTime, host: Host | None = None) -> CallBudget:
    slots = HostSlots(folder / "budget.sqlite", clock=time.clock, now=lambda: 1_000_000.0, host=host)
    return CallBudget(slots, clock=time.clock, sleep=time.sleep)


@given(arrivals=ARRIVALS, calls=st.integers(1, 8), seconds=st.floats(0.5, 20), processes=st.integers(1, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_window_is_ever_over_the_limit(
    tmp_path_factory: Folders, arrivals: Arrivals, calls: int, seconds: float, processes: int
) -> None:
    time, folder = VirtualTime(), tmp_path_factory.mktemp("budget")
    carrier, window = CountingCarrier(time), Window("calls", calls, seconds)
    budgets = [budget(folder, time) for _ in range(processes)]

    async def caller(index: int, comes: float, there: float, back: float) -> None:
        await time.sleep(comes)
        async with budgets[index % processes].place([window]):
            await carrier.call(there, back)

    asyncio.run(time.run(*(caller(index, *arrival) for index, arrival in enumerate(arrivals))))
    for each in budgets:
        each.close()

    assert len(carrier.arrivals) == len(arrivals)
    assert carrier.most_in(seconds) <= calls


@given(arrivals=ARRIVALS, seconds=st.floats(0.05, 2))
@settings(max_examples=30, deadline=None)
def test_calls_of_one_spacing_never_begin_closer_together(
    tmp_path_factory: Folders, arrivals: Arrivals, seconds: float
) -> None:
    time = VirtualTime()
    begun: list[float] = []
    own = budget(tmp_path_factory.mktemp("budget"), time)

    async def caller(comes: float, there: float, back: float) -> None:
        await time.sleep(comes)
        async with own.place([Window("calls", 1000, 1)], Spacing("list", seconds)):
            begun.append(time.now)
            await time.sleep(there + back)

    asyncio.run(time.run(*(caller(*arrival) for arrival in arrivals)))
    own.close()
    assert all(after - before >= seconds - 1e-6 for before, after in itertools.pairwise(begun))


async def test_the_whole_budget_is_used_at_once_and_again_one_window_after_the_answers(tmp_path: Path) -> None:
    time = VirtualTime()
    own, window = budget(tmp_path, time), Window("calls", 10, 15.0)
    sent: list[float] = []

    async def call() -> None:
        async with own.place([window]):
            sent.append(time.now - 1000)
            await time.sleep(0.1)

    await time.run(*(call() for _ in range(25)))
    own.close()
    assert sent[:10] == [0.0] * 10
    assert sent[10:20] == pytest.approx([15.1] * 10, abs=0.02)
    assert sent[20:] == pytest.approx([30.2] * 5, abs=0.04)


async def test_the_call_of_a_killed_process_keeps_its_place_until_it_can_no_longer_count(tmp_path: Path) -> None:
    time = VirtualTime()
    window = Window("calls", 1, 15.0)
    killed = budget(tmp_path, time)
    await killed.place([window]).__aenter__()  # never released
    killed.close()
    own = budget(tmp_path, time)

    async def call() -> float:
        async with own.place([window]):
            return time.now - 1000

    (at,) = await time.run(call())
    own.close()
    assert at == pytest.approx(LONGEST_CALL_S + 15.0, abs=0.1)


async def test_places_from_before_a_restart_of_the_host_are_held_for_a_window_at_most(tmp_path: Path) -> None:
    restarted = Host("another boot", "machine", "host", lambda: 0.0)
    before = VirtualTime(start=1_000_000.0)
    window = Window("calls", 1, 15.0)
    old = budget(tmp_path, before)
    async with old.place([window], Spacing("list", 5)):
        pass
    old.throttled(30)
    old.close()
    after = VirtualTime(start=10.0)
    own = budget(tmp_path, after, restarted)

    async def call() -> float:
        async with own.place([window], Spacing("list", 5)):
            return after.now - 10

    (waited,) = await after.run(call())
    own.close()
    assert waited == pytest.approx(30.0, abs=0.1)


async def test_a_429_with_retry_after_stops_every_call_of_every_process_for_so_long(tmp_path: Path) -> None:
    time = VirtualTime()
    told, other = budget(tmp_path, time), budget(tmp_path, time)
    told.throttled(7.0)

    async def call() -> float:
        async with other.place([Window("calls", 100, 1)]):
            return time.now - 1000

    (at,) = await time.run(call())
    told.close()
    other.close()
    assert at == pytest.approx(7.0, abs=0.1)


def test_without_retry_after_the_pause_doubles_until_a_call_is_answered(tmp_path: Path) -> None:
    time = VirtualTime()
    own = budget(tmp_path, time)
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        assert own.throttled(None) == pause
        time.now += pause + 1
    own.answered()
    assert own.throttled(None) == 1.0
    own.close()


def test_many_429s_at_once_are_one_reason_to_pause(tmp_path: Path) -> None:
    own = budget(tmp_path, VirtualTime())
    assert [own.throttled(None) for _ in range(8)] == [1.0] * 8
    own.close()


async def test_halting_ends_the_waiting_and_sends_nothing(tmp_path: Path) -> None:
    time = VirtualTime()
    own, window = budget(tmp_path, time), Window("calls", 1, 300.0)

    async def first() -> None:
        async with own.place([window]):
            pass

    async def second() -> None:
        await time.sleep(1)
        async with own.place([window]):
            raise AssertionError("this call must not be sent")

    async def stopper() -> None:
        await time.sleep(5)
        own.halt()

    with pytest.raises(Interrupted):
        await time.run(first(), second(), stopper())
    own.resume()
    assert own.waiting_s() <= 300
    own.close()


async def test_a_failing_call_gives_its_place_back_one_window_later(tmp_path: Path) -> None:
    time = VirtualTime()
    own, window = budget(tmp_path, time), Window("calls", 1, 15.0)

    async def failing() -> None:
        with pytest.raises(ZeroDivisionError):
            async with own.place([window]):
                raise ZeroDivisionError

    async def next_one() -> float:
        await time.sleep(0.1)
        async with own.place([window]):
            return time.now - 1000

    _, at = await time.run(failing(), next_one())
    own.close()
    assert at == pytest.approx(15.0, abs=0.1)


FIRST_HOST = Host("boot 1", "", "one", lambda: 900_000.0)
OTHER_HOST = Host("boot 2", "", "two", lambda: 900_000.0)


async def test_a_host_with_another_clock_sends_nothing_while_this_one_uses_the_budget(tmp_path: Path) -> None:
    here, elsewhere = VirtualTime(), VirtualTime(start=77.0)
    ours, theirs = budget(tmp_path, here, FIRST_HOST), budget(tmp_path, elsewhere, OTHER_HOST)
    async with ours.place([Window("calls", 5, 300)]):
        pass
    with pytest.raises(LedgerError, match="Another host uses this SIMTANDEM_HOME: one"):
        async with theirs.place([Window("calls", 5, 300)]):
            raise AssertionError("this call must not be sent")
    async with ours.place([Window("calls", 5, 300)]):
        pass
    ours.close()
    theirs.close()


@pytest.mark.parametrize("after_s", [60.0, 10_000.0])
async def test_after_a_restart_places_are_held_as_long_as_they_may_count_and_no_longer(
    tmp_path: Path, after_s: float
) -> None:
    """Also where the clock shows more than before: then places would look as if they had been freed long ago."""
    before, wall = VirtualTime(start=1000.0), 1_000_000.0
    window = Window("calls", 1, 300.0)
    file = tmp_path / "budget.sqlite"
    kept = HostSlots(file, clock=before.clock, now=lambda: wall, host=FIRST_HOST)
    old = CallBudget(kept, clock=before.clock, sleep=before.sleep)
    async with old.place([window]):
        pass
    old.throttled(100.0)
    old.close()
    restarted, after = Host("boot 3", "", "one", lambda: 10.0), VirtualTime(start=5000.0)
    slots = HostSlots(file, clock=after.clock, now=lambda: wall + after_s, host=restarted)
    own = CallBudget(slots, clock=after.clock, sleep=after.sleep)

    async def call() -> float:
        async with own.place([window]):
            return after.now - 5000

    (waited,) = await after.run(call())
    own.close()
    assert waited == pytest.approx(300.0 if after_s == 60.0 else 0.0, abs=0.1)


async def test_places_that_are_left_free_are_there_for_others(tmp_path: Path) -> None:
    time = VirtualTime()
    own, window = budget(tmp_path, time), Window("calls", 10, 300.0)
    changed = 0

    async def change() -> None:
        nonlocal changed
        async with own.place([window], left_free=2):
            changed += 1

    async def look() -> float:
        await time.sleep(1)
        for _ in range(2):
            async with own.place([window], Spacing("list", 0.01)):
                assert changed == 8
        return time.now - 1000

    *_, looked_at = await time.run(*(change() for _ in range(9)), look())
    own.close()
    assert looked_at == pytest.approx(1.0, abs=0.1)
    assert changed == 9


async def test_a_window_too_small_to_leave_anything_free_still_lets_calls_through(tmp_path: Path) -> None:
    time = VirtualTime()
    own = budget(tmp_path, time)
    async with own.place([Window("calls", 1, 300.0)], left_free=5):
        pass
    own.close()


async def test_who_was_stopped_waits_no_more(tmp_path: Path) -> None:
    time = VirtualTime()
    own, window = budget(tmp_path, time), Window("calls", 1, 300.0)

    async def waiting() -> None:
        async with own.place([window]):
            pass
        with pytest.raises(Interrupted):
            async with own.place([window]):
                pass

    async def stopper() -> None:
        await time.sleep(2)
        assert own.waiting_s() > 200
        own.halt()

    await time.run(waiting(), stopper())
    own.resume()
    assert own.waiting_s() == 0
    own.close()
