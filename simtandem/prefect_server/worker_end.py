"""How a worker ends cleanly: its runs stop first, with what is on its way answered, recorded and reported.

Prefect's own worker kills the processes of its runs as soon as a signal asks it to end.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import cast

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

_WITHIN_S = 30.0
"""So long runs may take; `up` waits longer for its worker."""


class WorkerEnd:
    """The processes of a worker's runs, and what becomes of them at Ctrl-C. A second one ends them at once.

    Where the worker's parent has died, and its Prefect server perhaps with it, the first one does so, too.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self._processes: set[_Process] = set()
        self._parent = os.getppid()

    @contextlib.contextmanager
    def started_by(self, task_status: TaskStatus[int] | None) -> Iterator[TaskStatus[int]]:
        """In this block a run is carried out; what it gives takes the id of its process, in place of `task_status`."""
        process = _Process(task_status or TASK_STATUS_IGNORED)
        self._processes.add(process)
        try:
            yield cast("TaskStatus[int]", process)
        finally:
            self._processes.discard(process)
            process.over.set()

    def listen(self) -> None:
        """From now on SIGINT comes here first, and to who had it before once the runs have ended."""
        before, loop = signal.getsignal(signal.SIGINT), asyncio.get_running_loop()
        waiting: list[asyncio.Task[None]] = []

        def pass_on() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)
            os.kill(os.getpid(), signal.SIGINT)

        async def after_runs() -> None:
            await self._stop_runs()
            pass_on()

        def asked() -> None:
            if self.has_begun or os.getppid() != self._parent:
                pass_on()
            else:
                self.has_begun = True
                waiting.append(asyncio.create_task(after_runs()))

        loop.add_signal_handler(signal.SIGINT, asked)

    async def _stop_runs(self) -> None:
        for each in self._processes:
            each.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN_S):
                await asyncio.gather(*(each.over.wait() for each in self._processes))


class _Process:
    """The process of a run: Prefect says its id here, as to the task status that it stands for."""

    def __init__(self, task_status: TaskStatus[int]) -> None:
        self._task_status = task_status
        self._pid = 0
        self.over = asyncio.Event()

    def started(self, value: int) -> None:
        """It has been started."""
        self._pid = value
        self._task_status.started(value)

    def stop(self) -> None:
        """Ask it to stop, as a cancel does."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
