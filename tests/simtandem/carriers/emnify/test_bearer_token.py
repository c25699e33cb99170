import asyncio
from collections.abc import Awaitable, Callable

import jwt
import pytest

from simtandem.carriers.emnify.bearer_token import Tokens
from simtandem.errors import AuthenticationFailed, CarrierUnavailable

NOW = 1_750_000_000.0


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Door:
    """Makes tokens that live as long as it is told, or fails as it is told; counts how often it was asked."""

    def __init__(self, clock: HandClock, *lives_s: float, failing: Exception | None = None) -> None:
        self._clock = clock
        self._lives = list(lives_s) or [4 * 3600.0]
        self.failing = failing
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        number, life = self.calls, self._lives[min(self.calls, len(self._lives)) - 1]
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing
        return jwt.encode({"exp": int(self._clock.now + life), "n": number}, "k" * 64)


def fixed(token: str) -> tuple[Callable[[], Awaitable[str]], list[str]]:
    """A door that always gives this token, and the list of what it gave."""
    given: list[str] = []

    async def authenticate() -> str:
        given.append(token)
        return token

    return authenticate, given


async def test_many_callers_at_once_cost_one_call() -> None:
    clock = HandClock()
    door = Door(clock)
    tokens = Tokens(door, clock=clock)
    got = await asyncio.gather(*(tokens.current() for _ in range(50)))
    assert door.calls == 1
    assert len(set(got)) == 1


async def test_many_callers_whose_token_was_rejected_cost_one_call_and_get_the_new_one() -> None:
    clock = HandClock()
    door = Door(clock)
    tokens = Tokens(door, clock=clock)
    old = await tokens.current()
    got = await asyncio.gather(*(tokens.current(rejected=old) for _ in range(50)))
    assert door.calls == 2
    assert set(got).isdisjoint({old})
    assert len(set(got)) == 1


async def test_who_comes_late_with_the_old_token_gets_the_one_made_meanwhile() -> None:
    clock = HandClock()
    door = Door(clock)
    tokens = Tokens(door, clock=clock)
    old = await tokens.current()
    new = await tokens.current(rejected=old)
    assert await tokens.current(rejected=old) == new
    assert door.calls == 2


@pytest.mark.parametrize(
    ("life_s", "kept_s"), [(4 * 3600.0, 4 * 3600.0 - 60), (7 * 86400.0, 7 * 86400.0 - 60), (30.0, 27.0)]
)
async def test_renewed_a_minute_before_its_end_or_in_the_last_tenth_of_a_short_life(
    life_s: float, kept_s: float
) -> None:
    clock = HandClock()
    door = Door(clock, life_s)
    tokens = Tokens(door, clock=clock)
    await tokens.current()
    clock.now = NOW + kept_s - 0.5
    await tokens.current()
    assert door.calls == 1
    clock.now = NOW + kept_s + 0.5
    await tokens.current()
    assert door.calls == 2


async def test_each_token_is_kept_for_its_own_life() -> None:
    clock = HandClock()
    door = Door(clock, 100.0, 10_000.0)
    tokens = Tokens(door, clock=clock)
    await tokens.current()
    clock.now += 95
    await tokens.current()
    clock.now += 9000
    await tokens.current()
    assert door.calls == 2


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        jwt.encode({"sub": "no expiry"}, "k" * 64),
        jwt.encode({"exp": None}, "k" * 64),
        jwt.encode({"exp": int(NOW) - 3600}, "k" * 64),  # the host's clock is an hour ahead, or the carrier's behind
    ],
)
async def test_a_token_that_says_nothing_of_use_serves_until_it_is_rejected(token: str) -> None:
    clock = HandClock()
    door, given = fixed(token)
    tokens = Tokens(door, clock=clock)
    assert await tokens.current() == token
    clock.now += 365 * 86400
    assert await tokens.current() == token
    assert len(given) == 1
    await tokens.current(rejected=token)
    assert len(given) == 2


async def test_a_refusal_is_final_and_told_to_everybody_without_another_call() -> None:
    clock = HandClock()
    door = Door(clock, failing=AuthenticationFailed("wrong token"))
    tokens = Tokens(door, clock=clock)
    got = await asyncio.gather(*(tokens.current() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, AuthenticationFailed) for each in got)
    door.failing = None
    with pytest.raises(AuthenticationFailed, match="wrong token"):
        await tokens.current()
    assert door.calls == 1


async def test_an_outage_is_not_final() -> None:
    clock = HandClock()
    door = Door(clock, failing=CarrierUnavailable("down"))
    tokens = Tokens(door, clock=clock)
    with pytest.raises(CarrierUnavailable):
        await tokens.current()
    door.failing = None
    assert await tokens.current()
    assert door.calls == 2


async def test_a_caller_that_is_cancelled_while_it_authenticates_leaves_the_door_open() -> None:
    clock = HandClock()
    tokens = Tokens(Door(clock), clock=clock)
    first = asyncio.create_task(tokens.current())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(5):
        assert await tokens.current()
