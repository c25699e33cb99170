"""What a SIM and an endpoint are to the carrier, and which changes of their statuses it allows."""

from dataclasses import dataclass

from schemas.statuses import EndpointStatus, SimStatus

OWN_ORGANISATION = 4711
SERVICE_PROFILE, TARIFF_PROFILE = 398490, 414470

SIM_MOVES = frozenset(
    {
        (SimStatus.ISSUED, SimStatus.ACTIVATED),
        (SimStatus.ISSUED, SimStatus.FACTORY_TEST),
        (SimStatus.FACTORY_TEST, SimStatus.ACTIVATED),
        (SimStatus.ACTIVATED, SimStatus.SUSPENDED),
        (SimStatus.SUSPENDED, SimStatus.ACTIVATED),
    }
)
ENDPOINT_MOVES = frozenset(
    {
        (EndpointStatus.ENABLED, EndpointStatus.DISABLED),
        (EndpointStatus.DISABLED, EndpointStatus.ENABLED),
    }
)


class UnknownIdError(LookupError):
    """No SIM or endpoint has this id."""


class InUseError(ValueError):
    """A SIM and an endpoint that belong together are in each other's way."""


class MoveError(ValueError):
    """The move is not legal. `same` is true where it would not move at all."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"Status can't change from '{before}' to '{after}'.")
        self.same = before == after


@dataclass(slots=True)
class Sim:
    """A SIM. The organisations are ids; `activated_at` is in epoch seconds."""

    id: int
    iccid: str
    status: SimStatus
    endpoint_id: int | None = None
    activated_at: float | None = None
    issuer_org: int = OWN_ORGANISATION
    reseller_org: int | None = None
    customer_org: int | None = OWN_ORGANISATION


@dataclass(slots=True)
class Endpoint:
    """An endpoint. `created` and `updated` are in epoch seconds.

    Without a `name` it is called after its id, and without an `ip_address` it has the one that follows from it.
    """

    id: int
    status: EndpointStatus
    created: float
    updated: float
    sim_id: int | None = None
    name: str | None = None
    tags: str | None = None
    imei: str | None = None
    imei_lock: bool = False
    ip_address: str | None = None
    service_profile: int = SERVICE_PROFILE
    tariff_profile: int = TARIFF_PROFILE


@dataclass(frozen=True, slots=True)
class Look:
    """How one SIM or endpoint is shown otherwise than it is: keys with other values, keys left out."""

    show: dict[str, object]
    hide: frozenset[str]


@dataclass(frozen=True, slots=True)
class PairViolation:
    """A moment in which an API call left a SIM Activated while its endpoint was Disabled: paid for, and off."""

    at: float
    sim_id: int
    endpoint_id: int
    sim_before: SimStatus
