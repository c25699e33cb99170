"""Devices of a run as rows for a page that shows only some: what went wrong, or can't be done, comes first."""

import polars as pl

from schemas import own_columns
from schemas.own_columns import Places
from schemas.statuses import Action, Verdict

_ONE_FILE = Places(own_columns.none())
_PLAN_ORDER = {Action.REFUSED: 1, Action.CHANGE: 2, Action.REPEAT: 3, Action.UNCHANGED: 4}
_VERDICT_ORDER = [
    Verdict.REFUSED,
    Verdict.FAILED,
    Verdict.UNKNOWN,
    Verdict.INVALID,
    Verdict.CHANGED_BY_OTHERS,
    Verdict.SKIPPED,
    Verdict.IN_SYNC,
]


def of_plan(
    plan: pl.DataFrame, rejected: pl.DataFrame, limit: int, places: Places = _ONE_FILE
) -> list[dict[str, object]]:
    """The first devices of a `schemas.tables.Plan` and of its `Rejected`: invalid, refused, changes, the others."""
    invalid = rejected.sort("row").head(limit)
    invalid = invalid.select(
        "row",
        pl.lit("invalid").alias("action"),
        *(pl.lit(None, pl.String).alias(name) for name in ("sim", "iccid", "endpoint", "now", "then")),
        why=pl.format("{} '{}': {}", "column", "value", "reason"),
    )
    ranks = pl.col("action").replace_strict(_PLAN_ORDER, default=5, return_dtype=pl.Int64)
    devices = plan.sort(ranks, "row").head(limit)
    shown = devices.select(
        "row",
        action="action",
        sim="sim_id",
        iccid="iccid",
        endpoint="endpoint_id",
        now=_pair("sim_before", "endpoint_before"),
        then=_pair("sim_after", "endpoint_after"),
        why="reason",
    )
    return _placed(pl.concat([invalid, shown]).head(limit), places)


def of_result(results: pl.DataFrame, limit: int, places: Places = _ONE_FILE) -> list[dict[str, object]]:
    """The first rows of a `schemas.tables.Results`: refused and failed first, what is in sync last."""
    ranks = pl.col("verdict").replace_strict(
        {verdict: rank for rank, verdict in enumerate(_VERDICT_ORDER)}, default=0, return_dtype=pl.Int64
    )
    why = pl.when(pl.col("error") != "").then("error").otherwise("reason")
    shown = results.sort(ranks, "row").head(limit)
    told = shown.select(
        "row",
        verdict=pl.col("verdict").str.replace_all("_", " "),
        sim="sim_id",
        iccid="iccid",
        endpoint="endpoint_id",
        before="before",
        after="after",
        why=why,
    )
    return _placed(told, places)


def _placed(rows: pl.DataFrame, places: Places) -> list[dict[str, object]]:
    """The rows, each where it is in a list of several files."""
    return (rows if places.known is None else rows.with_columns(row=places.named(rows, "row"))).to_dicts()


def _pair(sim: str, endpoint: str) -> pl.Expr:
    """Both statuses, of those that there are."""
    return pl.concat_str(sim, endpoint, separator=" + ", ignore_nulls=True)
