"""The shapes of charts over weeks: bars of earlier audits or days, and how old findings are. Templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

WIDTH, HEIGHT = 320.0, 72.0
MOST_BARS = 60
"""Of more values the newest are shown: more bars can't be distinguished on a phone."""

_FEWEST_SLOTS = 10
_DAY = timedelta(days=1)
_AGES = (("less than a day", _DAY), ("1 to 7 days", 7 * _DAY), ("8 to 30 days", 30 * _DAY), ("more than 30 days", None))


@dataclass(frozen=True, slots=True)
class Bar:
    """One value, as a rectangle."""

    at: datetime
    value: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class History:
    """Values over time under a title with a figure: the newest value or, if they add up, their `total`."""

    title: str
    bars: tuple[Bar, ...]
    total: float | None = None

    @property
    def first(self) -> datetime:
        """When the first of the bars was."""
        return self.bars[0].at

    @property
    def last(self) -> datetime:
        """When the last of the bars was."""
        return self.bars[-1].at

    @property
    def figure(self) -> float:
        """What is beside the title."""
        return self.bars[-1].value if self.total is None else self.total

    @property
    def peak(self) -> float:
        """The greatest value."""
        return max(bar.value for bar in self.bars)

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(bar.value for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Age:
    """How many findings are that old, and how many of them cost money; `share` of the most frequent age, up to 1."""

    label: str
    count: int
    charged: int
    share: float


def history(title: str, values: Sequence[tuple[datetime, float]], *, total: bool = False) -> History:
    """Bars of values, oldest first; there has to be one. Bars begin at zero. `total` adds all values up."""
    shown = values[-MOST_BARS:]
    peak = max((value for _, value in shown), default=0.0) or 1.0
    slot = WIDTH / max(len(shown), _FEWEST_SLOTS)
    bars = []
    for place, (at, value) in enumerate(shown):
        height = round(HEIGHT * value / peak, 2)
        bars.append(Bar(at, value, round(place * slot, 2), round(HEIGHT - height, 2), round(slot * 0.78, 2), height))
    return History(title, tuple(bars), sum(value for _, value in values) if total else None)


def ages(findings: pl.DataFrame, now: datetime) -> list[Age]:
    """How old findings (`schemas.tables.Findings`) are, by their `since`; those of unknown age come last, if any."""
    label = pl.lit("not known")
    for name, limit in reversed(_AGES):
        reached = pl.col("since").is_not_null() if limit is None else pl.lit(now) - pl.col("since") < limit
        label = pl.when(reached).then(pl.lit(name)).otherwise(label)
    counts = findings.group_by(label.alias("age")).agg(pl.len().alias("count"), pl.col("charged").sum())
    found = {age: (count, charged) for age, count, charged in counts.iter_rows()}
    most = max((count for count, _ in found.values()), default=0) or 1
    names = [name for name, _ in _AGES] + (["not known"] if "not known" in found else [])
    return [Age(name, *found.get(name, (0, 0)), round(found.get(name, (0, 0))[0] / most, 3)) for name in names]
