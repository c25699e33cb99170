"""Calls to a carrier that is an application in this very process: no socket, no network, nothing that takes time.

An adapter is given this in place of its connections, so that a run can be rehearsed on an emulator.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import httpx

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI application."""

CONNECTION = "simtandem.transport"
"""Where in its scope a request has its connection: ending that ends the request without an answer."""


class Connection:
    """The caller's side of one request, as the application may end it."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def close(self) -> None:
        """Answer nothing more."""
        self.gone.set()

    abort = close

    def get_extra_info(self, _name: str) -> None:
        """There is no socket."""


class InProcess(httpx.AsyncBaseTransport):
    """Hands each request to `application`, and what it answers back."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises `httpx.RemoteProtocolError` where the connection ended before the answer."""
        exchange = _Exchange(await request.aread())
        await self._serve(request, exchange)
        if exchange.response is None or not exchange.whole:
            raise httpx.RemoteProtocolError("The connection was closed before the answer was whole.", request=request)
        start = exchange.response
        return httpx.Response(start["status"], headers=start["headers"], content=bytes(exchange.content))

    async def _serve(self, request: httpx.Request, exchange: "_Exchange") -> None:
        url = request.url
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port),
            "client": ("127.0.0.1", 1),
            CONNECTION: exchange.connection,
        }
        serving = asyncio.ensure_future(self._application(scope, exchange.receive, exchange.send))
        try:
            await serving
        finally:
            exchange.connection.close()
            if not serving.done():
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving


class _Exchange:
    """A request's body on its way there, its answer on its way back."""

    def __init__(self, body: bytes) -> None:
        self.connection = Connection()
        self.response: Message | None = None
        self.content = bytearray()
        self.whole = False
        self._body: bytes | None = body

    async def receive(self) -> Message:
        """The body first; then, once the connection has ended, that."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.connection.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if self.connection.gone.is_set():
            return
        if message["type"] == "http.response.start":
            self.response = message
        else:
            self.content += message.get("body", b"")
            self.whole = not message.get("more_body", False)
