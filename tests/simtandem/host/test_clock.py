import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from simtandem.host import clock

HOUR = 3600.0


def in_simulated_time(work: Callable[[], Awaitable[object]]) -> float:
    """Do it; how long that took on this machine."""
    began = time.monotonic()

    async def all_of_it() -> None:
        await work()

    with asyncio.Runner(loop_factory=clock.SimulatedTime) as runner:
        runner.run(all_of_it())
    return time.monotonic() - began


async def test_elsewhere_it_is_the_machines_time() -> None:
    assert clock.steady() == pytest.approx(time.monotonic(), abs=5)
    assert clock.seconds() == pytest.approx(time.time(), abs=5)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_outside_of_a_loop_too() -> None:
    assert clock.steady() == pytest.approx(time.monotonic(), abs=5)
    with clock.standing_still():
        assert clock.seconds() == pytest.approx(time.time(), abs=5)


def test_waiting_takes_no_time_and_counts_in_full() -> None:
    waited: list[float] = []

    async def wait() -> None:
        began, day = clock.steady(), clock.now()
        await asyncio.gather(asyncio.sleep(HOUR), asyncio.sleep(3 * HOUR))
        waited.extend([clock.steady() - began, (clock.now() - day).total_seconds()])

    assert in_simulated_time(wait) < 60
    assert waited == [pytest.approx(3 * HOUR), pytest.approx(3 * HOUR)]


def test_what_is_first_ends_first() -> None:
    ended: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        ended.append(f"{name} at {clock.steady():.0f}")

    async def both() -> None:
        await asyncio.gather(after(90, "second"), after(60, "first"))

    in_simulated_time(both)
    assert ended == ["first at 60", "second at 90"]


def test_a_deadline_passes_as_well() -> None:
    async def late() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await asyncio.sleep(2 * HOUR)

    assert in_simulated_time(late) < 60


def test_time_stands_still_while_a_thread_works() -> None:
    ended: list[str] = []

    async def work() -> None:
        await asyncio.to_thread(time.sleep, 0.3)
        ended.append("thread")

    async def wait() -> None:
        await asyncio.sleep(HOUR)
        ended.append("wait")

    async def both() -> None:
        await asyncio.gather(wait(), work())

    in_simulated_time(both)
    assert ended == ["thread", "wait"]


def test_it_stands_still_for_a_thread_of_somebody_elses_where_that_is_said() -> None:
    ended: list[str] = []

    async def work() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        threading.Timer(0.3, lambda: loop.call_soon_threadsafe(done.set_result, None)).start()
        with clock.standing_still():
            await done
        ended.append("thread")

    async def both() -> None:
        waiting = asyncio.create_task(asyncio.sleep(HOUR))
        await work()
        assert not waiting.done()
        await waiting

    in_simulated_time(both)
    assert ended == ["thread"]
