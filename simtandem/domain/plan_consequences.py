"""What a plan's moves cost besides the monthly charge, and what they don't end, where the lifecycle says so. Pure.

At some carriers a suspended SIM still passes traffic, suspending costs a fee, and the SIM goes back automatically. A
carrier whose lifecycle declares nothing of that has no sentence here.
"""

import polars as pl

from simtandem.domain.lifecycle import Lifecycle


def with_fees(plan: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """The rows of a plan (`schemas.tables.Plan`) whose SIM makes a move with a fee of its own."""
    return _moves(plan, lifecycle).filter(pl.col("fee") != "")


def consequences(plan: pl.DataFrame, lifecycle: Lifecycle) -> list[str]:
    """One sentence for each status that SIMs go to, in the order of the lifecycle, with how many go there."""
    sentences = []
    saving = {goal.sim for goal in lifecycle.saving}
    moves = _moves(plan, lifecycle)
    for status in lifecycle.sims:
        for (fee,), rows in moves.filter(pl.col("sim_after") == status.name).group_by("fee", maintain_order=True):
            said = [str(fee)] if fee else []
            if status.name in saving and status.on:
                said.append("the SIM can still pass traffic")
            if status.leaves and (fee or status.name in saving):
                said.append(status.leaves)
            if said:
                sims = "1 SIM" if rows.height == 1 else f"{rows.height:,} SIMs"
                sentences.append(f"{sims} to {status.name}: {'; '.join(said)}.")
    return sentences


def _moves(plan: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """The plan's rows that change their SIM's status, each with its `fee` as a sentence."""
    moving = plan.filter("sim_step").filter(pl.col("sim_before") != pl.col("sim_after"))
    ways = moving.select("sim_before", "sim_after").unique()
    fees = pl.Series("fee", [lifecycle.fees(*way) for way in ways.iter_rows()], dtype=pl.String)
    return moving.join(ways.with_columns(fees), on=["sim_before", "sim_after"], how="left", maintain_order="left")
