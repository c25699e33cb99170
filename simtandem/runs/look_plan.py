"""Which devices need a fresh look before something is sent, how old a look may be, and what looks cost."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.plan import changes_owners
from simtandem.runs.run import RunFolder
from simtandem.settings import Settings

FRESH = timedelta(seconds=60)
"""So long a look at a device is good enough to activate its SIM."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a look was begun, by two clocks: one that may be set, and one that may stand still while a host sleeps.

    Where another process took the look, `steady` is when this one heard of it.
    """

    wall: datetime
    steady: float


@dataclass(frozen=True, slots=True)
class LookCost:
    """What looks cost at this carrier: a call for each device, or `pages` for the whole fleet where that is less.

    `portion`: so many devices can be read and changed within the half of a minute, however the budget spreads calls.
    """

    pages: int | None
    portion: int

    @classmethod
    def of(cls, folder: RunFolder, settings: Settings) -> "LookCost":
        """As the listing that the plan was made from lets expect."""
        pages = folder.data("listing.json").get("pages")
        in_half_a_minute = settings.capacity * FRESH.total_seconds() / 2 / settings.calls_window_s
        return cls(pages, max(1, int(in_half_a_minute)))

    def calls(self, devices: int) -> int:
        """The calls of one look at so many devices."""
        return devices if self.pages is None else min(devices, self.pages)

    def at_once(self, devices: int) -> int:
        """How many of so many devices to look at in one go, so that they are sent before the look is old."""
        return devices if self.calls(devices) <= self.portion else min(devices, self.portion)

    def planned(self, costly: int, late: int, batch_size: int) -> int:
        """The calls of the looks of a run: one after its question, and one for each batch of the `late` devices.

        `costly` devices need looks; those are `late` that the call budget does not let go within the first window.
        """
        batches, rest = divmod(max(0, min(late, costly)), batch_size)
        return self.calls(costly) + batches * self.calls(batch_size) + self.calls(rest)


def costly(rows: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Those of a plan's rows of which a wrong send costs money or can't be undone.

    SIMs that become charged, SIMs that leave a status for good, and SIMs that get another owner.
    """
    leaves = pl.col("sim_step") & (pl.col("sim_after") != pl.col("sim_before"))
    for_good = leaves & pl.col("sim_before").is_in(list(lifecycle.without_return))
    return rows.filter(pl.col("newly_billed") | for_good.fill_null(value=False) | changes_owners())
