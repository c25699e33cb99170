"""Turn a run of SIM actions around: what it did, as the wishes that take it back. Pure.

Only actions that the run is known to have carried out, or has sent without an answer, are turned around. What a later
run of SIM actions has sent for the same endpoint is that run's business: those rows are refused.
"""

from collections.abc import Collection, Mapping

import polars as pl

from schemas.sim_actions import ActionPlan, ActionWishes
from schemas.statuses import Action, Outcome
from schemas.tables import empty
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import rule_of

_SENT = (Outcome.APPLIED.value, Outcome.UNKNOWN.value)


def inverse_wishes(
    plan: pl.DataFrame, outcomes: pl.DataFrame, called: Collection[str], lifecycle: Lifecycle
) -> tuple[pl.DataFrame, list[str]]:
    """The wishes (`ActionWishes`) that take a run back, under its row numbers, and why some of it can't go back.

    `plan` and `outcomes` are the run's, and `called` the endpoints that a call of it named: a killed run leaves calls
    without an outcome.
    """
    ended = dict(outcomes.select("row", "outcome").iter_rows())
    rows, lost = [], dict[str, int]()
    for row in plan.filter(pl.col("decision") == Action.CHANGE).iter_rows(named=True):
        end = ended.get(row["row"])
        if end not in _SENT and not (end is None and row["endpoint_id"] in called):
            continue
        rule = rule_of(lifecycle.actions, row["action"])
        if rule is None or rule.undone_by is None:
            why = rule.no_undo if rule else f"{lifecycle.carrier} has no such action"
            lost[why] = lost.get(why, 0) + 1
            continue
        rows.append({**dict.fromkeys(_WISHES), **{name: row[name] for name in _DEVICE}, "action": rule.undone_by.value})
    notes = [f"{count:,} can't be undone: {why}." for why, count in sorted(lost.items())]
    return pl.DataFrame(rows, schema=empty(ActionWishes).schema, orient="row"), notes


_WISHES = list(ActionWishes.to_schema().columns)
_DEVICE = ("row", "sim_id", "endpoint_id")


def without_later(plan: pl.DataFrame, later: Mapping[str, str]) -> pl.DataFrame:
    """A plan of an undo, its changes refused where a later run sent something for the same endpoint (id, run)."""
    run = pl.col("endpoint_id").replace_strict(dict(later), default=None, return_dtype=pl.String)
    theirs = (pl.col("decision") == Action.CHANGE) & run.is_not_null()
    why = pl.format("run {} has changed this endpoint since; undo that one first", run)
    return ActionPlan.validate(
        plan.with_columns(
            decision=pl.when(theirs).then(pl.lit(Action.REFUSED.value)).otherwise("decision"),
            reason=pl.when(theirs).then(why).otherwise("reason"),
            after=pl.when(~theirs).then("after"),
            idle=pl.col("idle") & ~theirs,
        )
    )
