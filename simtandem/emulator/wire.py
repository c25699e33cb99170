"""One caller's connection, below HTTP: answering properly, and the ways of not doing so."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "simtandem.transport"


class OpenProtocol(H11Protocol):
    """uvicorn's HTTP, with the transport handed on to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let every request of this connection carry its transport."""
        super().connection_made(transport)
        application = cast("Callable[[Scope, Receive, Send], Awaitable[None]]", self.app)

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_TRANSPORT] = transport
            await application(scope, receive, send)

        self.app = cast("Any", with_transport)


async def read_body(receive: Receive) -> bytes | None:
    """The whole body of a request; None if the caller went away before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes) -> Receive:
    """A `receive` that has this body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has come in completely."""

    method: str
    path: str
    scope: Scope
    body: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """The way back to the caller of one request, whose body has been read. One of the methods ends the request."""

    scope: Scope
    receive: Receive
    send: Send

    async def reply(self, response: Response) -> int:
        """Send the answer; returns its status."""
        await response(self.scope, self.receive, self.send)
        return response.status_code

    async def break_off(self, response: Response) -> int:
        """Send the headers and half the body, then close; returns the status."""
        body = bytes(response.body)
        await self.send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        return await self.close(response.status_code)

    async def close(self, status: int = 0) -> int:
        """Close the connection after what was sent so far; returns `status`."""
        self._transport.close()
        await self._gone()
        return status

    async def reset(self) -> int:
        """Reset the connection; returns 0."""
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None:
            # Lingering for no time is what makes the kernel send a reset in place of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self._gone()
        return 0

    async def hang(self, seconds: float) -> bool:
        """Let the caller wait; returns whether it is still there."""
        try:
            async with asyncio.timeout(seconds):
                await self._gone()
        except TimeoutError:
            return True
        return False

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.scope[_TRANSPORT]
        return transport

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
