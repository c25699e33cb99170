"""What a hostile or broken carrier sends, on a real socket: it ends as an answer that can't be used, soon and small."""

import asyncio
import contextlib
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from simtandem.carriers.emnify import paging, patience
from simtandem.carriers.emnify import transport as wire
from simtandem.carriers.emnify.client import Account, Emnify, Wire
from simtandem.carriers.emnify.paging import ENDPOINTS, Route, read_page, read_rest
from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.carriers.emnify.transport import retry_after
from simtandem.carriers.response_body import OF_AN_ITEM, Unusable, parse
from simtandem.errors import AuthenticationFailed, CarrierUnavailable
from tests.simtandem.carriers.emnify.rig import (
    APPLICATION_TOKEN,
    BEARER,
    NO_CERTIFICATES,
    MemoryJournal,
    QuickTime,
    Rig,
    get,
    logged_in,
    scripted,
)

ITEM = b'{"id": 1, "iccid": "8988303000000000001", "status": {"id": 1}}'
Send = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


class RawCarrier:
    """Lets everybody in, and lets `send` write the bytes of every other answer. Keeps the heads of the requests."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.heads: list[bytes] = []
        self.serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving[writer] = task
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")]
                await reader.readexactly(int(length[0]) if length else 0)
                if b"/authenticate" in head:
                    await answer(json.dumps({"auth_token": BEARER}).encode())(writer)
                    continue
                await self._send(writer)
                break
        writer.close()


@asynccontextmanager
async def facing(home: Path, send: Send) -> AsyncIterator[tuple[Rig, RawCarrier]]:
    carrier = RawCarrier(send)
    server = await asyncio.start_server(carrier.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, verify=NO_CERTIFICATES) as http:
        rig = Rig(home, http, APPLICATION_TOKEN)
        yield rig, carrier
        rig.budget.close()
    server.close()
    for writer, task in carrier.serving.items():
        writer.transport.abort()
        task.cancel()
    await asyncio.gather(*carrier.serving.values(), return_exceptions=True)
    await asyncio.sleep(0)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Send:
    async def send(writer: asyncio.StreamWriter) -> None:
        head = b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers])
        writer.write(head + b"\r\n\r\n" + body)
        await writer.drain()

    return send


def chunks(chunk: bytes, *headers: bytes) -> Send:
    """A body without end."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers]) + b"\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
            await asyncio.sleep(0)

    return send


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)


def bomb(wbits: int) -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return pack.compress(b" " * (64 << 20)) + pack.flush()


BOMBS = {"gzip": bomb(31), "deflate": bomb(15), "x-gzip": bomb(31), "Deflate ": bomb(-15)}
HOSTILE: dict[str, Send] = {
    **{f"{kind.strip()} bomb": answer(data, b"Content-Encoding: " + kind.encode()) for kind, data in BOMBS.items()},
    "brotli, not asked for": answer(ITEM, b"Content-Encoding: br"),
    "zstd, not asked for": answer(ITEM, b"Content-Encoding: zstd"),
    "gzip in gzip": answer(gzip.compress(gzip.compress(ITEM)), b"Content-Encoding: gzip, gzip"),
    "gzip cut short": answer(gzip.compress(ITEM)[:-6], b"Content-Encoding: gzip"),
    "gzip that is none": answer(ITEM, b"Content-Encoding: gzip"),
    "gzip with more behind it": answer(gzip.compress(ITEM) + b"more", b"Content-Encoding: gzip"),
    "chunks without end": chunks(b"x" * 60_000),
    "packed chunks without end": chunks(b"\x00" * 60_000, b"Content-Encoding: gzip"),
    "headers without end": endless_headers,
    "larger than said to be read": answer(b" " * (OF_AN_ITEM + 1)),
    "trailing garbage": answer(ITEM + b"}garbage"),
    "two values": answer(ITEM + ITEM),
    "deep nesting": answer(b'{"a":' * 100_000),
    "a page of HTML": answer(b"<html>Welcome</html>", b"Content-Type: text/html"),
    "bytes that are no text": answer(b"\xff\xfe\xfd{}"),
    "nothing": answer(b""),
    "a lone number": answer(b"1"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_answer_can_not_be_used_and_costs_little(tmp_path: Path, kind: str) -> None:
    async with facing(tmp_path, HOSTILE[kind]) as (rig, carrier):
        await rig.transport.tokens.current()
        tracemalloc.start()
        try:
            with pytest.raises(CarrierUnavailable) as failed:
                await get(rig)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert failed.value.exit_code == 4
    assert most < 24 << 20
    assert len(carrier.heads) == 1 + wire.ATTEMPTS
    assert [call.purpose for call in rig.journal.calls].count("read") == wire.ATTEMPTS
    assert rig.journal.unanswered() == []


@pytest.mark.parametrize(
    "send",
    [
        answer(gzip.compress(ITEM), b"Content-Encoding: gzip"),
        answer(zlib.compress(ITEM), b"Content-Encoding: deflate"),
        answer(zlib.compress(ITEM)[2:-4], b"Content-Encoding: deflate"),
        answer(ITEM, b"Content-Encoding: identity", b"Content-Type: text/plain"),
        answer(b"\xef\xbb\xbf" + ITEM),
    ],
)
async def test_an_answer_is_read_however_it_is_wrapped(tmp_path: Path, send: Send) -> None:
    async with facing(tmp_path, send) as (rig, _):
        assert await get(rig) is Kind.OK


async def test_a_body_of_a_byte_a_while_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert patience.ONE_WITHIN_S <= 30
    monkeypatch.setattr(wire, "ONE_WITHIN_S", 0.05)
    async with facing(tmp_path, drip) as (rig, _):
        with pytest.raises(CarrierUnavailable):
            await get(rig)


async def test_a_large_error_page_still_says_what_its_status_says(tmp_path: Path) -> None:
    async with facing(tmp_path, answer(b"<p>" * OF_AN_ITEM, status=b"403 Forbidden")) as (rig, _):
        assert await get(rig) is Kind.FORBIDDEN


@pytest.mark.parametrize(
    "place", ["http://elsewhere.test/steal", "//[", "http://x:99999999/", "javascript:alert(1)", "\u00e9"]
)
async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(tmp_path: Path, place: str) -> None:
    asked: list[str] = []

    def carrier(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.path.endswith("authenticate"):
            return logged_in()
        return httpx.Response(307, headers=[(b"Location", place.encode())])

    async with scripted(tmp_path, carrier) as rig:
        with contextlib.suppress(CarrierUnavailable):
            assert await get(rig) is Kind.FORBIDDEN
    assert {httpx.URL(url).host for url in asked} == {"carrier.test"}


async def test_cookies_are_neither_kept_nor_sent(tmp_path: Path) -> None:
    server_saw: list[str] = []

    def carrier(request: httpx.Request) -> httpx.Response:
        server_saw.append(request.headers.get("Cookie", "") + request.headers["Accept-Encoding"])
        if request.url.path.endswith("authenticate"):
            return httpx.Response(200, json={"auth_token": BEARER}, headers={"Set-Cookie": "a=" + "x" * 4000})
        return httpx.Response(200, json=[], headers={"X-Total-Count": "0", "X-Total-Pages": "1", "Set-Cookie": "b=1"})

    account = Account("https://carrier.test", APPLICATION_TOKEN, 2000, 300.0, 8, tmp_path)
    async with Emnify(account, MemoryJournal(), wire_of(carrier, tmp_path)) as client:
        await client.list_fleet()
    assert set(server_saw) == {"gzip, deflate"}


def wire_of(handler: Callable[[httpx.Request], httpx.Response], folder: Path) -> Wire:
    time_ = QuickTime()
    return Wire(httpx.MockTransport(handler), clock=time_.clock, sleep=time_.sleep, notes=folder)


async def test_a_listing_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(range(1, 1_000_000))

    def carrier(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("authenticate"):
            return logged_in()
        headers = {"X-Total-Pages": "999999999"} if request.url.params.get("per_page") == "7" else {}
        return httpx.Response(200, json=[{"id": next(ids)}], headers=headers)

    monkeypatch.setattr(paging, "_MOST_PAGES", 40)
    for per_page in (7, 8):
        route = wire_route(per_page)
        async with scripted(tmp_path / str(per_page), carrier) as rig:
            with pytest.raises(CarrierUnavailable, match="it continues") as failed:
                await read_rest(rig.transport, route, await read_page(rig.transport, route, 1))
        assert failed.value.exit_code == 4


def wire_route(per_page: int) -> Route:
    return replace(ENDPOINTS, per_page=per_page)


@pytest.mark.parametrize(
    "token", ["", "a b", "a\r\nX-Evil: 1", "\u00fcber", "x" * 20_000, 7, None, ["x"], {"a": 1}, "\ud800", "a\0b"]
)
async def test_a_bearer_token_that_can_not_stand_in_a_header_is_no_login(tmp_path: Path, token: object) -> None:
    def carrier(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=json.dumps({"auth_token": token}).encode())

    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed):
            await rig.transport.tokens.current()
    assert len(rig.journal.calls) == 1


@pytest.mark.parametrize(
    "text", ["²", "1e309", "nan", "9" * 400, "Wed, 21 Oct 99999999999999999999 07:28:00 GMT", "\u0663"]
)
def test_a_strange_retry_after_is_survived(text: str) -> None:
    wait = retry_after(httpx.Headers([(b"Retry-After", text.encode())]))
    assert wait is None or 0 <= wait <= 1e9


def test_what_is_no_number_or_far_too_long_costs_the_value_alone() -> None:
    body = b'[{"id": NaN}, {"id": -Infinity}, {"id": 1%s}, {"id": 1e999}, {"id": 5}]' % (b"0" * 5000)
    assert str(parse(body)) == "[{'id': nan}, {'id': nan}, {'id': nan}, {'id': inf}, {'id': 5}]"


def test_halves_of_surrogate_pairs_become_text() -> None:
    body = rb'{"\ud800": ["\udc00x", {"a": "\ud83d\ude00"}], "b": "\ud83d"}'
    value = parse(body)
    assert json.dumps(value, ensure_ascii=False).encode()
    assert value == {"\ufffd": ["\ufffdx", {"a": "\U0001f600"}], "b": "\ufffd"}


def test_the_worst_body_that_is_read_keeps_the_loop_busy_for_a_moment_only() -> None:
    worst = b"[" + b"{}," * 490_000 + b"{}]"
    begun = time.process_time()
    assert isinstance(parse(worst), list)
    assert time.process_time() - begun < 5, "bounded, on a loaded machine as well"
    with pytest.raises(Unusable):
        parse(b"[" + b"{}," * 900_000 + b"{}]")
