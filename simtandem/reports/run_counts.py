"""What a run did, in numbers that come from its results alone: never from its plan. Pure.

Rows that repeat another row have its outcomes, and a device may be named twice: each device, SIM and endpoint counts
once.
"""

from dataclasses import dataclass

import polars as pl

from schemas.statuses import Half, Outcome, Verdict
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.split_pairs import halves
from simtandem.domain.verdicts import half_done


def newly_billed_means(lifecycle: Lifecycle) -> str:
    """The one meaning of the word, for plans (SIMs it would move) and for runs (SIMs it moved)."""
    charged = " or ".join(lifecycle.charged)
    moves = lifecycle.sim_moves | lifecycle.moves_given_by.keys()
    sources = [one.name for one in lifecycle.sims if any((one.name, paid) in moves for paid in lifecycle.charged)]
    if not sources:
        return "No SIM counts as newly billed: no status that this carrier bills is known."
    if not charge_words.known(lifecycle):
        return (
            f"Newly {charged} are the SIMs that a run moved there from {_either(sources)}, each once; "
            f"{charge_words.THE_CONTRACTS}."
        )
    return (
        f"Newly billed are the SIMs that a run moved from {_either(sources)} to {charged}, each once. One that was "
        f"{charged} earlier in the same calendar month (UTC) is counted, although that month costs no more for it."
    )


def _either(words: list[str]) -> str:
    """As "A, B or C"."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


_APPLIED = pl.lit(Outcome.APPLIED.value)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was changed, as confirmed by the carrier's answers or seen afterwards; and the rows that were not sent.

    `devices`, `sims`, `endpoints` and `owners` (SIMs that got another owner) had a step applied. `newly_billed` and
    `no_longer_billed` are SIMs that became Activated, and Suspended from that. `unchanged` devices are in sync without
    a step of this run. `half_done` and `not_begun` are rows and add up to those that are skipped.
    """

    devices: int
    sims: int
    endpoints: int
    owners: int
    newly_billed: int
    no_longer_billed: int
    unchanged: int
    half_done: int
    not_begun: int


def figures(results: pl.DataFrame, lifecycle: Lifecycle) -> Figures:
    """Count the results of a run (`schemas.tables.Results`; the verdict may be null)."""
    sim, endpoint = (pl.col(f"{half}_outcome").eq_missing(_APPLIED) for half in Half)
    now, was = halves("after")[0], halves("before")[0]
    charged, was_charged = (status.is_in(list(lifecycle.charged)).fill_null(value=False) for status in (now, was))
    # A call without answer that took effect was the run's as well.
    moved = pl.col("sim_outcome").eq_missing(pl.lit(Outcome.UNKNOWN.value))
    bills, saves = (
        pl.col("desired").is_in([goal.word for goal in goals]) for goals in (lifecycle.charging, lifecycle.saving)
    )
    on = bills & ~was_charged & (sim | (moved & charged))
    saved = now.is_in([goal.sim for goal in lifecycle.saving])
    unnamed = pl.col("desired").is_null() & pl.col("owners").is_null() & saved  # an undo, to what no status asks for
    off = (saves | unnamed) & was_charged & (sim | (moved & saved))
    other_owner = sim & pl.col("owners").is_not_null() & pl.col("owners").ne_missing(pl.col("owners_before"))
    half = int(half_done(results).sum())
    return Figures(
        devices=_distinct(results, sim | endpoint, "sim_id", "endpoint_id"),
        sims=_distinct(results, sim, "sim_id"),
        endpoints=_distinct(results, endpoint, "endpoint_id"),
        owners=_distinct(results, other_owner, "sim_id"),
        newly_billed=_distinct(results, on, "sim_id"),
        no_longer_billed=_distinct(results, off, "sim_id"),
        unchanged=_distinct(
            results, (pl.col("verdict") == Verdict.IN_SYNC) & ~sim & ~endpoint, "sim_id", "endpoint_id"
        ),
        half_done=half,
        not_begun=results.filter(pl.col("verdict") == Verdict.SKIPPED).height - half,
    )


def _distinct(results: pl.DataFrame, which: pl.Expr, *device: str) -> int:
    return results.filter(which).select(device).unique().height
