"""The emulated account: its devices, its keys, and who may call."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.aeradmin.devices import DeviceFleet, DeviceGroup
from simtandem.emulator.aeradmin.state_change import StateChange
from simtandem.emulator.fault_rules import CallFault
from simtandem.emulator.front_door import HttpFaultRule
from simtandem.emulator.limits import SlidingWindow
from simtandem.emulator.site import Site

ACCOUNT, EMAIL = "1", "operator@example.com"
API_KEY = "emulator-api-key"


class Account(Site):
    """One account. `keys` maps each key to when it ends, in seconds since 1970; None for a key that never ends."""

    settings: AerAdminBehaviour
    fleet: DeviceFleet

    def __init__(
        self,
        devices: int | Iterable[DeviceGroup] = 0,
        *,
        account: str = ACCOUNT,
        keys: Mapping[str, float | None] | None = None,
        state_change: StateChange | None = None,
        behaviour: AerAdminBehaviour | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(behaviour or AerAdminBehaviour(), clock, sleep)
        self.account = account
        self.state_change = state_change
        self._first_keys = dict(keys or {API_KEY: None})
        self._first_devices = devices if isinstance(devices, int) else list(devices)
        self.restock()

    def restock(self) -> None:
        """Fleet and keys as they began."""
        self.keys = dict(self._first_keys)
        self.window = SlidingWindow(0, 1.0)
        self.transactions = 0
        self.refill(self._first_devices)

    def refill(self, devices: int | Iterable[DeviceGroup]) -> None:
        """Another fleet."""
        self.fleet = DeviceFleet.filled(devices, self.clock())

    def key_opens(self, key: str) -> bool:
        """Whether the key is one of the account's. One that has ended is deleted: like one that never was."""
        ends = self.keys.get(key, 0.0)
        return ends is None or self.clock() < ends

    def over_limit(self) -> bool:
        """Count a call; True where it is over the limit, and then it is not counted."""
        most, now = self.settings.calls_per_second, self.clock()
        if not most:
            return False
        self.window.limit = most
        if self.window.wait(now) > 0:
            return True
        self.window.take(now)
        return False

    def fault_from_json(self, given: dict[str, object]) -> CallFault:
        """A rule from an object with its fields. Raises ValueError or TypeError."""
        return HttpFaultRule.from_json(given)

    def fleet_summary(self) -> dict[str, Any]:
        """How many SIMs are in each state."""
        return self.fleet.summary(self.clock(), self.settings)
