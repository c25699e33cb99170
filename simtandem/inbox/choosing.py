"""Which of the rows that are due are carried out. Pure: polars in, polars out.

Where several rows name one device by the same id, the one that became effective last counts: a worker that was away
over the weekend doesn't switch off on Monday what Monday switches on. If those of one moment want different things,
none of them counts, whichever file came first: nobody can tell which is meant, and an activation that was not meant is
billed for a whole month. To settle it, cancel one of the two schedules before they are due, or ask again afterwards.
"""

import polars as pl

from simtandem.intake.header import IDS

DUE = pl.Schema(
    {
        "schedule_id": pl.String(),
        "file": pl.String(),
        "effective_at": pl.Datetime("ms", "UTC"),
        "row": pl.Int64(),
        "device": pl.Int64(),  # the row itself, or the one it repeats
        **dict.fromkeys(IDS, pl.String()),
        "desired": pl.String(),
    }
)


def left_out(due: pl.DataFrame) -> pl.DataFrame:
    """The rows of a `DUE` table that are not carried out: `schedule_id`, `row`, `reason`. Repeats share their fate."""
    told = due.select("schedule_id", "device", reason=pl.coalesce(_reason(kind) for kind in IDS)).drop_nulls()
    first = told.unique(["schedule_id", "device"], keep="first", maintain_order=True)
    return due.join(first, on=["schedule_id", "device"], maintain_order="left").select("schedule_id", "row", "reason")


def contradictions(due: pl.DataFrame) -> pl.DataFrame:
    """The rows of a `DUE` table that others of the very same moment contradict: `schedule_id`, `row`, `reason`."""
    reasons = [pl.when(_contradicted(kind)).then(_contradiction(kind)) for kind in IDS]
    return due.select("schedule_id", "row", reason=pl.coalesce(reasons)).drop_nulls()


def _reason(kind: str) -> pl.Expr:
    moment, named = pl.col("effective_at"), pl.col(kind).is_not_null()
    overtaken = named & (moment < moment.max().over(kind))
    why = pl.format("overtaken by {}, which was due later", _source().sort_by("effective_at").last().over(kind))
    return pl.when(overtaken).then(why).when(_contradicted(kind)).then(_contradiction(kind))


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
