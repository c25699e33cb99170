"""Which of a carrier's events say that a device has changed, by the numbers of their types. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from schemas.statuses import Half


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMoves:
    """`statuses`: types that say a half has a new status, with that half and status.

    `released` and `assigned` are the types that say a SIM was taken from an endpoint, or given to one; None where the
    carrier has no such event. `kept` is how long the carrier keeps its events.
    """

    statuses: Mapping[int, tuple[Half, str]] = field(default_factory=dict)
    released: int | None = None
    assigned: int | None = None
    kept: timedelta = timedelta(days=30)

    @property
    def pairs(self) -> tuple[int, ...]:
        """The types that say a SIM has another endpoint, or none."""
        return tuple(each for each in (self.released, self.assigned) if each is not None)

    def into(self, statuses: Collection[str]) -> list[int]:
        """The types of events that show a SIM's move to one of these statuses."""
        return [number for number, (half, after) in self.statuses.items() if half is Half.SIM and after in statuses]
