"""What is left of a plan once other runs have changed devices since it was made. Pure."""

import polars as pl

from schemas.statuses import Action, Half, Outcome
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.messages import with_owners
from simtandem.domain.split_pairs import pair
from simtandem.domain.verdicts import add_refusals, is_now, look

_MOVED = "moved since the plan was made"


def obsolete_steps(
    plan: pl.DataFrame, fresh: pl.DataFrame, owners: pl.DataFrame | None, lifecycle: Lifecycle
) -> dict[Half, pl.DataFrame]:
    """The steps that are not sent any more, by half: `row`, `outcome`, `error`, and `now`, the half's status.

    A step that is there already is unchanged. A device that is neither where the plan saw it nor where it wants it, or
    whose way on from where it is would not be legal, is held. What is not mentioned is to be sent as planned. `fresh`
    is an inventory and `owners` a table as in `schemas.tables.Owners`, both read now.
    """
    looked = look(plan.filter(pl.col("action") == Action.CHANGE), fresh, owners)
    looked = looked.with_columns(state=pl.coalesce(pair("sim_now", "endpoint_now", lifecycle), pl.lit("")))
    looked = looked.with_columns(expected=_expected(), now=with_owners("state", "owners_now"))
    looked = looked.join(_barred(looked, lifecycle), on="row", how="left").with_columns(why=_why())
    return {half: _ended(looked, half) for half in Half}


def _known() -> pl.Expr:
    return pl.col("seen") & ~pl.col("moved")


def _expected() -> pl.Expr:
    """Whether each half is where the plan saw it or where it wants it."""
    return _known() & pl.all_horizontal(is_now(half, "before") | is_now(half, "after") for half in Half)


def _barred(looked: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Of pairs that are half there, those whose other half may not follow, and why.

    A SIM can have come to a status in which the carrier moves it as soon as its endpoint is changed.
    """
    both = pl.col("sim_step") & pl.col("endpoint_step") & pl.col("expected")
    half_there = looked.filter(both & (is_now(Half.SIM, "after") != is_now(Half.ENDPOINT, "after")))
    return add_refusals(half_there, "barred", lifecycle).select("row", "barred")


def _why() -> pl.Expr:
    """What keeps a device from being sent; null where nothing does."""
    return (
        pl.when(~pl.col("seen"))
        .then(pl.lit(f"{_MOVED}: the carrier does not show it now"))
        .when("moved")
        .then(
            pl.format(
                f"{_MOVED}: its endpoint is {{}} now{{}}",
                pl.col("endpoint_id_now").fill_null("none"),
                pl.coalesce(pl.format(", and endpoint {} has SIM {}", "endpoint_id", "beside_id"), pl.lit("")),
            )
        )
        .when(~pl.col("expected"))
        .then(pl.format(f"{_MOVED}: it is {{}} now", "now"))
        .when(pl.col("barred").is_not_null())
        .then(pl.format(f"{_MOVED}: it is {{}} now; {{}}", "now", "barred"))
    )


def _ended(looked: pl.DataFrame, half: Half) -> pl.DataFrame:
    there = _known() & is_now(half, "after")
    outcome = (
        pl.when(there)
        .then(pl.lit(Outcome.UNCHANGED.value))
        .when(pl.col("why").is_not_null())
        .then(pl.lit(Outcome.HELD.value))
    )
    error = pl.when(there).then(pl.lit("")).otherwise("why")
    steps = looked.filter(pl.col(f"{half}_step")).select("row", outcome=outcome, error=error, now=f"{half}_now")
    return steps.filter(pl.col("outcome").is_not_null())
