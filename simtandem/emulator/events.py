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
    SIM_REGISTRATION = 48
    SIM_RELEASED = 50
    SIM_ASSIGNED = 51
    RESET_CONNECTIVITY = 68


class Source(IntEnum):
    """Who caused an event. Clicks in the portal are API as well."""

    NETWORK = 0
    POLICY_CONTROL = 1
    API = 2

    @property
    def words(self) -> str:
        """The source's description."""
        return ("Network", "Policy Control", "API")[self]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `at` is in epoch seconds, `kind` the number of a type that may be in no catalogue.

    What it says of the endpoint is how that was then.
    """

    id: int
    at: float
    kind: int
    words: str
    source: Source
    description: str
    sim_id: int | None
    iccid: str | None
    endpoint_id: int | None
    endpoint_name: str | None
    tags: str | None
    imei: str | None
    ip_address: str | None
