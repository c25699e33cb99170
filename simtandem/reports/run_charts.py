"""The shapes of the report's two charts: numbers in, geometry out. The template draws them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.statuses import Verdict
from simtandem.reports.run_document import Document

FUNNEL_WIDTH = 400.0
TIMELINE_WIDTH, TIMELINE_HEIGHT = 640.0, 100.0

_MOST_BUCKETS = 60
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Stage:
    """One bar of the funnel. `lost`: rows that came this far no more, and `why` in a few words."""

    label: str
    count: int
    lost: int
    why: str
    width: float
    y: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The calls of one bucket. `tops` are the upper edges of answered, throttled and faulty calls, stacked."""

    start: datetime
    answered: int
    throttled: int
    faulty: int
    x: float
    width: float
    tops: tuple[float, float, float]

    @property
    def total(self) -> int:
        """All calls sent in this bucket."""
        return self.answered + self.throttled + self.faulty


@dataclass(frozen=True, slots=True)
class Timeline:
    """Calls over the run, in buckets of `step` seconds."""

    bars: tuple[Bar, ...]
    step: float
    peak: int
    start: datetime
    end: datetime
    throttled: int
    faulty: int


def funnel(document: Document) -> tuple[Stage, ...]:
    """From the rows of the file to the devices in sync; every stage is the one before less what it lost."""
    verdicts = document["verdicts"]
    rows = document["input"]["rows"]
    invalid, refused = verdicts.get(Verdict.INVALID, 0), verdicts.get(Verdict.REFUSED, 0)
    skipped = verdicts.get(Verdict.SKIPPED, 0)
    open_ends = sum(verdicts.get(word, 0) for word in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.CHANGED_BY_OTHERS))
    losses = (
        ("Rows in the file", 0, ""),
        ("Valid", invalid, "invalid"),
        ("Allowed to move", refused, "refused"),
        ("Sent in full or already in target state", skipped, _not_sent(document)),
        ("In sync", open_ends, "failed, unknown or changed by others"),
    )
    stages = []
    count = rows
    for place, (label, lost, why) in enumerate(losses):
        count -= lost
        width = FUNNEL_WIDTH * count / rows if rows else 0.0
        stages.append(Stage(label, count, lost, why, round(width, 1), place * 46.0))
    return tuple(stages)


def _not_sent(document: Document) -> str:
    """Why rows were not sent in full: those of which one half was sent are counted apart."""
    half = document["not_sent"]["half_done"] if "not_sent" in document else 0
    return f"not sent, {half:,} of them partly changed" if half else "not sent"


def timeline(calls: pl.DataFrame) -> Timeline | None:
    """Calls per bucket from the first to the last, at most 60 buckets; None if there were none."""
    if calls.is_empty():
        return None
    sent = calls["at"].cast(pl.Datetime("us", "UTC"))
    first, last = sent.min(), sent.max()
    assert isinstance(first, datetime)  # noqa: S101 - for the type checker: a column without nulls has a minimum
    assert isinstance(last, datetime)  # noqa: S101
    step = _step((last - first).total_seconds())
    buckets = _buckets(calls, first, step)
    peak = int(buckets.select((pl.col("answered") + pl.col("throttled") + pl.col("faulty")).max()).item())
    bars = tuple(_bar(row, first, step, peak, buckets["bucket"][-1] + 1) for row in buckets.iter_rows())
    return Timeline(
        bars=bars,
        step=step,
        peak=peak,
        start=first.astimezone(UTC),
        end=last.astimezone(UTC),
        throttled=sum(bar.throttled for bar in bars),
        faulty=sum(bar.faulty for bar in bars),
    )


def purposes(calls: pl.DataFrame) -> list[dict[str, object]]:
    """Calls by what they were for: how many, how many again, how they ended, and the middle and slow answer times."""
    throttled, faulty = _kinds()
    return (
        calls.group_by("purpose")
        .agg(
            pl.len().alias("calls"),
            (pl.col("attempt") > 1).sum().alias("retried"),
            throttled.sum().alias("throttled"),
            faulty.sum().alias("faulty"),
            pl.col("seconds").median().alias("median"),
            pl.col("seconds").quantile(0.95).alias("slow"),
        )
        .sort(["calls", "purpose"], descending=[True, False])
        .to_dicts()
    )


def _kinds() -> tuple[pl.Expr, pl.Expr]:
    """Which calls were answered with 429, and which got no answer or another error."""
    throttled = (pl.col("status") == 429).fill_null(value=False)
    faulty = ~throttled & (
        pl.col("status").is_null() | (pl.col("status") >= 400) | (pl.col("fault").fill_null("") != "")
    )
    return throttled, faulty


def _buckets(calls: pl.DataFrame, first: datetime, step: float) -> pl.DataFrame:
    throttled, faulty = _kinds()
    since = (pl.col("at").cast(pl.Datetime("us", "UTC")) - first).dt.total_microseconds()
    return (
        calls.group_by((since // round(step * 1_000_000)).alias("bucket"))
        .agg(
            (~throttled & ~faulty).sum().alias("answered"),
            throttled.sum().alias("throttled"),
            faulty.sum().alias("faulty"),
        )
        .sort("bucket")
    )


def _bar(row: tuple[int, int, int, int], first: datetime, step: float, peak: int, number: int) -> Bar:
    bucket, answered, throttled, faulty = row
    slot = TIMELINE_WIDTH / max(number, 12)
    tops = tuple(
        round(TIMELINE_HEIGHT * (1 - count / peak), 2)
        for count in (answered, answered + throttled, answered + throttled + faulty)
    )
    return Bar(
        start=(first + timedelta(seconds=bucket * step)).astimezone(UTC),
        answered=answered,
        throttled=throttled,
        faulty=faulty,
        x=round(bucket * slot, 2),
        width=round(slot * 0.82, 2),
        tops=(tops[0], tops[1], tops[2]),
    )


def _step(span: float) -> float:
    """The shortest round step that needs no more than 60 buckets."""
    for step in _STEPS:
        if span // step < _MOST_BUCKETS:
            return step
    return float(-(-span // _MOST_BUCKETS))
