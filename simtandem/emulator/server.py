"""Starting and stopping the emulator: in a thread for tests and the demo, or for as long as a command runs."""

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.gateway import Gateway
from simtandem.emulator.seeding import Group
from simtandem.emulator.wire import OpenProtocol
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN, World

Result = TypeVar("Result")
_HOST = "127.0.0.1"
_IDLE_CONNECTION_S = 75  # longer than callers keep theirs: else they would now and then write into a closing one
_STOP_S = 10.0


class Emulator:
    """The emulator in a thread of its own, from `with` to the end of the block.

    `devices` is a number (a mixture) or groups; `behaviour` takes the names of `behaviour.Behaviour`. `fleet` may be
    looked at from any thread; to change it, use `change`, or the fleet's readers in the serving thread will stumble.
    """

    def __init__(
        self,
        devices: int | Iterable[Group] = 0,
        *,
        token: str = DEFAULT_APPLICATION_TOKEN,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **behaviour: object,
    ) -> None:
        first = Behaviour()
        first.change(**behaviour)
        self.token = token
        self._world = World(devices, token=token, behaviour=first, clock=clock, sleep=sleep)
        self._port = port
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._socket = _listen(self._port)
        self.url = _url_of(self._socket)
        ready = threading.Event()
        self._server = _Server(self._world, ready.set)
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

    @property
    def fleet(self) -> Fleet:
        """The carrier's books, for assertions."""
        return self._world.fleet

    def stats(self, *, log: bool = False) -> dict[str, Any]:
        """What was counted; with `log`, every call under `log` as well."""
        return self._in_server(lambda: self._world.stats(log=log))

    def configure(self, **settings: object) -> None:
        """Change settings; raises ValueError for an unknown name or a wrong value."""
        self._in_server(lambda: self._world.behaviour.change(**settings))

    def inject(self, *rules: FaultRule, seed: int = 0) -> None:
        """These faults from now on, in place of those before; none, to end them."""
        self._in_server(lambda: self._world.inject(rules, seed))

    def refill(self, devices: int | Iterable[Group]) -> None:
        """Another fleet, and nothing counted yet."""
        self._in_server(lambda: self._world.refill(devices))

    def change(self, step: Callable[[Fleet], Result]) -> Result:
        """Do something to the fleet, between two calls."""
        return self._in_server(lambda: step(self._world.fleet))

    def reset(self) -> None:
        """Back to how it began: fleet, settings, no faults, nothing counted, no token valid."""
        self._in_server(self._world.reset)

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


def serve(
    port: int,
    devices: int | Iterable[Group],
    token: str = DEFAULT_APPLICATION_TOKEN,
    on_ready: Callable[[str], None] | None = None,
    behaviour: Behaviour | None = None,
) -> None:
    """Serve until interrupted (Ctrl-C returns). `on_ready` gets the URL once it answers; port 0 picks a free one."""
    listener = _listen(port)
    world = World(devices, token=token, behaviour=behaviour)
    # The fleet lives as long as the process: without it, collecting garbage takes no time even with a million SIMs.
    gc.collect()
    gc.freeze()
    server = _Server(world, lambda: on_ready(_url_of(listener)) if on_ready else None)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    def __init__(self, world: World, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                Gateway(world),
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
        """Run until told to stop, by `stop` at once or by a signal within a tenth of a second."""
        signals = asyncio.create_task(super().main_loop())
        stopped = asyncio.create_task(self._stopped.wait())
        _, pending = await asyncio.wait({signals, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    def stop(self) -> None:
        """Stop now: whoever still waits for an answer finds the connection closed."""
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


__all__ = ["Emulator", "FaultKind", "FaultRule", "Group", "serve"]
