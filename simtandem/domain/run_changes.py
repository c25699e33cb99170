"""What changed about a run's devices while it was at work: by its own steps, and behind its back. Pure.

A half that the run changed makes one change, from before the run to where the step put it. A half that the fresh look
at the end did not show there, or that changed without a step, makes another one: someone, or the carrier, moved it.
"""

from datetime import datetime

import polars as pl

from schemas.statuses import Action, Half, Outcome
from schemas.tables import Changes
from simtandem.domain.split_pairs import halves

_CHANGES = list(Changes.to_schema().columns)
_MOMENT = pl.Datetime("ms", "UTC")

_UNCLEAR = [Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]


def changes(
    plan: pl.DataFrame,
    outcomes: pl.DataFrame,
    results: pl.DataFrame,
    steps: pl.DataFrame,
    started: datetime,
    ended: datetime,
) -> pl.DataFrame:
    """The changes (`schemas.tables.Changes`) of a run, from its plan, outcomes, results and steps (`Steps`).

    Of a step that was never answered only what the fresh look shows is believed.
    """
    planned = plan.filter(pl.col("action").is_in([Action.CHANGE.value, Action.UNCHANGED.value]))
    seen = results.select("row", sim_now=halves("after")[0], endpoint_now=halves("after")[1])
    parts = []
    for half in Half:
        step = steps.filter(pl.col("half") == half).select("row", step_at="at")
        ended_as = outcomes.filter(pl.col("half") == half).select("row", "outcome")
        looked = (
            planned.join(seen, on="row", how="left")
            .join(ended_as, on="row", how="left")
            .join(step, on="row", how="left")
            .with_columns(
                half=pl.lit(half.value),
                ident=f"{half}_id",
                was=f"{half}_before",
                now=f"{half}_now",
            )
        )
        there = pl.col(f"{half}_step") & (
            (pl.col("outcome") == Outcome.APPLIED)
            | (pl.col("outcome").is_in(_UNCLEAR) & (pl.col("now") == pl.col(f"{half}_after")))
        )
        done = looked.with_columns(done=there.fill_null(value=False) & pl.col("step_at").is_not_null())
        done = done.with_columns(left=pl.when("done").then(f"{half}_after").otherwise("was"))
        parts.append(_between(done, "was", "left", pl.lit(started), pl.col("step_at")))
        since = pl.coalesce(pl.when("done").then("step_at"), pl.lit(started).cast(_MOMENT))
        parts.append(_between(done, "left", "now", since, pl.lit(ended)))
    return pl.concat(parts).sort("half", "ident", "seen")


def _between(table: pl.DataFrame, before: str, after: str, since: pl.Expr, seen: pl.Expr) -> pl.DataFrame:
    moved = table.filter(pl.col(before) != pl.col(after))
    whose = [name for name in _CHANGES if name not in ("before", "after", "since", "seen")]
    return moved.select(
        *whose,
        pl.col(before).alias("before"),
        pl.col(after).alias("after"),
        since.cast(_MOMENT).alias("since"),
        seen.cast(_MOMENT).alias("seen"),
    ).select(_CHANGES)
