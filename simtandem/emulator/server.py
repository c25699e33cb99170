"""Starting and stopping the emulator of emnify: in a thread for tests and the demo, or while a command runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.gateway import Gateway
from simtandem.emulator.seeding import Group
from simtandem.emulator.serving import ThreadedServer, serve_until_interrupted
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN, World

Result = TypeVar("Result")


class Emulator(ThreadedServer):
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
        super().__init__(Gateway(self._world), port)

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


def serve(
    port: int,
    devices: int | Iterable[Group],
    token: str = DEFAULT_APPLICATION_TOKEN,
    on_ready: Callable[[str], None] | None = None,
    behaviour: Behaviour | None = None,
) -> None:
    """Serve until interrupted (Ctrl-C returns). `on_ready` gets the URL once it answers; port 0 picks a free one."""
    serve_until_interrupted(port, lambda: Gateway(World(devices, token=token, behaviour=behaviour)), on_ready)


__all__ = ["Emulator", "FaultKind", "FaultRule", "Group", "serve"]
