"""The subscriptions of one company, and every change of their states."""

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simtandem.emulator.iot_accelerator.states import State, state_called

COMPANY, ORGANIZATION = "78000003", "3.78.3"
PACKAGE = "200200202_SP_01"
OPERATOR = "operator@example.com"
KINDS = ("ICC", "IMSI", "MSISDN")
CHANGE_STATE, BY_ITSELF = "CHANGE_SUBSCRIPTIONSTATE", "TRIGGER_ACTION"
_FIRST = 5


@dataclass(slots=True)
class Subscription:
    """A SIM. `shown_as` is a word in place of its state, for a test."""

    icc: str
    imsi: str
    msisdn: str
    state: State
    since: float
    activated_at: float | None = None
    locked: bool = False
    label: str = ""
    shown_as: str = ""

    def id_of(self, kind: str) -> str:
        """Its ICC, IMSI or MSISDN."""
        return {"ICC": self.icc, "IMSI": self.imsi, "MSISDN": self.msisdn}[kind]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a state that has happened."""

    at: float
    imsi: str
    operation: str
    by: str
    request_id: str
    state: State


@dataclass(frozen=True, slots=True)
class SubscriptionGroup:
    """`count` subscriptions alike. An ICC can be chosen for a single one only."""

    count: int = 1
    state: State = State.DEACTIVATED
    icc: str = ""
    label: str = ""
    locked: bool = False

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count must not be negative: {self.count}")
        if self.icc and self.count != 1:
            raise ValueError("an icc can be chosen for a single subscription only")

    @classmethod
    def from_json(cls, given: dict[str, object]) -> "SubscriptionGroup":
        """From an object with these fields. Raises ValueError or TypeError."""
        fields = dict(given)
        if "state" in fields:
            fields["state"] = state_called(fields["state"])
        return cls(**fields)  # type: ignore[arg-type]  # a wrong name raises TypeError, which is the promise


def mixture(devices: int) -> list[SubscriptionGroup]:
    """A mixed fleet: about half of it active; from 20 on, every state that one may set, and a locked one."""
    least = 1 if devices >= 20 else 0
    shares = {
        State.PAUSE: 200,
        State.DEACTIVATED: 200,
        State.TERMINATED: 20,
        State.ACTIVE_NO_BILLING: 20,
        State.DEACTIVATED_NO_BILLING: 20,
    }
    groups = [SubscriptionGroup(max(least, devices * share // 1000), state) for state, share in shares.items()]
    groups.append(SubscriptionGroup(least, State.PAUSE, locked=True))
    return [SubscriptionGroup(devices - sum(group.count for group in groups), State.ACTIVE), *groups]


@dataclass(slots=True)
class Inventory:
    """All subscriptions. Numbers rise in the order given: the same inventory each time."""

    subscriptions: list[Subscription] = field(default_factory=list)
    by_id: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    _sorted: dict[str, list[Subscription]] = field(default_factory=dict)

    @classmethod
    def filled(cls, devices: int | Iterable[SubscriptionGroup], now: float) -> "Inventory":
        """A mixture of so many subscriptions, or exactly these groups."""
        inventory, number = cls(), _FIRST
        for group in mixture(devices) if isinstance(devices, int) else devices:
            for _ in range(group.count):
                inventory.add(number, group, now)
                number += 1
        return inventory

    def add(self, number: int, group: SubscriptionGroup, now: float) -> Subscription:
        """One more subscription, numbered as the samples are: the ICC is the IMSI with 99987 before it."""
        imsi = f"100783{number:09d}"
        activated = None if group.state in (State.NEW, State.DEACTIVATED) else now
        new = Subscription(
            group.icc or f"99987{imsi}",
            imsi,
            f"200783{number:09d}",
            group.state,
            now,
            activated,
            group.locked,
            group.label,
        )
        self.subscriptions.append(new)
        self._sorted.clear()
        for kind in KINDS:
            self.by_id[kind, new.id_of(kind)] = new
        return new

    def after(self, kind: str, cursor: str) -> Iterable[Subscription]:
        """Those behind the one with this ICC, IMSI or MSISDN, in the order of that number; no cursor: all."""

        def number(each: Subscription) -> str:
            return each.id_of(kind)

        ordered = self._sorted.setdefault(kind, [])
        if not ordered:
            ordered.extend(sorted(self.subscriptions, key=number))
        return itertools.islice(ordered, bisect.bisect_right(ordered, cursor, key=number), None)

    def enter(
        self,
        subscription: Subscription,
        state: State,
        now: float,
        *,
        by: str,
        request_id: str = "",
        operation: str = "",
    ) -> None:
        """Let a subscription be in this state from now on, and remember the change."""
        if state is subscription.state:
            return
        subscription.state, subscription.since = state, now
        if state is State.ACTIVE and subscription.activated_at is None:
            subscription.activated_at = now
        self.changes.append(Change(now, subscription.imsi, operation or CHANGE_STATE, by, request_id, state))

    def summary(self) -> dict[str, Any]:
        """How many subscriptions are in each state."""
        states = dict.fromkeys(State, 0)
        for subscription in self.subscriptions:
            states[subscription.state] += 1
        return {"subscriptions": len(self.subscriptions), "states": states}
