"""What the carrier writes in its event log, with its numbers and words."""

from dataclasses import dataclass
from enum import IntEnum

DAYS_KEPT = 30


class EventType(IntEnum):
    """The carrier's event types, as far as this emulator makes them."""

    GENERIC = 0
    SIM_ACTIVATION = 8
    SIM_SUSPENSION = 9
    SIM_DELETION = 10
    ENDPOINT_ENABLED = 42
    ENDPOINT_DISABLED = 43
    SIM_FACTORY_TEST = 45

    @property
    def words(self) -> str:
        """The type's description."""
        return _WORDS[self]


class Source(IntEnum):
    """Who caused an event. Clicks in the portal are API as well."""

    NETWORK = 0
    POLICY_CONTROL = 1
    API = 2

    @property
    def words(self) -> str:
        """The source's description."""
        return ("Network", "Policy Control", "API")[self]


_WORDS = {
    EventType.GENERIC: "Generic",
    EventType.SIM_ACTIVATION: "SIM activation",
    EventType.SIM_SUSPENSION: "SIM suspension",
    EventType.SIM_DELETION: "SIM deletion",
    EventType.ENDPOINT_ENABLED: "Endpoint enabled",
    EventType.ENDPOINT_DISABLED: "Endpoint disabled",
    EventType.SIM_FACTORY_TEST: "SIM factory test",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `at` is in epoch seconds."""

    id: int
    at: float
    kind: EventType
    source: Source
    description: str
    sim_id: int | None
    iccid: str | None
    endpoint_id: int | None
    endpoint_name: str | None
