"""SIMs that the carrier perhaps moved on a run's call to their endpoint. Pure.

A run sends no such call while a SIM is in a status that has this effect (`Status.touched`), but someone may put it
there between the look and the call. Nothing shows afterwards who moved it: what is said here is a suspicion.
"""

from collections.abc import Iterable

import polars as pl

from schemas.statuses import Cause, Half, Outcome
from simtandem.domain.attribution import CLOCK_SKEW
from simtandem.domain.lifecycle import Lifecycle

OWN_CALL = "this run's own endpoint call"
"""In each sentence about such a SIM, and in no other."""

AFTER_CALL = "found so after this run's call to its endpoint"
"""What is recorded of a SIM's step that was found done, where the endpoint had been changed before."""
BESIDE = f"perhaps because of {OWN_CALL}"

_SENT = [Outcome.APPLIED.value, Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]


def suspected(lifecycle: Lifecycle) -> pl.Expr:
    """Of rows as `simtandem.domain.verdicts` judges them: what to suspect of this run's call; null where nothing.

    The call was carried out, or perhaps was; the SIM is where such a call moves it, neither where the plan saw it nor
    where its own step put it.
    """
    called = _sent(Half.ENDPOINT)
    elsewhere = pl.col("sim_now") != pl.col("sim_before")
    by_step = _sent(Half.SIM) & (pl.col("sim_now") == pl.col("sim_after"))
    told = _told(lifecycle)
    way = pl.format("{}>{}", "sim_before", "sim_now")
    known = way.replace_strict(told, default=None, return_dtype=pl.String) if told else pl.lit(None, pl.String)
    return pl.when(called & elsewhere.fill_null(value=False) & ~by_step.fill_null(value=False)).then(known)


def as_planned(lifecycle: Lifecycle) -> pl.Expr:
    """As `suspected`, where the SIM is as asked: the call to its endpoint may have moved it there; null where not."""
    ways = {f"{one.name}>{to}": _come(lifecycle, one.name, to) for one in lifecycle.sims for to in _targets(lifecycle)}
    known = {way: told for way, told in ways.items() if told}
    way = pl.format("{}>{}", "sim_before", "sim_now")
    told = way.replace_strict(known, default=None, return_dtype=pl.String) if known else pl.lit(None, pl.String)
    return pl.when((pl.col("sim_error") == AFTER_CALL) & (pl.col("sim_now") == pl.col("sim_after"))).then(told)


def other_sim(lifecycle: Lifecycle) -> pl.Expr:
    """Which other SIM the row's endpoint has by now, and where that is; null where it has none."""
    called = _sent(Half.ENDPOINT) & pl.col("beside_status").is_in(list(_targets(lifecycle)))
    suspicion = pl.when(called.fill_null(value=False)).then(pl.lit(f", {BESIDE}")).otherwise(pl.lit(""))
    return pl.format(
        "endpoint {} belongs to SIM {} now, which is {}{}",
        "endpoint_id",
        "beside_id",
        pl.col("beside_status").fill_null("unknown"),
        suspicion,
    )


def warning(results: pl.DataFrame, lifecycle: Lifecycle) -> str:
    """How many SIMs of results are charged, perhaps because of this run's calls to their endpoints; empty for none."""
    now = pl.col("after").str.split("+").list.first()
    reason = pl.col("reason")
    charged = now.is_in(list(lifecycle.charged)) | reason.str.contains(BESIDE, literal=True)
    count = results.filter(reason.str.contains(OWN_CALL, literal=True), charged)["sim_id"].n_unique()
    if not count:
        return ""
    sims = "1 SIM is" if count == 1 else f"{count:,} SIMs are"
    return (
        f"{sims} charged, perhaps because of {OWN_CALL}, and not counted as newly billed: someone moved the SIM "
        "shortly before that call. Each such row's reason says so."
    )


def explained(told: pl.DataFrame, steps: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Changes with causes (`schemas.tables.Explained`); where simtandem's endpoint call is a likely one, that is added.

    `steps` are simtandem's (`schemas.tables.Steps`). A call is likely where the SIM can have come to where it moves it,
    and was sent when the event is dated, or without an event between the two looks.
    """
    moves = [way for way in _told(lifecycle) if _by(lifecycle, *way.split(">"))]
    open_cause = (pl.col("half") == Half.SIM) & (pl.col("cause") != Cause.OURS)
    suspects = told.with_row_index("number").filter(open_cause, pl.format("{}>{}", "before", "after").is_in(moves))
    calls = steps.filter(pl.col("half") == Half.ENDPOINT).select(
        endpoint_id="ident", call_at="at", call_run="run_id", call_row="row"
    )
    first, last = (pl.coalesce("at", bound) for bound in ("since", "seen"))
    near = pl.col("call_at").is_between(first - CLOCK_SKEW, last + CLOCK_SKEW)
    found = suspects.join(calls, on="endpoint_id").filter(near).sort("call_at").unique("number", keep="last")
    added = pl.format(
        "; perhaps on simtandem's call to its endpoint at {} (run {}, row {})",
        pl.col("call_at").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "call_run",
        "call_row",
    )
    joined = told.with_row_index("number").join(found.select("number", added=added), on="number", how="left")
    explanation = pl.concat_str("explanation", pl.col("added").fill_null(""))
    return joined.sort("number").with_columns(explanation=explanation).select(told.columns)


def _sent(half: Half) -> pl.Expr:
    return (pl.col(f"{half}_step") & pl.col(f"{half}_outcome").is_in(_SENT)).fill_null(value=False)


def _told(lifecycle: Lifecycle) -> dict[str, str]:
    """What to say of a SIM that was in one status and is in another, as "before>now"."""
    return {
        f"{before.name}>{target}": _sentence(lifecycle, before.name, target)
        for before in lifecycle.sims
        for target in _targets(lifecycle)
    }


def _targets(lifecycle: Lifecycle) -> set[str]:
    """Where calls to endpoints move SIMs."""
    return {one.touched for one in lifecycle.sims if one.touched}


def _come(lifecycle: Lifecycle, before: str, target: str) -> str:
    """What to say of a SIM that was to go there, and was found there after its endpoint's call; empty for nothing."""
    likely = _by(lifecycle, before, target)
    if not likely:
        return ""
    return (
        f"the SIM was {target} before its own call was sent: changed by someone else (API or Portal), or by {OWN_CALL} "
        f"(the carrier does that to a SIM in {_either(likely)} as soon as its endpoint is changed)"
    )


def _sentence(lifecycle: Lifecycle, before: str, target: str) -> str:
    by = [one.name for one in lifecycle.sims if one.touched == target]
    likely = _by(lifecycle, before, target)
    does = f"the carrier does that to a SIM in {_either(likely or by)} as soon as its endpoint is changed"
    if likely:
        return f"{OWN_CALL} most likely moved its SIM to {target} ({does})"
    return f"changed by someone else (API or Portal), by the carrier, or by {OWN_CALL} ({does})"


def _by(lifecycle: Lifecycle, before: str, target: str) -> list[str]:
    """From which statuses a call to the endpoint can have moved a SIM to `target` that was in `before`."""
    reached = _reached(lifecycle, before, target)
    return [one.name for one in lifecycle.sims if one.touched == target and one.name in reached]


def _reached(lifecycle: Lifecycle, before: str, never: str) -> set[str]:
    """The statuses that a SIM can legally have come to from `before`, without having been in `never`."""
    reached, new = set[str](), {before}
    while new:
        reached |= new
        new = {after for at, after in lifecycle.sim_moves if at in reached} - reached - {never}
    return reached


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
