"""Serving an application on a loopback port: in a thread for tests and the demo, or for as long as a command runs."""

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

import uvicorn
from starlette.types import ASGIApp

from simtandem.emulator.wire import OpenProtocol

Result = TypeVar("Result")
_HOST = "127.0.0.1"
_IDLE_CONNECTION_S = 75  # longer than callers keep theirs: else they would now and then write into a closing one
_STOP_S = 10.0


class ThreadedServer:
    """An application in a thread of its own, from `with` to the end of the block. `url` is where it answers."""

    url: str

    def __init__(self, application: ASGIApp, port: int = 0) -> None:
        self._application = application
        self._port = port
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._socket = _listen(self._port)
        self.url = _url_of(self._socket)
        ready = threading.Event()
        self._server = _Server(self._application, ready.set)
        self._thread = threading.Thread(target=self._run, name="simtandem-emulator", daemon=True)
        self._thread.start()
        if not ready.wait(_STOP_S):
            self._socket.close()
            raise RuntimeError("the emulator did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join(_STOP_S)
            self._thread = None

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(main())

    def _in_server(self, step: Callable[[], Result]) -> Result:
        """Have something done in the serving thread, so that it sees and leaves the state whole."""
        if self._thread is None:
            return step()
        done: Future[Result] = Future()

        def run() -> None:
            try:
                done.set_result(step())
            except Exception as error:  # noqa: BLE001 - handed to the caller, who waits for it
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(_STOP_S)


def serve_until_interrupted(
    port: int, application: Callable[[], ASGIApp], on_ready: Callable[[str], None] | None = None
) -> None:
    """Make the application once the port is taken, and serve it until interrupted (Ctrl-C returns).

    `on_ready` gets the URL once it answers; port 0 picks a free one. Raises OSError where the port can't be used.
    """
    listener = _listen(port)
    made = application()
    # The fleet lives as long as the process: without it, collecting garbage takes no time even with a million SIMs.
    gc.collect()
    gc.freeze()
    server = _Server(made, lambda: on_ready(_url_of(listener)) if on_ready else None)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    def __init__(self, application: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=OpenProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_keep_alive=_IDLE_CONNECTION_S,
                timeout_graceful_shutdown=1,
            )
        )
        self._ready = ready
        self._stopped = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        """Run until stopped, by `stop` at once or by a signal within a tenth of a second."""
        signals = asyncio.create_task(super().main_loop())
        stopped = asyncio.create_task(self._stopped.wait())
        _, pending = await asyncio.wait({signals, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    def stop(self) -> None:
        """Stop now: callers that still wait for an answer find the connection closed."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._stopped.set()


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named, which socket.create_server does not do.
    # Left on, every answer that is written in two pieces would take 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
