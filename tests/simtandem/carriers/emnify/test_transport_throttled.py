"""429s that name no useful pause, or never end."""

import asyncio
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.rate_limit import Window
from simtandem.errors import CarrierUnavailable
from tests.simtandem.carriers.emnify.rig import GOOD, ON_CALL, SIM_PATH, ScriptedCarrier, get, says, scripted


@pytest.mark.parametrize("told", [{}, {"Retry_After": "0"}, {"Retry_After": "-1"}, {"Retry_After": "0.001"}])
async def test_429s_that_ask_for_no_pause_are_few_and_end_soon_after_a_whole_window(
    tmp_path: Path, told: dict[str, str]
) -> None:
    """A carrier, or a proxy, that says so for ever gets some dozens of calls, not thousands."""
    carrier = ScriptedCarrier(says(429, **told))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable):
            await rig.transport.send(ON_CALL)
        waited = sum(rig.time.naps)
    assert len(carrier.requests) <= 20
    assert 300 < waited < 420


async def test_429s_without_end_are_told_with_the_time_that_was_waited(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(429))) as rig:
        with pytest.raises(CarrierUnavailable, match="HTTP 429") as raised:
            await rig.transport.send(ON_CALL)
        assert f"in {sum(rig.time.naps):.0f} s." in str(raised.value)


async def test_waiting_for_another_attempt_ends_when_everything_is_halted(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(GOOD)) as rig:
        rig.budget.halt()
        await rig.transport.back_off(5)
        assert rig.time.naps == []


async def test_a_429_between_two_good_answers_does_not_start_the_pauses_of_a_refused_call_anew(tmp_path: Path) -> None:
    """One path is throttled for ever, another is not: the first still waits longer each time."""

    def half(request: httpx.Request) -> httpx.Response:
        return says(429, Retry_After="0")(request) if request.method == "PATCH" else GOOD(request)

    carrier = ScriptedCarrier(half)
    async with scripted(tmp_path, carrier) as rig:

        async def read_on() -> None:
            for _ in range(200):
                await get(rig)

        reading = asyncio.create_task(read_on())
        with pytest.raises(CarrierUnavailable):
            await rig.transport.send(ON_CALL)
        reading.cancel()
    assert carrier.lines.count(f"PATCH {SIM_PATH}") <= 20


async def test_a_long_pause_is_said_once(tmp_path: Path) -> None:
    said: list[float] = []
    async with scripted(tmp_path, ScriptedCarrier(says(429, Retry_After="60"), GOOD)) as rig:
        rig.budget.on_pause = said.append
        await asyncio.gather(get(rig), get(rig), get(rig))
    assert said == [60.0]


async def test_whoever_waits_for_the_rate_limit_is_told_once_but_not_of_changes(tmp_path: Path) -> None:
    said: list[float] = []
    async with scripted(tmp_path, ScriptedCarrier(GOOD)) as rig:
        rig.budget.on_wait = said.append
        for tell in (True, False, True):
            async with rig.budget.place([Window(f"reading {tell}", 1, 300)], tell=tell):
                pass
        async with rig.budget.place([Window("reading False", 1, 300)]):
            pass
    assert len(said) == 1
    assert 290 < said[0] <= 301
