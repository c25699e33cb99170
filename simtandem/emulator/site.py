"""What an emulated carrier is and remembers, whichever it is: settings, faults, calls, a clock; and putting it back."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from starlette.types import ASGIApp

from simtandem.emulator.adjustable import Adjustable
from simtandem.emulator.calls import CallLog
from simtandem.emulator.fault_rules import CallFault, PickedFaults
from simtandem.emulator.serving import ThreadedServer

SettingsType = TypeVar("SettingsType", bound=Adjustable)
SiteType = TypeVar("SiteType", bound="Site")
Result = TypeVar("Result")

WINDOWS_S = {"second": 1.0, "minute": 60.0}


class Site(ABC):
    """The carrier's state. Touched by one thread only, the one that serves.

    `settings` has `latency_s`. `clock` is seconds since 1970; a test may hand in its own.
    """

    settings: Any
    faults: PickedFaults[Any]
    calls: CallLog

    def __init__(
        self,
        settings: Adjustable,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.sleep = sleep
        self._first_settings: Any = replace(settings)  # type: ignore[type-var]  # its classes are dataclasses
        self.faults = PickedFaults()
        self.calls = CallLog()

    def reset(self) -> None:
        """Back to how it began: fleet, settings, no faults, nothing counted, nobody logged in."""
        self.settings.become(self._first_settings)
        self.faults = PickedFaults()
        self.calls = CallLog()
        self.restock()

    @abstractmethod
    def restock(self) -> None:
        """The fleet as it began."""

    @abstractmethod
    def fault_from_json(self, given: dict[str, object]) -> CallFault:
        """A rule from an object with its fields. Raises ValueError or TypeError."""

    @abstractmethod
    def fleet_summary(self) -> dict[str, Any]:
        """How many devices there are, and in which states."""

    def inject(self, rules: Iterable[CallFault], seed: int = 0) -> None:
        """These faults from now on, in place of those before."""
        self.faults = PickedFaults(rules, seed)

    def stats(self, *, log: bool = False) -> dict[str, Any]:
        """What was counted; with `log`, every call under `log` as well, as `[time, route, status]`."""
        stats = self.calls.summary(WINDOWS_S["minute"])
        del stats["most_calls_in_window"]
        stats["most_calls_in"] = {name: self.calls.most_in_any(seconds) for name, seconds in WINDOWS_S.items()}
        stats["faults"] = self.faults.fired()
        if log:
            stats["log"] = self.calls.lines()
        return stats


class SiteServer(ThreadedServer, Generic[SiteType]):
    """An emulated carrier in a thread of its own, from `with` to the end of the block. `url` is where it answers."""

    def __init__(self, site: SiteType, application: ASGIApp, port: int = 0) -> None:
        super().__init__(application, port)
        self._site = site

    def stats(self, *, log: bool = False) -> dict[str, Any]:
        """What was counted: calls by route and status, the most at once, the most in any second and minute, faults."""
        return self._in_server(lambda: self._site.stats(log=log))

    def configure(self, **settings: object) -> None:
        """Change settings; raises ValueError for an unknown name or a wrong value."""
        self._in_server(lambda: self._site.settings.change(**settings))

    def inject(self, *rules: CallFault, seed: int = 0) -> None:
        """These faults from now on, in place of those before; none, to end them."""
        self._in_server(lambda: self._site.inject(rules, seed))

    def change(self, step: Callable[[SiteType], Result]) -> Result:
        """Do something to the carrier's state, between two calls; also the way to read it safely."""
        return self._in_server(lambda: step(self._site))

    def reset(self) -> None:
        """Back to how it began: fleet, settings, no faults, nothing counted, nobody logged in."""
        self._in_server(self._site.reset)
