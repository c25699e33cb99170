"""Doing the same for many, side by side, a few at a time."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

Asked = TypeVar("Asked")
Got = TypeVar("Got")


async def together(
    asked: Iterable[Asked], work: Callable[[Asked], Coroutine[Any, Any, Got]], at_once: asyncio.Semaphore | None = None
) -> list[Got]:
    """What `work` makes of each, in order. The first error ends the others and is raised as it is, not in a group.

    Without `at_once`, all of them run side by side: then `work` itself has a limit, or they are few.
    """

    async def limited(each: Asked, limit: asyncio.Semaphore) -> Got:
        async with limit:
            return await work(each)

    tasks = [asyncio.create_task(limited(each, at_once) if at_once else work(each)) for each in asked]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
