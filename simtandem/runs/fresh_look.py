"""Reading a plan's devices again before something is sent that would rest on an old look.

Between the listing and a send the operator may think, another run may send, or the call budget may make a batch wait
for hours; meanwhile anybody may move a device. A SIM that was put into Factory Test would be activated, billed, for
good. So what costs money, or can't be undone, is sent on a look that is a minute old at most, and after a question that
someone has answered, on one that is younger than the answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Carrier, Change, StepResult
from simtandem.carriers.registry import pace_of
from simtandem.domain.replan import obsolete_steps
from simtandem.runs.batch import BatchWork, Moment
from simtandem.runs.run import Run
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings

FRESH = timedelta(seconds=60)
"""So long a look at a device is good enough to activate its SIM."""
_CONFIRMED = "confirmed.json"
_MOST_LOOKS = 10
_TOO_SLOW = "the call budget leaves no time to send it while a look at it is fresh"


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
        pages = folder.listing().get("pages")
        calls, window_s = pace_of(settings)
        in_half_a_minute = calls * FRESH.total_seconds() / 2 / window_s
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


class End(Protocol):
    """Takes the results of a batch's steps."""

    def __call__(self, work: BatchWork, half: Half, results: Sequence[StepResult], /) -> Awaitable[None]:
        """See there."""


class FreshLook:
    """The looks of one run at its devices. `steady` is a monotonic clock, in seconds."""

    def __init__(self, run: Run, carrier: Carrier, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._carrier = carrier
        self._steady = steady
        self._one_part = asyncio.Lock()
        begun = datetime.fromisoformat(run.folder.listing()["begun"])
        self.listed = Moment(begun, steady())
        """The look that the plan was made from."""
        self.confirmed = run.folder.has(_CONFIRMED)
        """Whether someone was shown the plan of that look and said yes to it, which takes its time."""
        self.cost = LookCost.of(run.folder, run.settings)
        self.of_plan = self.listed
        """The latest look at all the plan's devices that need one."""

    def now(self) -> Moment:
        """For a look that begins now."""
        return Moment(self._run.ledger.clock(), self._steady())

    def stale(self, look: Moment) -> bool:
        """Whether a look is too old, or can't be shown not to be."""
        by_wall = self._run.ledger.clock() - look.wall
        by_steady = timedelta(seconds=self._steady() - look.steady)
        answered_since = self.confirmed and look is self.listed
        return answered_since or not timedelta(0) <= by_wall <= FRESH or by_steady > FRESH

    async def read(self, rows: pl.DataFrame) -> dict[Half, list[StepResult]]:
        """Read these plan rows' devices: the steps that need not or must not be sent any more.

        `now` of a result is the half's status. Raises `CarrierError` and `Interrupted` where they can't be read.
        """
        fresh = await self._carrier.read(rows.select("sim_id", "endpoint_id"))
        asked = rows.filter(pl.col("owners_after").is_not_null())["sim_id"].unique().to_list()
        owners = await self._carrier.read_owners(asked) if asked else None
        ended = obsolete_steps(rows, fresh, owners, self._carrier.lifecycle)
        return {half: [_result(*row) for row in steps.iter_rows()] for half, steps in ended.items()}

    def good(self, work: BatchWork, row: int) -> bool:
        """Whether what is known of a device is good enough to change it."""
        return row not in work.costly or not self.stale(work.looked.get(row, self.of_plan))

    @asynccontextmanager
    async def part(self, work: BatchWork, half: Half, left: Sequence[Change], end: End) -> AsyncIterator[list[Change]]:
        """Those of these changes that may be sent now, in the block. Where there are none, some are read again first.

        One part at a time is read and sent, from any batch: otherwise reading alone could use up the budget. What
        moved is held.
        """
        ready = [change for change in left if self.good(work, change.row)]
        if ready:
            yield ready
            return
        async with self._one_part:
            yield await self._look_again(work, half, left, end)

    async def _look_again(self, work: BatchWork, half: Half, left: Sequence[Change], end: End) -> list[Change]:
        """Read some of these changes' devices; what has moved, or is there already, ends. Returns what may be sent."""
        worn_out = [change.row for change in left if work.looks[half, change.row] >= _MOST_LOOKS]
        await end(work, half, [StepResult(row, Outcome.HELD, 0, error=_TOO_SLOW) for row in worn_out])
        part = [change.row for change in left if change.row not in work.results[half]][: self.cost.at_once(len(left))]
        rows, at = set(part), self.now()
        if not rows:
            return []
        ended = await self.read(work.batch.rows.filter(pl.col("row").is_in(part)))
        work.looked.update(dict.fromkeys(part, at))
        work.looks.update((half, row) for row in part)
        for each, results in ended.items():
            await end(work, each, work.found(each, results))
        if half is not work.first:
            await end(work, half, work.without_partner(rows, ended))
        return [change for change in work.open(half) if change.row in rows and self.good(work, change.row)]


def note_confirmed(run: Run) -> None:
    """Someone has said yes to the run's plan, so what it was made from is as old as their thinking took."""
    run.folder.save(_CONFIRMED, {"at": run.ledger.clock().isoformat()})


def _result(row: int, outcome: str, error: str, now: str | None) -> StepResult:
    return StepResult(row, Outcome(outcome), 0, error=error, now=now)
