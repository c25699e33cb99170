"""The connections of one account to its carrier: a client each, so that a call costs as much beside many as alone.

A pool looks at every connection it has whenever a call begins and whenever one ends, with several system calls each.
Beside seven others that is a sixth of what a call takes of this process.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import httpx


class Connections(httpx.AsyncClient):
    """An `httpx.AsyncClient` of these options. A call takes the connection that was used last of those that are free.

    At most `keep` that are free stay open. A `transport` of the caller's takes all calls as it likes.
    """

    def __init__(self, *, keep: int, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> None:
        if transport is None and options.get("verify", True) is True:
            options["verify"] = httpx.create_ssl_context()  # once for all of them: it takes long
        super().__init__(transport=transport, **options)
        self._alone = transport is not None
        self._options = options
        self._keep = keep
        self._free: list[httpx.AsyncClient] = []

    async def send(self, request: httpx.Request, *, stream: bool = False, **how: Any) -> httpx.Response:
        """See httpx. What is streamed has its connection until it is closed."""
        if self._alone:
            return await super().send(request, stream=stream, **how)
        client = self._free.pop() if self._free else httpx.AsyncClient(**self._options, limits=_ONE)
        try:
            response = await client.send(request, stream=stream, **how)
        except BaseException:
            await self._put_back(client)
            raise
        if stream:
            body = cast("httpx.AsyncByteStream", response.stream)
            response.stream = _Streamed(body, lambda: self._put_back(client))
        else:
            await self._put_back(client)
        return response

    async def aclose(self) -> None:
        """Close all of them."""
        while self._free:
            await self._free.pop().aclose()
        await super().aclose()

    async def _put_back(self, client: httpx.AsyncClient) -> None:
        if len(self._free) < self._keep and not self.is_closed:
            self._free.append(client)
        else:
            await client.aclose()


_ONE = httpx.Limits(max_connections=None, max_keepalive_connections=1)
"""For a client that has one call at a time: one that was cut off may still have a connection."""


class _Streamed(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, ended: Callable[[], Awaitable[None]]) -> None:
        self._stream, self._ended = stream, ended

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        """Its connection is free again, once however often it is closed."""
        try:
            await self._stream.aclose()
        finally:
            ended, self._ended = self._ended, _nothing
            await ended()


async def _nothing() -> None:
    """It was closed before."""
