"""Doing the same for many, side by side, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Asked = TypeVar("Asked")
Got = TypeVar("Got")


async def together(
    asked: Iterable[Asked], work: Callable[[Asked], Awaitable[Got]], at_once: asyncio.Semaphore
) -> list[Got]:
    """What `work` makes of each, in order. The first error ends the others and is raised as it is, not in a group."""

    async def one(each: Asked) -> Got:
        async with at_once:
            return await work(each)

    tasks = [asyncio.create_task(one(each)) for each in asked]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
