"""Everything the emulated carrier is and remembers, in one place, so that it can be set, read and put back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.calls import PatchLog
from simtandem.emulator.event_listing import EventLog
from simtandem.emulator.faults import FaultRule, Faults
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.limits import Gate
from simtandem.emulator.listing import Listings
from simtandem.emulator.seeding import Group, build_fleet
from simtandem.emulator.tokens import Tokens

DEFAULT_APPLICATION_TOKEN = "emulator-application-token"  # noqa: S105 - opens nothing but the emulator


class World:
    """The carrier's state. Touched by one thread only, the one that serves."""

    fleet: Fleet
    listings: Listings
    events: EventLog
    faults: Faults
    gate: Gate
    tokens: Tokens
    calls: PatchLog

    def __init__(
        self,
        devices: int | Iterable[Group] = 0,
        *,
        token: str = DEFAULT_APPLICATION_TOKEN,
        behaviour: Behaviour | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self.behaviour = behaviour or Behaviour()
        self._token = token
        self._first_behaviour = replace(self.behaviour)
        self._first_devices: int | list[Group] = devices if isinstance(devices, int) else list(devices)
        self.reset()

    def reset(self) -> None:
        """Back to how it began: fleet, settings, no faults, nothing counted, no token valid."""
        self.behaviour.become(self._first_behaviour)
        self.tokens = Tokens(self._token, self.clock)
        self.gate = Gate(self.behaviour, self.clock)
        self.faults = Faults()
        self.refill(self._first_devices)

    def refill(self, devices: int | Iterable[Group]) -> None:
        """Another fleet, and nothing counted yet. Settings, faults, limits and tokens stay."""
        self.fleet = build_fleet(devices, self.clock)
        self.listings = Listings(self.fleet, self.behaviour)
        self.events = EventLog(self.fleet.events, self.behaviour)
        self.calls = PatchLog()

    def inject(self, rules: Iterable[FaultRule], seed: int = 0) -> None:
        """These faults from now on, in place of those before."""
        self.faults = Faults(rules, seed)

    def stats(self, *, log: bool = False) -> dict[str, Any]:
        """What was counted; with `log`, every call under `log` as well."""
        violations = self.fleet.pair_violations
        stats = self.calls.summary(self.behaviour.calls_window_s)
        stats["pair_violations"] = len(violations)
        stats["pair_violations_sims"] = [violation.sim_id for violation in violations[:100]]
        stats["faults"] = self.faults.fired()
        if log:
            stats["log"] = self.calls.lines()
        return stats
