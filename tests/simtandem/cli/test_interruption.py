import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from simtandem.cli.interruption import stoppable
from simtandem.errors import Interrupted
from simtandem.progress import ProgressHooks


@pytest.fixture(autouse=True)
def _hangups_count() -> Iterator[None]:
    """Also where the tests were started under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_first_signal_asks_a_sending_run_to_stop_in_good_order(number: signal.Signals) -> None:
    hooks, stopped = ProgressHooks(), asyncio.Event()
    hooks.on_stop(stopped.set)

    async def work() -> str:
        os.kill(os.getpid(), number)
        await stopped.wait()
        return "what was on its way is finished"

    assert await stoppable(work(), hooks) == "what was on its way is finished"


async def test_a_second_signal_ends_it_at_once() -> None:
    hooks, stopped = ProgressHooks(), asyncio.Event()
    hooks.on_stop(stopped.set)

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await stopped.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        await stoppable(work(), hooks)


async def test_a_signal_ends_a_run_that_sends_nothing_at_once() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        await stoppable(work(), ProgressHooks())
