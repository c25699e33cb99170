"""A carrier's rules for a device: which moves are legal, and which half goes first. Pure.

Every adapter brings a `Lifecycle` of its own.
"""

from dataclasses import dataclass
from typing import Protocol

from schemas.statuses import EndpointStatus, Half, SimStatus, Target


@dataclass(frozen=True, slots=True)
class Move:
    """The way from where a device is to where it should be.

    `first` is the half that must be changed before the other. `refusal` is set where there is no allowed way; it is a
    sentence that names the legal one.
    """

    sim_after: SimStatus | None = None
    endpoint_after: EndpointStatus | None = None
    first: Half | None = None
    refusal: str = ""


Pair = tuple[SimStatus | None, EndpointStatus | None]
"""The statuses of a device's halves; None where that half does not exist."""


class Lifecycle(Protocol):
    """A carrier's rules: which moves are legal, and in which order a pair's halves go. Pure."""

    bulk_endpoints: int
    """How many endpoints one call can change."""

    def move(self, sim: SimStatus | None, endpoint: EndpointStatus | None, target: Target | None) -> Move:
        """The way for a device in this state; `None` where that half does not exist.

        Without a `target` both halves stay as they are; refused is then what must not be touched at all.
        """
        ...

    def restore(self, left: Pair, was: Pair) -> Move:
        """The way back from where a run left a device to exactly where it `was`, which need not be any target.

        Refused where a step is not legal, or where the device would be charged again.
        """
        ...

    def free_to_put_back(self, sim: SimStatus, endpoint_before: EndpointStatus) -> bool:
        """Whether an endpoint changed for a SIM that then stayed `sim` may return to `endpoint_before` at no cost."""
        ...
