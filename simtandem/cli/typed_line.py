"""A line that someone types, while the event loop continues."""

import asyncio
import sys
from collections.abc import Awaitable, Callable


async def typed_line(until: Callable[[], Awaitable[object]] | None = None) -> str:
    """A line from the terminal; an empty one where `until` returns before it is typed.

    The event loop keeps running meanwhile, so that Ctrl-C is handled at once.
    """
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    waits = [asyncio.ensure_future(typed.wait()), *([asyncio.ensure_future(until())] if until else [])]
    loop.add_reader(sys.stdin, typed.set)
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(sys.stdin)
        for each in waits:
            each.cancel()
    return sys.stdin.readline() if typed.is_set() else ""


async def answered_yes(until: Callable[[], Awaitable[object]] | None = None) -> bool:
    """Whether that line says yes."""
    return (await typed_line(until)).strip().lower() in ("y", "yes")
