"""Faults that any HTTP service can have: no answer, a late one, a damaged one."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from simtandem.emulator.wire import Call, Line

Process = Callable[[Call], Awaitable[Response]]
"""Carries a call out."""


async def disconnect(call: Call, line: Line, process: Process, *, processed: bool, reset: bool) -> int:
    """End the connection without an answer, cleanly or with a reset; returns 0."""
    if processed:
        await process(call)
    return await (line.reset() if reset else line.close())


async def hang(call: Call, line: Line, process: Process, seconds: float, *, processed: bool) -> int:
    """Say nothing for so many seconds, then answer if the caller is still there; returns the status, 0 without one."""
    response = await process(call) if processed else None
    if not await line.hang(seconds):
        return 0
    return await line.reply(response or await process(call))


async def break_body(line: Line, response: Response, kind: str) -> int:
    """Send a damaged body: `truncated`, `cut_json` or `malformed_json`. An answer without one goes out whole."""
    body = bytes(response.body)
    if not body:
        return await line.reply(response)
    if kind == "truncated":
        return await line.break_off(response)
    damaged = body[: len(body) // 2] if kind == "cut_json" else b'{"message": <undefined>}'
    return await line.reply(Response(damaged, response.status_code, media_type="application/json"))
