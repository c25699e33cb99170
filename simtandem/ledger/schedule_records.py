"""What the ledger says of files that arrived and of what they schedule."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from schemas.accounts import DEFAULT
from simtandem.text.escaping import visible

SCHEDULE_ROWS = pl.Schema(
    {
        "row": pl.Int64(),
        "sim_id": pl.String(),
        "endpoint_id": pl.String(),
        "iccid": pl.String(),
        "desired": pl.String(),
        "same_as": pl.Int64(),
        "own": pl.String(),
    }
)


class ScheduleState(StrEnum):
    """How far a schedule is. Its newest event counts."""

    SCHEDULED = "scheduled"
    DUE = "due"  # started by a run, which may still be at work or may have been killed
    FAILED = "failed"  # that run could not do it (an outage, a kill); it is still due
    APPLIED = "applied"  # that run came to its end; its report says what became of each device
    STOPPED = "stopped"  # that run was stopped by a person; nothing continues automatically
    REFUSED = "refused"  # a safety limit, or a person asked for approval, said no; nothing was sent
    LEFT_OUT = "left_out"  # no row is carried out: overtaken, contradicted or overdue; each says why
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self in _OPEN


_OPEN = frozenset({ScheduleState.SCHEDULED, ScheduleState.DUE, ScheduleState.FAILED})


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as it lay in an inbox. `inbox` is empty, and nothing is to be moved, where a command brought it.

    Files from an inbox that is a folder called `urgent` are urgent.
    """

    inbox: str
    name: str
    size: int
    modified: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that was taken. `reason` says why nothing of it can be used; empty where something can.

    `shelf_name` is what it is called in `processed/` or `refused/`.
    """

    arrival_id: str
    file: FileVersion
    taken_at: datetime
    shelf_name: str
    rows: int
    rejected: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """Rows of a file that become effective together; `rows` has the columns of `SCHEDULE_ROWS`.

    With `where`, only the devices that it selects when it is due; without rows, all those, which are to get `to`.
    """

    schedule_id: str
    effective_at: datetime
    rows: pl.DataFrame
    where: str = ""
    to: str = ""

    @property
    def wishes(self) -> dict[str, int]:
        """How many devices are to get each status; 0 for that of all that will be selected."""
        if self.to:
            return {self.to: 0}
        kept = self.rows.filter(pl.col("same_as").is_null())
        return dict(kept["desired"].value_counts().sort("desired").iter_rows())


@dataclass(frozen=True, slots=True)
class Schedule:
    """What of a file becomes effective at one moment, and where it is after `events` events."""

    schedule_id: str
    arrival_id: str
    file: str
    sha256: str
    taken_at: datetime
    effective_at: datetime
    rows: int
    wishes: Mapping[str, int]
    state: ScheduleState
    state_at: datetime
    events: int
    run_id: str | None
    detail: str
    account: str = DEFAULT
    urgent: bool = False
    where: str = ""

    @property
    def told(self) -> str:
        """What it does, in words: `1,250 activated, 3 suspended`, `suspended where tag = 'summer'`."""
        counted = ", ".join(f"{count:,} {wish}" if self.rows else wish for wish, count in self.wishes.items())
        return f"{counted} where {visible(' '.join(self.where.split()))}" if self.where else counted

    @property
    def target(self) -> str:
        """The status for all that will be selected; empty where rows name devices and statuses."""
        return "" if self.rows else next(iter(self.wishes), "")


def as_json(wishes: Mapping[str, int]) -> str:
    """Counts as the ledger keeps them."""
    return json.dumps(dict(wishes))
