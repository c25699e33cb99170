"""Reading a plan's devices again before something is sent that would rest on an old look.

Between the listing and a send the operator may think, another run may send, or the call budget may make a batch wait
for hours; meanwhile anybody may move a device, or give its endpoint another SIM. A SIM that was put into Factory Test
would be activated, and billed permanently, by any call to its endpoint. So what costs money, or can't be undone, is
sent on a look that is a minute old at most, and after a question that someone has answered, on one that is younger
than the answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Carrier, Change, StepResult
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.replan import obsolete_steps
from simtandem.host import clock
from simtandem.runs.batch import BatchWork, Moment
from simtandem.runs.look_pace import FRESH, MOST_LOOKS, NO_TIME, LookCost, LookPace
from simtandem.runs.run import Run

_CONFIRMED = "confirmed.json"


class End(Protocol):
    """Takes the results of a batch's steps; `again`: they had ended before."""

    def __call__(
        self, work: BatchWork, half: Half, results: Sequence[StepResult], /, *, again: bool = False
    ) -> Awaitable[None]:
        """See `runs.apply.Applying`."""


class FreshLook:
    """The looks of one run at its devices. `steady` is a monotonic clock, in seconds."""

    def __init__(self, run: Run, carrier: Carrier, *, steady: Callable[[], float] = clock.steady) -> None:
        self._run = run
        self._carrier = carrier
        self._steady = steady
        self._one_part = asyncio.Lock()
        begun = datetime.fromisoformat(run.folder.listing()["begun"])
        self.listed = Moment(begun, steady())
        """The look that the plan was made from."""
        self.confirmed = run.folder.has(_CONFIRMED)
        """Whether someone was shown the plan of that look and said yes to it, which takes its time."""
        self.pace = LookPace(LookCost.of(run.folder, run.settings), steady)
        self._of_rows: dict[int, Moment] = {}

    @property
    def lifecycle(self) -> Lifecycle:
        """The rules of the run's carrier."""
        return self._run.lifecycle

    def now(self) -> Moment:
        """For a look that begins now."""
        return Moment(self._run.ledger.clock(), self._steady())

    def stale(self, look: Moment) -> bool:
        """Whether a look is too old, or can't be shown not to be."""
        by_wall = self._run.ledger.clock() - look.wall
        by_steady = timedelta(seconds=self._steady() - look.steady)
        answered_since = self.confirmed and look is self.listed
        return answered_since or not timedelta(0) <= by_wall <= FRESH or by_steady > FRESH

    async def read_first(self, rows: pl.DataFrame) -> dict[Half, list[StepResult]]:
        """As `read`, before any batch: what is found counts as the look at these rows."""
        at = self.now()
        with self.pace.timed(rows.height, by_id=False):
            ended = await self.read(rows)
        self._of_rows.update(dict.fromkeys(rows["row"].to_list(), at))
        return ended

    async def read(self, rows: pl.DataFrame, *, by_id: bool = False) -> dict[Half, list[StepResult]]:
        """Read these plan rows' devices: the steps that need not or must not be sent any more.

        `by_id`: none by listing. `now` of a result is the half's status. Raises `CarrierError` and `Interrupted` where
        they can't be read.
        """
        fresh = await self._carrier.read(rows.select("sim_id", "endpoint_id"), by_id=by_id)
        asked = rows.filter(pl.col("owners_after").is_not_null())["sim_id"].unique().to_list()
        owners = await self._carrier.read_owners(asked, by_id=by_id) if asked else None
        ended = obsolete_steps(rows, fresh, owners, self._carrier.lifecycle)
        return {half: [_result(*row) for row in steps.iter_rows()] for half, steps in ended.items()}

    def good(self, work: BatchWork, half: Half, row: int) -> bool:
        """Whether what is known of a device is good enough to change this half of it."""
        return row not in work.costly[half] or not self.stale(work.looked.get(row, self._of_rows.get(row, self.listed)))

    @asynccontextmanager
    async def part(self, work: BatchWork, half: Half, left: Sequence[Change], end: End) -> AsyncIterator[list[Change]]:
        """Those of these changes that may be sent now, in the block. Where there are none, some are read again first.

        One part at a time is read and sent, from any batch: otherwise reading alone could use up the budget. What
        moved is held.
        """
        ready = [change for change in left if self.good(work, half, change.row)]
        if ready:
            yield ready
            return
        async with self._one_part:
            yield await self._look_again(work, half, left, end)

    async def _look_again(self, work: BatchWork, half: Half, left: Sequence[Change], end: End) -> list[Change]:
        """Read some of these changes' devices; what has moved, or is there already, ends. Returns what may be sent."""
        worn_out = [change.row for change in left if work.looks[half, change.row] >= MOST_LOOKS]
        await self._hold(work, half, worn_out, NO_TIME, end)
        unsent = [change.row for change in left if change.row not in work.results[half]]
        part = unsent[: self.pace.at_once(len(unsent))]
        if not part:
            return []
        by_id = self.pace.by_id
        with self.pace.timed(len(part), by_id=by_id):
            await self.again(work, half, part, end, by_id=by_id)
        if not self.pace.wasted:
            work.looks.update((half, row) for row in part)
        if why := self.pace.hopeless:
            await self._hold(work, half, [row for row in unsent if row not in work.results[half]], why, end)
        return [change for change in work.open(half) if change.row in part and self.good(work, half, change.row)]

    async def _hold(self, work: BatchWork, half: Half, rows: Sequence[int], why: str, end: End) -> None:
        await end(work, half, [StepResult(row, Outcome.HELD, 0, error=why) for row in rows])

    async def again(self, work: BatchWork, half: Half, rows: Sequence[int], end: End, *, by_id: bool = False) -> None:
        """Read these rows' devices: what has moved, or is there already, ends. Raises as `read`."""
        at = self.now()
        ended = await self.read(work.batch.rows.filter(pl.col("row").is_in(list(rows))), by_id=by_id)
        work.looked.update(dict.fromkeys(rows, at))
        await _settle(work, rows, ended, end, all_begun=half is not work.first)

    async def after_a_pause(
        self, work: BatchWork, rows: Collection[int], found: Mapping[Half, Sequence[StepResult]], end: End
    ) -> None:
        """What `read_first` found of these rows of a batch that was put aside ends: it has moved, or is there."""
        await _settle(work, rows, found, end)


async def _settle(
    work: BatchWork,
    rows: Collection[int],
    found: Mapping[Half, Sequence[StepResult]],
    end: End,
    *,
    all_begun: bool = False,
) -> None:
    """End what a look shows of these rows. `all_begun`: their first halves are done, all of them."""
    ended = {half: [each for each in some if each.row in rows] for half, some in found.items()}
    for half, results in ended.items():
        await end(work, half, work.found(half, results))
    # The first halves of some may be done already, and elsewhere by now, also while those of others are sent.
    done = [row for row in rows if all_begun or work.first_done(row)]
    await end(work, work.second, work.without_partner(done, ended))


def note_confirmed(run: Run) -> None:
    """Someone has said yes to the run's plan, so what it was made from is as old as their thinking took."""
    run.folder.save(_CONFIRMED, {"at": run.ledger.clock().isoformat()})


def _result(row: int, outcome: str, error: str, now: str | None) -> StepResult:
    return StepResult(row, Outcome(outcome), 0, error=error, now=now)
