import asyncio

import pytest

from simtandem.carriers.concurrency import together


class Gauge:
    """Work that takes a few turns of the loop; notes how many are at it at the same time, and how each one ended."""

    def __init__(self, *failing: int) -> None:
        self._failing = failing
        self.now = self.most = 0
        self.begun: list[int] = []
        self.ended: dict[int, str] = {}

    async def work(self, number: int) -> int:
        self.begun.append(number)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(20 - number % 7):
                await asyncio.sleep(0)
            if number in self._failing:
                raise LookupError(number)
        except BaseException as error:
            self.ended[number] = type(error).__name__
            raise
        else:
            self.ended[number] = "done"
            return number * 10
        finally:
            self.now -= 1


async def test_answers_come_in_the_order_asked_whoever_is_done_first() -> None:
    assert await together(range(20), Gauge().work, asyncio.Semaphore(8)) == [number * 10 for number in range(20)]


async def test_nothing_asked_nothing_done() -> None:
    assert await together([], Gauge().work, asyncio.Semaphore(1)) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_no_more_at_once_than_allowed(limit: int) -> None:
    gauge = Gauge()
    await together(range(20), gauge.work, asyncio.Semaphore(limit))
    assert gauge.most == min(limit, 20)


async def test_limit_holds_over_several_calls_that_share_it() -> None:
    gauge, limit = Gauge(), asyncio.Semaphore(3)
    await asyncio.gather(*(together(range(10), gauge.work, limit) for _ in range(3)))
    assert gauge.most == 3


async def test_first_error_is_raised_as_it_is_and_ends_the_others() -> None:
    gauge = Gauge(6)
    with pytest.raises(LookupError) as caught:
        await together(range(50), gauge.work, asyncio.Semaphore(8))
    assert caught.value.args == (6,)
    assert gauge.now == 0
    assert len(gauge.begun) < 50
    assert set(gauge.ended.values()) <= {"LookupError", "CancelledError", "done"}
    assert len(gauge.ended) == len(gauge.begun)


async def test_several_errors_at_once_end_in_one_of_them() -> None:
    gauge = Gauge(6, 13, 20)
    with pytest.raises(LookupError):
        await together([6, 13, 20], gauge.work, asyncio.Semaphore(8))
    assert gauge.now == 0


async def test_being_cancelled_ends_all_of_them_before_it_returns() -> None:
    gauge = Gauge()
    whole = asyncio.create_task(together(range(50), gauge.work, asyncio.Semaphore(8)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert gauge.now == 8
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert gauge.now == 0
    assert len(gauge.begun) == 8
    assert len(asyncio.all_tasks()) == 1
