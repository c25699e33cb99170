"""Which of the rows that are due are carried out. Pure: polars in, polars out.

Every requested status has a time: for a row of a schedule when it is due, for a run that a person started when it began
to send. For one device the request with the latest time counts, unless another one was made after that was carried
out. So a row is not carried out, for the first of these reasons that holds, if

1. it is due since more than a week (`OVERDUE`): it is probably no longer wanted;
2. a run that a person started requested another status of the device after the row was scheduled and after it was due
   (`NEWER_RUN`);
3. another due row names the device for a later time (`LATER_ROW`): a worker that stopped over the weekend does not
   suspend on Monday what Monday activates;
4. another row requests another status at the same moment (`CONTRADICTION`). Neither counts, whichever file came first:
   an unwanted activation is billed for a whole month. Cancel one of the schedules before they are due, or schedule the
   change again afterwards.

A row that is not carried out for one reason has no effect on others for the next reason. Devices are compared by each
id; for `unclear` rows the ids don't suffice, and the carrier is asked.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import polars as pl

from simtandem.intake.header import IDS

_INSTANT = pl.Datetime("ms", "UTC")
DUE = pl.Schema(
    {
        "schedule_id": pl.String(),
        "file": pl.String(),
        "effective_at": _INSTANT,
        "put_in": _INSTANT,
        "row": pl.Int64(),
        "device": pl.Int64(),  # the row itself, or the one it repeats
        **dict.fromkeys(IDS, pl.String()),
        "desired": pl.String(),
    }
)
DIRECT = pl.Schema(
    {"run_id": pl.String(), "at": _INSTANT, **dict.fromkeys(IDS, pl.String()), "desired": pl.String()},
)
"""What runs that someone started asked for; `desired` is null for a status that schedules can't ask for."""
NO_RUNS = pl.DataFrame(schema=DIRECT)
_DEVICE = ["schedule_id", "device"]
_AT = "%Y-%m-%d %H:%M UTC"
_TOO_LATE = "was due {}; that is too long ago to carry out. Schedule it again if it is still wanted"


class Why(StrEnum):
    """Why a row that is due is not carried out."""

    OVERDUE = "overdue"
    NEWER_RUN = "newer_run"
    LATER_ROW = "later_row"
    CONTRADICTION = "contradiction"

    @property
    def needs_a_person(self) -> bool:
        """Whether something that was asked for stays undone, and not because something newer was asked for."""
        return self in (Why.OVERDUE, Why.CONTRADICTION)


def left_out(due: pl.DataFrame, runs: pl.DataFrame = NO_RUNS, bound: datetime | None = None) -> pl.DataFrame:
    """The rows of a `DUE` table that are not carried out: `schedule_id`, `row`, `why`, `reason`.

    `runs` is a `DIRECT` table; what was due before `bound` is overdue. Repeats share the fate of what they repeat.
    """
    steps: list[Callable[[pl.DataFrame], pl.DataFrame]] = [
        lambda rows: _overdue(rows, bound),
        lambda rows: _behind_a_run(rows, runs),
        _among_each_other,
    ]
    kept, fates = due, []
    for step in steps:
        found = step(kept).unique(_DEVICE, keep="first", maintain_order=True)
        kept = kept.join(found, on=_DEVICE, how="anti")
        fates.append(found.select(*_DEVICE, "why", "reason"))
    return due.join(pl.concat(fates), on=_DEVICE, maintain_order="left").select("schedule_id", "row", "why", "reason")


def contradictions(due: pl.DataFrame) -> pl.DataFrame:
    """The rows of a `DUE` table that others of the very same moment contradict: `schedule_id`, `row`, `reason`."""
    reasons = [pl.when(_contradicted(kind)).then(_contradiction(kind)) for kind in IDS]
    return due.select("schedule_id", "row", reason=pl.coalesce(reasons)).drop_nulls()


def unclear(due: pl.DataFrame) -> pl.DataFrame:
    """The rows that may name the device of another row by another kind of id, where it matters which they name."""
    if due["desired"].n_unique() < 2:  # one wish for all: nothing to decide
        return due.clear()
    kinds = pl.sum_horizontal(pl.col(kind).is_not_null().cast(pl.Int64) * 2**n for n, kind in enumerate(IDS))
    given = due.select(kinds=kinds)["kinds"]
    present = given.unique().to_list()
    apart = [one for one in present if any(one & other == 0 for other in present)]
    return due.filter(given.is_in(apart))


def _overdue(due: pl.DataFrame, bound: datetime | None) -> pl.DataFrame:
    late = due.clear() if bound is None else due.filter(pl.col("effective_at") < pl.lit(bound).cast(_INSTANT))
    moments = pl.col("effective_at").dt.strftime(_AT)
    return late.with_columns(why=pl.lit(Why.OVERDUE.value), reason=pl.format(_TOO_LATE, moments))


def too_late(effective_at: datetime) -> str:
    """The reason of what is overdue as a whole."""
    return _TOO_LATE.format(effective_at.astimezone(UTC).strftime(_AT))


def _behind_a_run(due: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Rows of whose device the newest run asked for something else, after they were due and had been put in."""
    wishes = runs.rename({"desired": "asked"})
    named = [due.join(wishes.select("run_id", "at", "asked", kind), on=kind, maintain_order="left") for kind in IDS]
    newest = (
        pl.concat([each.select(*due.columns, "run_id", "at", "asked") for each in named])
        .sort("at", maintain_order=True)
        .unique(["schedule_id", "row"], keep="last", maintain_order=True)
    )
    behind = newest.filter(
        (pl.col("at") > pl.col("effective_at"))
        & (pl.col("at") > pl.col("put_in"))
        & pl.col("asked").ne_missing(pl.col("desired"))
    )
    told = "overtaken by run {}, which asked for {} of the same device on {}"
    status = pl.col("asked").fill_null("another status")
    return behind.with_columns(
        why=pl.lit(Why.NEWER_RUN.value),
        reason=pl.format(told, "run_id", status, pl.col("at").dt.strftime(_AT)),
    )


def _among_each_other(due: pl.DataFrame) -> pl.DataFrame:
    later = [pl.when(_overtaken(kind)).then(pl.lit(Why.LATER_ROW.value)) for kind in IDS]
    same = [pl.when(_contradicted(kind)).then(pl.lit(Why.CONTRADICTION.value)) for kind in IDS]
    reasons = [
        *(pl.when(_overtaken(kind)).then(_overtaking(kind)) for kind in IDS),
        *(pl.when(_contradicted(kind)).then(_contradiction(kind)) for kind in IDS),
    ]
    told = due.with_columns(why=pl.coalesce([*later, *same]), reason=pl.coalesce(reasons))
    return told.filter(pl.col("why").is_not_null())


def _overtaken(kind: str) -> pl.Expr:
    moment = pl.col("effective_at")
    return pl.col(kind).is_not_null() & (moment < moment.max().over(kind))


def _overtaking(kind: str) -> pl.Expr:
    return pl.format("overtaken by {}, which was due later", _source().sort_by("effective_at").last().over(kind))


def _contradicted(kind: str) -> pl.Expr:
    return pl.col(kind).is_not_null() & (pl.col("desired").n_unique().over(kind, "effective_at") > 1)


def _contradiction(kind: str) -> pl.Expr:
    """Names the first row of the other opinion: the smallest and the largest wish are two of them."""
    of_moment = (kind, "effective_at")
    low = _source().sort_by("desired").first().over(of_moment)
    high = _source().sort_by("desired").last().over(of_moment)
    lowest = pl.col("desired").min().over(of_moment)
    other = pl.when(pl.col("desired") == lowest).then(high).otherwise(low)
    return pl.format(
        "asks for {}, but {} asks for another status of the same device at the same moment", "desired", other
    )


def _source() -> pl.Expr:
    return pl.format("{} row {}", "file", "row")
