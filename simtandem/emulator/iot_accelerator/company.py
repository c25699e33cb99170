"""Everything the emulated platform is and remembers about the one company that it serves."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from simtandem.emulator.fault_rules import CallFault
from simtandem.emulator.front_door import HttpFault, HttpFaultRule
from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.change_feed import ChangeFeed
from simtandem.emulator.iot_accelerator.logins import Logins
from simtandem.emulator.iot_accelerator.rates import Rates
from simtandem.emulator.iot_accelerator.subscriptions import Inventory, SubscriptionGroup
from simtandem.emulator.iot_accelerator.tickets import Tickets, Trouble
from simtandem.emulator.site import Site


class TicketFault(StrEnum):
    """How a request to change states can go wrong, beside what any call can meet."""

    LOST_TICKET = "lost_ticket"  # carried out, but polling and finding don't know the id
    SLOW_TICKET = "slow_ticket"  # it takes `seconds` longer
    REJECTED_TICKET = "rejected_ticket"  # accepted, then rejected as a whole
    FAILED_SIMS = "failed_sims"  # the subscriptions in `ids` fail, with `reason`; none named: every other one
    REVOKED = "revoked"  # every token is revoked; this call is the first to learn of it


@dataclass(slots=True)
class IotFaultRule(HttpFaultRule):
    """Which calls, and what happens to them: as `HttpFaultRule` says, and `ids` and `reason` of `failed_sims`."""

    ids: tuple[str, ...] = ()
    reason: str = "Emulator: failed as configured."
    kinds: ClassVar[tuple[type[StrEnum], ...]] = (HttpFault, TicketFault)

    def __post_init__(self) -> None:
        self.ids = tuple(map(str, self.ids))
        HttpFaultRule.__post_init__(self)

    def trouble(self, identifiers: list[str]) -> Trouble:
        """What it does to a request for these subscriptions."""
        failing = self.ids or tuple(identifiers[::2])
        return Trouble(
            slow_s=self.seconds if self.kind == TicketFault.SLOW_TICKET else 0.0,
            lost=self.kind == TicketFault.LOST_TICKET,
            rejected=self.kind == TicketFault.REJECTED_TICKET,
            failing=frozenset(failing) if self.kind == TicketFault.FAILED_SIMS else frozenset(),
            reason=self.reason,
        )


class Company(Site):
    """One company of the platform, with its user."""

    settings: IotAcceleratorBehaviour

    def __init__(
        self,
        devices: int | Iterable[SubscriptionGroup] = 0,
        *,
        behaviour: IotAcceleratorBehaviour | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(behaviour or IotAcceleratorBehaviour(), clock, sleep)
        self._first_devices = devices if isinstance(devices, int) else list(devices)
        self.restock()

    def restock(self) -> None:
        """Inventory, limits and tokens as they began."""
        self.logins = Logins(self.settings, self.clock)
        self.rates = Rates(self.settings)
        self.refill(self._first_devices)

    def refill(self, devices: int | Iterable[SubscriptionGroup]) -> None:
        """Other subscriptions, and no request of before."""
        self.inventory = Inventory.filled(devices, self.clock())
        self.tickets = Tickets(self.inventory, self.settings)
        self.feed = ChangeFeed(self.inventory, self.settings)

    def pass_time(self) -> float:
        """Carry out what is due by now; returns now."""
        now = self.clock()
        self.tickets.pass_time(now)
        return now

    def stats(self, *, log: bool = False) -> dict[str, Any]:
        """What was counted, also by kind of path, as the limits are."""
        return super().stats(log=log) | {"most_calls_by_limit": self.rates.most()}

    def fault_from_json(self, given: dict[str, object]) -> CallFault:
        """A rule from an object with its fields. Raises ValueError or TypeError."""
        return IotFaultRule.from_json(given)

    def fleet_summary(self) -> dict[str, Any]:
        """How many subscriptions are in each state."""
        self.pass_time()
        return self.inventory.summary()
