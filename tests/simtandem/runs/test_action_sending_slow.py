"""Looks before SIM actions: never again and again in a way that comes too late."""

from collections import Counter
from typing import Any

from schemas.statuses import Outcome
from simtandem.carriers.protocol import Outdated
from simtandem.runs.action_sending import ActionSending
from simtandem.runs.look_pace import MOST_LOOKS, NO_TIME, LookCost, LookPace
from tests.simtandem.runs.desk import Time

ROWS = list(range(2, 302))


class Trial(ActionSending):
    """Sends rows that need a fresh look; reads by listing in 70 s, by id in so many seconds each."""

    def __init__(self, *, each_s: float = 0.1, waits_s: float = 0.0) -> None:
        self._steady = self.time = Time()
        self._open: dict[int, dict[str, Any]] = {row: {} for row in ROWS}
        self._pace, self._looks = LookPace(LookCost(100, 190, 1, 1900, 380), self.time), Counter()
        self.stopped, self.interrupted, self.paused = "", False, False
        self.each_s, self.waits_s = each_s, waits_s
        self.listings, self.sent, self.held = 0, list[int](), dict[int, str]()

    async def send(self) -> None:
        left, at = ROWS, float("-inf")
        while left:
            left, at = await self._send_part(left, at)

    def _good(self, row: int, looked: float) -> bool:
        return self.time.now - looked <= 60

    async def _look_again(self, rows: list[int], *, by_id: bool) -> list[int]:
        self.listings += not by_id
        self.time.now += self.each_s * len(rows) if by_id else 70
        return rows

    async def _send_one(self, row: int, looked: float) -> None:
        self.time.now += self.waits_s
        if not self._good(row, looked):
            raise Outdated(sent=False)
        self.sent.append(row)
        del self._open[row]

    async def _end(self, results: Any) -> None:
        for each in results:
            assert each.outcome is Outcome.HELD
            self.held[each.row] = each.error
            del self._open[each.row]


async def test_a_slow_listing_is_read_once_and_then_devices_in_parts() -> None:
    trial = Trial()
    await trial.send()
    assert (trial.sent, trial.listings) == (ROWS, 1)


async def test_where_one_read_takes_too_long_the_rows_end_with_that_reason() -> None:
    trial = Trial(each_s=75)
    await trial.send()
    assert [*trial.held] == ROWS
    assert trial.held[2].startswith("reading it alone takes 1 min 15 s")


async def test_a_call_that_always_waits_too_long_is_given_up() -> None:
    trial = Trial(waits_s=61)
    trial._open = {row: {} for row in ROWS[:2]}
    left, at = ROWS[:2], float("-inf")
    while left:
        left, at = await trial._send_part(left, at)
    assert set(trial.held.values()) == {NO_TIME}
    assert len(trial.held) == 2
    assert trial._looks[2] == MOST_LOOKS + 1
