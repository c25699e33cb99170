"""Connections of an account: each call has one to itself, and the one used last is used next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from simtandem.carriers.connections import Connections
from simtandem.carriers.http_call import trusted

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request once it may, and knows its connections by the order they were made in."""

    def __init__(self) -> None:
        self.used: list[int] = []
        self.open: set[int] = set()
        self.made = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.changed = asyncio.Condition()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.made = self.made + 1
        await self._note(self.open.add, number)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await self._note(self.used.append, number)
                await self.may_answer.wait()
                writer.write(ANSWER)
        await self._note(self.open.discard, number)
        writer.close()

    async def _note(self, change: object, number: int) -> None:
        async with self.changed:
            change(number)  # type: ignore[operator]
            self.changed.notify_all()

    async def until(self, requests: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.used) >= requests)

    async def until_open(self, connections: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.open) == connections)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server()
    listening = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield running
    listening.close()


@asynccontextmanager
async def connected(server: Server, keep: int = 8) -> AsyncIterator[Connections]:
    http = Connections(keep=keep, base_url=server.url, verify=trusted(server.url), trust_env=False)
    try:
        yield http
    finally:
        await http.aclose()


async def call(http: httpx.AsyncClient) -> bytes:
    response = await http.send(http.build_request("GET", "/"), stream=True)
    try:
        return b"".join([piece async for piece in response.aiter_raw()])
    finally:
        await response.aclose()
        await response.aclose()  # its connection is not free twice


async def side_by_side(http: Connections, server: Server, calls: int) -> None:
    server.may_answer.clear()
    tasks = [asyncio.create_task(call(http)) for _ in range(calls)]
    await server.until(len(server.used) + calls)
    server.may_answer.set()
    assert await asyncio.gather(*tasks) == [b"ok"] * calls


async def test_calls_one_after_another_share_a_connection(server: Server) -> None:
    async with connected(server) as http:
        assert [await call(http) for _ in range(3)] == [b"ok"] * 3
        assert (await http.get("/")).text == "ok"
    assert server.used == [1, 1, 1, 1]


async def test_calls_side_by_side_have_one_each_and_keep_them(server: Server) -> None:
    async with connected(server) as http:
        await side_by_side(http, server, 3)
        await side_by_side(http, server, 3)
        assert sorted(server.used) == [1, 1, 2, 2, 3, 3]
    await server.until_open(0)


async def test_no_more_stay_open_than_are_to_be_kept(server: Server) -> None:
    async with connected(server, keep=1) as http:
        await side_by_side(http, server, 3)
        await server.until_open(1)
        await call(http)
    assert server.made == 3


async def test_a_call_that_is_cut_off_is_in_the_way_of_none(server: Server) -> None:
    async with connected(server) as http:
        server.may_answer.clear()
        cut_off = asyncio.create_task(call(http))
        await server.until(1)
        cut_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut_off
        server.may_answer.set()
        assert await call(http) == b"ok"
        assert server.used == [1, 2], "what comes on the first one is an answer to nobody"


async def test_a_transport_that_is_given_takes_every_call() -> None:
    given = httpx.MockTransport(lambda request: httpx.Response(200, text=request.url.path))
    async with Connections(keep=1, transport=given, base_url="http://carrier.test") as http:
        assert [(await http.get(path)).text for path in ("/a", "/b")] == ["/a", "/b"]
