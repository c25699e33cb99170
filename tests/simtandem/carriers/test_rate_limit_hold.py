"""While calls are held, only what finds out about an earlier call is sent."""

import asyncio
from pathlib import Path

import pytest

from simtandem.carriers.host_slots import HostSlots
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.errors import Interrupted

ONE = Window("calls", 1, 0.5)


async def test_a_hold_ends_the_waiting_of_all_but_what_follows_up_a_call(tmp_path: Path) -> None:
    own = CallBudget(HostSlots(tmp_path / "slots"))

    async def call(*, follows_up: bool) -> None:
        async with own.place([ONE], follows_up=follows_up):
            pass

    await call(follows_up=False)
    waiting = [asyncio.ensure_future(call(follows_up=each)) for each in (False, True, False)]
    await asyncio.sleep(0)
    own.hold()
    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert (type(first), second, type(third)) == (Interrupted, None, Interrupted)
    own.resume()
    await call(follows_up=False)
    own.halt()
    with pytest.raises(Interrupted):
        await call(follows_up=True)
    own.close()
