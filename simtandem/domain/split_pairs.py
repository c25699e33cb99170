"""Pairs whose halves disagree: which they are, what they cost, and a pair as one text. Pure.

The one rule, for any carrier with two halves:

- a charged SIM beside an endpoint that is off pays and can't work;
- a charged SIM without an endpoint, or beside one in a final status, pays for nothing: a final endpoint never works
  again, so it counts as none;
- a SIM that is neither charged nor on, where its goal wants the endpoint off, appears active beside an endpoint that is
on;
- an endpoint without a SIM can never work.

A SIM at rest before use (Issued at emnify) is described by no goal and is not split, with any endpoint. Without
endpoints nothing is split.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from schemas.statuses import Finding
from simtandem.domain.lifecycle import Lifecycle

SPLIT = (Finding.PAYING_BUT_OFF, Finding.SIM_WITHOUT_ENDPOINT, Finding.ON_BUT_DEAD)
"""The kinds of split pairs that have a SIM, those that cost money first."""

NO_SIM, NO_ENDPOINT = "no SIM", "no endpoint"


def split(lifecycle: Lifecycle, sim: str | None, endpoint: str | None, *, alone: bool) -> Finding | None:
    """How this pair is split; None where it is not, or where a status is not known.

    `alone`: there is no endpoint; else an `endpoint` of None was not read.
    """
    if sim is None or not lifecycle.has_endpoints:
        return None
    status = lifecycle.sim(sim)
    beside = None if endpoint is None else lifecycle.endpoint(endpoint)
    if status.charged and (alone or (beside is not None and beside.final)):
        return Finding.SIM_WITHOUT_ENDPOINT
    if beside is None:
        return None
    if status.charged:
        return None if beside.on else Finding.PAYING_BUT_OFF
    meant_off = any(goal.sim == sim and lifecycle.switches_off(goal) for goal in lifecycle.goals)
    return Finding.ON_BUT_DEAD if beside.on and meant_off else None


def pair(sim: str, endpoint: str, lifecycle: Lifecycle) -> pl.Expr:
    """Two status columns as one text, "Issued+Disabled"; a missing half is named, two missing halves are null.

    Without endpoints it is the SIM's status alone.
    """
    if not lifecycle.has_endpoints:
        return pl.col(sim)
    halves = pl.format("{}+{}", pl.col(sim).fill_null(NO_SIM), pl.col(endpoint).fill_null(NO_ENDPOINT))
    return pl.when(pl.col(sim).is_not_null() | pl.col(endpoint).is_not_null()).then(halves)


def halves(told: str) -> tuple[pl.Expr, pl.Expr]:
    """The two statuses of a text as `pair` makes it; null for a half that does not exist or that is not given."""
    parts = pl.col(told).str.split("+")
    sim, endpoint = (parts.list.get(place, null_on_oob=True) for place in (0, 1))
    return (
        pl.when(~sim.is_in(["", NO_SIM])).then(sim),
        pl.when(endpoint != NO_ENDPOINT).then(endpoint),
    )


def split_as(told: str, lifecycle: Lifecycle) -> pl.Expr:
    """How the pair in a text column (as of `pair`) is split: a `Finding`, or null."""
    return pl.col(told).replace_strict(_every_split(lifecycle), default=None, return_dtype=pl.String)


def goal_of(sim: str, endpoint: str, lifecycle: Lifecycle) -> pl.Expr:
    """The word of the goal that describes exactly the pair in these two columns; null where none does."""
    words: Mapping[str, str] = {
        f"{goal.sim}+{goal.endpoint}" if lifecycle.has_endpoints else goal.sim: goal.word for goal in lifecycle.goals
    }
    return pair(sim, endpoint, lifecycle).replace_strict(words, default=None, return_dtype=pl.String)


def _every_split(lifecycle: Lifecycle) -> dict[str, str]:
    beside: Iterable[str | None] = (None, *(one.name for one in lifecycle.endpoints))
    found = {
        f"{sim.name}+{endpoint or NO_ENDPOINT}": split(lifecycle, sim.name, endpoint, alone=endpoint is None)
        for sim in lifecycle.sims
        for endpoint in beside
    }
    return {told: finding.value for told, finding in found.items() if finding is not None}
