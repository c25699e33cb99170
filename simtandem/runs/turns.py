"""A run's batches, wave by wave, and the turns in which it sends.

A run that pauses, or waits between waves, releases what it has claimed. When it sends again, it reads the devices that
it will send for, and plans again where some have moved. Batches that a pause has cut short go first then.
"""

from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import polars as pl

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.carriers.protocol import Carrier, StepResult
from simtandem.domain.batches import Batch, split
from simtandem.domain.waves import Wave, cut
from simtandem.errors import Interrupted
from simtandem.reports.run_from_ledger import known_outcomes
from simtandem.runs import late_changes
from simtandem.runs.batch import BatchWork
from simtandem.runs.device_claims import DeviceClaims, to_read_first
from simtandem.runs.fresh_look import End, FreshLook
from simtandem.runs.run import Run

Record = Callable[[Half, Sequence[StepResult], Mapping[tuple[Half, int], int]], Awaitable[None]]


class Turns:
    """What is left to send, and when. `over`: nothing is to be sent now."""

    def __init__(
        self,
        run: Run,
        carrier: Carrier,
        look: FreshLook,
        record: Record,
        claims: DeviceClaims,
        *,
        end: End,
        over: Callable[[], bool],
    ) -> None:
        self._run = run
        self._carrier = carrier
        self._look = look
        self._record = record
        self._end = end
        self._claims = claims
        self._over = over
        self._ended: dict[Half, dict[int, StepResult]] = {half: {} for half in Half}
        self._left: dict[int, deque[Batch]] = {}
        self._wave_of: dict[int, int] = {}
        self._aside: list[BatchWork] = []
        self.batch_count = 0
        self.begun = False
        """Whether this run sends just now, or did until it was stopped: its devices are claimed."""
        self.waited = run.taken_over
        """Whether the next turn begins with a look: others could send since the last one, or a process died."""
        plan = run.folder.table("plan.parquet")
        self._sent_before = _sent_before(run, plan)
        self.waves = cut(plan, run.pacing.sizes)
        self._cut(_unsent(plan, run.ledger.outcomes(run.run_id)))

    def _cut(self, unsent: pl.DataFrame) -> None:
        """Batches of each wave, numbered through the run."""
        for wave in self.waves:
            rows = wave.rows.join(unsent.select("row"), on="row", how="semi")
            batches = split(rows, self._run.request.batch_size, self._carrier.lifecycle, after=self.batch_count)
            self._left[wave.number] = deque(batches)
            self._wave_of.update((batch.number, wave.number) for batch in batches)
            self.batch_count += len(batches)

    def left(self, wave: Wave) -> bool:
        """Whether something of this wave is not begun, or was put aside."""
        return bool(self._left[wave.number] or self.aside(wave))

    def devices_left(self) -> tuple[int, int]:
        """How many devices are still to be sent, and of how many of them one half is changed already."""
        ended = {half: list(rows) for half, rows in self._ended.items()}
        unsent = pl.any_horizontal(pl.col(f"{half}_step") & ~pl.col("row").is_in(ended[half]) for half in Half)
        not_begun = sum(batch.rows.filter(unsent).height for batches in self._left.values() for batch in batches)
        return not_begun + sum(len(work.left()) for work in self._aside), sum(len(work.split()) for work in self._aside)

    def put_aside(self, work: BatchWork) -> None:
        """Send what is left of a batch in the next turn, after a look, before all others of its wave."""
        insort(self._aside, work, key=lambda each: each.batch.number)
        self.waited = True

    def aside(self, *waves: Wave) -> list[BatchWork]:
        """The batches that were put aside: of these waves, of all where none is named."""
        numbers = {wave.number for wave in waves or self.waves}
        return [work for work in self._aside if self._wave_of[work.batch.number] in numbers]

    def next_batch(self, wave: Wave) -> BatchWork:
        """The next batch of a wave, made ready: what a batch remembers is released with it."""
        if aside := self.aside(wave):
            self._aside = [work for work in self._aside if work is not aside[0]]
            return aside[0]
        batch = self._left[wave.number].popleft()
        work = BatchWork(batch, self._carrier.lifecycle)
        for half, ended in self._ended.items():
            kept = work.keep(half, [ended.pop(row) for row in work.changes[half] if row in ended])
            progress.current().devices_done(kept)
        return work

    def batches(self) -> Iterator[BatchWork]:
        """All batches that are left, in order."""
        for wave in self.waves:
            while self.left(wave):
                yield self.next_batch(wave)

    @asynccontextmanager
    async def turn(self, waves: Sequence[Wave]) -> AsyncIterator[None]:
        """In this block this run sends to its carrier. It plans again first, where others changed devices.

        Where the waiting for it is interrupted, the block is entered nevertheless, and sends nothing.
        """
        batches = [batch.rows for wave in waves for batch in self._left[wave.number]]
        batches += [work.batch.rows.filter(pl.col("row").is_in(list(work.left()))) for work in self.aside(*waves)]
        if not batches or self._over():
            yield
            return
        try:
            await self._claims.begin()
            if not self._over():
                with suppress(Interrupted):
                    await self._replan(pl.concat(batches).sort("row"))
            self.begun = True
            yield
        finally:
            self.begun = False
            await self._claims.end()

    async def _replan(self, rows: pl.DataFrame) -> None:
        """Read those of these rows that may have moved; what is there already, or has moved, is not sent."""
        waited = await late_changes.wait_for_earlier(self._run, self._carrier, rows["sim_id"].drop_nulls().to_list())
        doubtful = await to_read_first(rows, self._claims, self._look)
        if waited or self.waited:
            doubtful = rows
        if doubtful.height:
            await self._settle(await self._look.read_first(doubtful), set(doubtful["row"]))
        self.waited = False

    async def _settle(self, found: Mapping[Half, Sequence[StepResult]], looked_at: set[int]) -> None:
        """What a look at these rows shows of batches that are not begun, and of those that were put aside, ends."""
        begun: set[int] = set()
        for work in self._aside:
            begun |= set(work.batch.rows["row"])
            await self._look.after_a_pause(work, work.left() & looked_at, found, self._end)
        for half, some in found.items():
            ended = self.as_sent(half, [each for each in some if each.row not in begun])
            await self._record(half, ended, {})
            self._ended[half].update({end.row: end for end in ended})

    def as_sent(self, half: Half, results: Sequence[StepResult]) -> list[StepResult]:
        """The results; what is there because a process sent it that died before it recorded the end is applied."""
        return [
            replace(end, outcome=Outcome.APPLIED, attempts=1)
            if end.outcome is Outcome.UNCHANGED and (half.value, end.row) in self._sent_before
            else end
            for end in results
        ]


def _sent_before(run: Run, plan: pl.DataFrame) -> set[tuple[str, int]]:
    """What an earlier process of this run had sent, by half and row."""
    if not run.taken_over:
        return set()
    return set(known_outcomes(run.ledger, run.run_id, plan).select("half", "row").iter_rows())


def _unsent(plan: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The plan's rows of which some step has no outcome yet."""
    ended = {half: outcomes.filter(pl.col("half") == half)["row"].implode() for half in Half}
    return plan.filter(pl.any_horizontal(pl.col(f"{half}_step") & ~pl.col("row").is_in(ended[half]) for half in Half))
