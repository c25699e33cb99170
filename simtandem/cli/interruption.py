"""Ctrl-C, SIGTERM and SIGHUP while a command runs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from simtandem import progress
from simtandem.errors import Interrupted
from simtandem.host.standard_streams import leave_terminal
from simtandem.progress import ProgressHooks

Result = TypeVar("Result")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def stoppable(work: Awaitable[Result], hooks: ProgressHooks) -> Result:
    """Do the work. The first Ctrl-C stops it cleanly, the second one ends it at once.

    Before the run begins to send, the first one ends it at once.
    """
    task = asyncio.ensure_future(work)
    hooks.handles_signals = True
    _listen(task, hooks)
    try:
        return await task
    except asyncio.CancelledError:
        if hooks.can_stop:
            raise Interrupted("Stopped. What was sent is recorded; run it again to continue.") from None
        raise Interrupted("Stopped. Nothing was sent.") from None
    finally:
        for number in _SIGNALS:  # from here on the loop handles no signal
            asyncio.get_running_loop().remove_signal_handler(number)


def _listen(task: "asyncio.Future[Any]", hooks: ProgressHooks) -> None:
    def interrupted() -> None:
        if hooks.stop_requested or not hooks.can_stop:
            task.cancel()
        else:
            hooks.stop()
            hooks.message("Stopping: no more changes are sent. Press Ctrl-C again to end at once.")

    def hung_up() -> None:
        leave_terminal()
        interrupted()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, hung_up if number is signal.SIGHUP else interrupted)


def listening_again() -> Callable[[], None]:
    """A function that gives this task its signals back: Prefect replaces the SIGTERM handler when a flow begins."""
    task, hooks = asyncio.current_task(), progress.current()
    return lambda: _listen(task, hooks) if task is not None and hooks.handles_signals else None
