"""The CSV files of a run of SIM actions: they open in a spreadsheet unharmed, and retry.csv loads again as input."""

from pathlib import Path

import polars as pl

from schemas.statuses import Action
from schemas.tables import Results, empty
from simtandem.reports.result_files import write_columns

_DEVICE = ("row", "action", "sim_id", "iccid", "endpoint_id", "bic")
PLAN = (*_DEVICE, "sim_status", "endpoint_status", "before", "after", "steps", "reason")
RESULTS = (*_DEVICE, "before", "after", "outcome", "verdict", "reason", "attempts", "http_status", "error")
TEMPLATE = ("action", "iccid", "sim_id", "endpoint_id")
RETRY = ("action", "sim_id", "endpoint_id", "iccid", "bic", "status")


def write_action_plan(plan: pl.DataFrame, path: Path, own: pl.DataFrame) -> None:
    """Write a `schemas.sim_actions.ActionPlan` as plan.csv: what will be sent for each row, or why nothing will.

    Here and in the other files, `own` has the operator's own columns (`schemas.own_columns`), which come last.
    """
    sent = pl.when(pl.col("decision") == Action.CHANGE).then("action").otherwise(pl.lit(""))
    unchanged = (pl.col("decision") == Action.UNCHANGED) & (pl.col("reason") == "")
    reason = pl.when(unchanged).then(pl.lit("already in target state")).otherwise("reason")
    write_columns(plan, path, PLAN, {"steps": sent, "reason": reason}, own)


def write_action_results(results: pl.DataFrame, path: Path, own: pl.DataFrame) -> None:
    """Write a `schemas.sim_actions.ActionResults` as results.csv: what became of each input row."""
    write_columns(results, path, RESULTS, own=own)


def write_action_retry(rows: pl.DataFrame, path: Path, own: pl.DataFrame) -> None:
    """Write rows that ask for actions, and have `row`, as an input file."""
    write_columns(rows, path, RETRY, own=own)


def write_action_template(rows: pl.DataFrame, path: Path) -> None:
    """Write rows whose SIMs an operator fills in: endpoints that wait for one."""
    write_columns(rows, path, TEMPLATE)


def as_results(results: pl.DataFrame) -> pl.DataFrame:
    """The results as `schemas.tables.Results`, for reports that know those: the action stands as what is asked."""
    what = pl.col("action").str.replace_all("_", " ", literal=True)
    named = {
        "desired": pl.concat_str(what, pl.coalesce(pl.format(" {}", "bic"), pl.lit(""))),
        "endpoint_outcome": pl.col("outcome"),
        "sim_outcome": pl.lit(None, pl.String),
    }
    order = empty(Results).columns
    nothing = {name: pl.lit(None, pl.String) for name in order if name not in (*results.columns, *named)}
    return results.with_columns(**named, **nothing).select(order)
