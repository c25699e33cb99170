"""What time it is: this machine's, or that of a rehearsal, which passes at once where a run would only wait.

`steady` and `now` are the machine's clocks unless the running event loop is a `SimulatedTime`. There, time stands
still while anything computes, and moves to the next timer as soon as nothing is left to do: hours of waiting for a
rate limit take no time, and every wait is as long as it would be.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

_THREADS_S = 0.05
"""So long at most a thread is waited for, before it is looked whether another one works."""


def steady() -> float:
    """Seconds of a clock that nobody sets."""
    loop = _running()
    return time.monotonic() if loop is None else loop.time()


def seconds() -> float:
    """Seconds since 1970."""
    loop = _running()
    return loop.began + loop.time() if isinstance(loop, SimulatedTime) else time.time()


def now() -> datetime:
    """The time of day, in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


@contextmanager
def standing_still() -> Iterator[None]:
    """In this block a thread works for the event loop: simulated time waits for it, as for all that computes."""
    loop = _running()
    if not isinstance(loop, SimulatedTime):
        yield
        return
    loop.threads += 1
    try:
        yield
    finally:
        loop.threads -= 1


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class SimulatedTime(asyncio.SelectorEventLoop):
    """An event loop whose time begins at 0 and moves to the next timer whenever there is nothing to do until then.

    `began`: when that was, in seconds since 1970. `threads`: how many are at work for it just now.
    """

    def __init__(self) -> None:
        self._passed = 0.0
        self.began = time.time()
        self.threads = 0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._passed

    def leap(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._passed += seconds

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """As ever; time stands still until it is done."""
        done = super().run_in_executor(executor, func, *args)
        self.threads += 1
        done.add_done_callback(self._thread_ended)
        return done

    def _thread_ended(self, _done: object) -> None:
        self.threads -= 1


class _Leaping(selectors.DefaultSelector):
    """Waits for files only where a thread is at work, or no timer is set; lets the time pass otherwise."""

    def __init__(self, loop: SimulatedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        while not ready and self._loop.threads:
            ready = super().select(_THREADS_S)
        if not ready:
            self._loop.leap(timeout)
        return ready
