"""A way to a database that can be cut: what a network does, and a server that is started again."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class CutConnection:
    """A port that leads to another one, from `with` to the end of the block."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._refuses = False
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def restart(self) -> None:
        """Close every connection, and refuse new ones until `heal`: the server is started again."""
        self._do(self._drop())

    def stall(self) -> None:
        """Let nothing through until `heal`, in either direction, and say so to nobody: the network is cut."""
        self._do(self._stop_flowing())

    def heal(self) -> None:
        """All is as before."""
        self._do(self._go_on())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _drop(self) -> None:
        self._refuses = True
        for each in self._open:
            each.transport.abort()

    async def _stop_flowing(self) -> None:
        self._flows.clear()

    async def _go_on(self) -> None:
        self._refuses = False
        self._flows.set()

    async def _end(self) -> None:
        self._server.close()
        await self._drop()
        self._flows.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        theirs, ours = await asyncio.open_connection(*self._to)
        self._open |= {writer, ours}
        pumps = [asyncio.create_task(self._pump(*each)) for each in ((reader, ours), (theirs, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for each in pumps:
            each.cancel()
        for end in (writer, ours):
            self._open.discard(end)
            end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data)
                await target.drain()
