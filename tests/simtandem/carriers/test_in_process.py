import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from simtandem.carriers.in_process import CONNECTION, InProcess

Respond = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def calling(application: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://127.0.0.1", transport=InProcess(application))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The request, told back in two parts."""
    body = (await receive())["body"]
    told = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} ".encode() + body
    await send({"type": "http.response.start", "status": 418, "headers": [(b"x-count", b"2")]})
    await send({"type": "http.response.body", "body": told[:5], "more_body": True})
    await send({"type": "http.response.body", "body": told[5:]})


async def test_a_request_and_its_answer_come_over_whole() -> None:
    async with calling(echo) as client:
        answer = await client.patch("/a/1", params={"q": "x"}, content=b"{}")
    assert (answer.status_code, answer.headers["x-count"], answer.text) == (418, "2", "PATCH /a/1 q=x {}")


async def silent(scope: Any, receive: Any, _send: Any) -> None:
    await receive()
    scope[CONNECTION].abort()
    assert (await receive())["type"] == "http.disconnect"


async def cut(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    scope[CONNECTION].close()


@pytest.mark.parametrize("application", [silent, cut])
async def test_a_connection_that_ends_early_is_an_error(application: Any) -> None:
    async with calling(application) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")


async def test_who_gives_up_leaves_nothing_running() -> None:
    ended: list[str] = []

    async def slow(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("gone")

    async with calling(slow) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get("/")
    assert ended == ["gone"]
