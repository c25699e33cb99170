"""Cut a plan into waves: devices that are changed, and judged, before others are begun. Pure.

Waves are a pace and no part of what is planned: a plan has the same digest with waves and without. They follow the rows
of the file, so the order of the file says which devices go first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from schemas.statuses import Action, Verdict
from schemas.waves import Amount, WaveCheck

TWO_PERCENT = Amount(Fraction(2), percent=True)


@dataclass(frozen=True, slots=True)
class Pacing:
    """The waves of a run, and what has to hold between them. Without `sizes` there is one, and the rest does nothing.

    `limit`: so many devices of a wave may be other than asked for. `check` needs the carrier's events within `wait_s`;
    `attached_share` of the devices that a wave activates have to attach by then. `approval`: someone is asked, too.
    """

    sizes: tuple[Amount, ...] = ()
    limit: Amount = TWO_PERCENT
    check: WaveCheck = WaveCheck.NONE
    wait_s: int = 600
    attached_share: float = 0.5
    approval: bool = False

    @property
    def lets_others_send(self) -> bool:
        """Whether time passes between its waves."""
        return self.approval or self.check is not WaveCheck.NONE


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave, numbered from 1 of `waves`. `rows` are plan rows, all of them changes."""

    number: int
    waves: int
    rows: pl.DataFrame

    @property
    def last(self) -> bool:
        """Whether none follows."""
        return self.number == self.waves

    def __str__(self) -> str:
        """As in `wave 2 of 3`."""
        return f"wave {self.number} of {self.waves}"


@dataclass(frozen=True, slots=True)
class WaveResult:
    """What a fresh look says of a wave: its devices by verdict, how many are not as asked, and how many may be."""

    number: int
    waves: int
    devices: int
    verdicts: dict[str, int]
    failures: int
    limit: int

    @property
    def passed(self) -> bool:
        """Whether few enough failed."""
        return self.failures <= self.limit

    def __str__(self) -> str:
        """As in `wave 1 of 3: 48 of 50 devices are in sync, 2 are not (limit 1)`."""
        others = f", {self.failures:,} {'is' if self.failures == 1 else 'are'} not" if self.failures else ""
        told = f"{self.devices - self.failures:,} of {self.devices:,} devices are in sync{others}"
        return f"wave {self.number} of {self.waves}: {told} (limit {self.limit:,})"


def cut(plan: pl.DataFrame, sizes: Sequence[Amount]) -> list[Wave]:
    """The waves of a plan, those without devices left out; together they hold every change once.

    A percentage is of all devices that are changed; a wave has one device at least.
    """
    changes = plan.filter(pl.col("action") == Action.CHANGE).sort("row")
    parts, start = [], 0
    for size in sizes:
        parts.append(changes.slice(start, max(1, size.of(changes.height))))
        start += parts[-1].height
    parts = [part for part in [*parts, changes.slice(start)] if part.height]
    return [Wave(number, len(parts), part) for number, part in enumerate(parts, start=1)]


def numbers(plan: pl.DataFrame, sizes: Sequence[Amount]) -> pl.DataFrame:
    """The wave of each row that is changed (columns `row`, `wave`), and of the repeats of such rows."""
    found = [wave.rows.select("row", wave=pl.lit(wave.number, pl.Int64)) for wave in cut(plan, sizes)]
    known = pl.concat(found) if found else pl.DataFrame(schema={"row": pl.Int64, "wave": pl.Int64})
    repeats = plan.filter(pl.col("action") == Action.REPEAT).select("row", "same_as")
    followed = repeats.join(known, left_on="same_as", right_on="row").select("row", "wave")
    return pl.concat([known, followed]).sort("row")


def result_of(wave: Wave, results: pl.DataFrame, limit: Amount) -> WaveResult:
    """Judge a wave by the results of its rows (`schemas.tables.Results`)."""
    counts = dict(results.group_by("verdict").len().sort("verdict").iter_rows())
    failures = wave.rows.height - counts.get(Verdict.IN_SYNC.value, 0)
    return WaveResult(wave.number, wave.waves, wave.rows.height, counts, failures, limit.of(wave.rows.height))
