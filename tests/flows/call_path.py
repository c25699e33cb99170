"""Which of this project's functions a call to the carrier passes through, from the flow to the HTTP client."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from tests.source_modules import ROOMS, ROOT

_FOLDERS = tuple(f"{ROOT / room}/" for room in ROOMS)


class CallPaths(logging.Handler):
    """The functions that each call passed through, outermost first, by method and path of the first such call.

    httpx logs a call in the stack that sent it. A function that waits for a task it began counts as one that the call
    passed through, so how the work is spread over tasks makes no difference.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: dict[str, list[str]] = {}
        self._began: WeakKeyDictionary[asyncio.Task[Any], list[str]] = WeakKeyDictionary()

    def emit(self, record: logging.LogRecord) -> None:
        """Called where a call was answered."""
        if isinstance(record.args, tuple) and len(record.args) > 1:
            where = str(record.args[1]).partition("?")[0].split("/", 3)[-1]
            self.found.setdefault(f"{record.args[0]} /{where}", self._path())

    def new_task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> Any:
        """A task factory: remembers which functions led to the task."""
        task = asyncio.Task(work, loop=loop, **more)
        self._began[task] = self._path()
        return task

    def _path(self) -> list[str]:
        frame: FrameType | None = sys._getframe()
        own: list[str] = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(_FOLDERS) and not frame.f_code.co_name.startswith("<"):
                module = Path(frame.f_code.co_filename).relative_to(ROOT).with_suffix("")
                own.append(f"{'.'.join(module.parts)}.{frame.f_code.co_name}")
            frame = frame.f_back
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        return (self._began.get(task, []) if task else []) + own[::-1]


@contextmanager
def call_paths() -> Iterator[CallPaths]:
    """In this block, on a running event loop, the paths of all calls are noted."""
    loop, logger, paths = asyncio.get_running_loop(), logging.getLogger("httpx"), CallPaths()
    before, level = loop.get_task_factory(), logger.level
    loop.set_task_factory(paths.new_task)  # type: ignore[arg-type]  # it takes a name and a context as well
    logger.addHandler(paths)
    logger.setLevel(logging.INFO)
    try:
        yield paths
    finally:
        logger.setLevel(level)
        logger.removeHandler(paths)
        loop.set_task_factory(before)
