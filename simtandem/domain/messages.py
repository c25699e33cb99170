"""The sentences a verdict is explained with, as expressions over a judged table. Pure.

They read the columns `simtandem.domain.verdicts` makes: `after` is the two halves as one text, `now` and `asked` are
that with the owners that were asked for behind it, `barred` is why no run can bring the device from there to what is
asked, `suspected` what is suspected of this run's own call, `as_planned` the same of a SIM that is as asked,
`other_sim` which SIM the endpoint has instead, and `worst_half`, `worst_outcome`, `http_status` and `error` describe
the step that ended worst.
"""

import polars as pl

from schemas.statuses import Finding, Half, Outcome, Verdict
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.split_pairs import halves, split_as

_SPLIT = {
    Finding.PAYING_BUT_OFF: "charged although off",
    Finding.SIM_WITHOUT_ENDPOINT: "charged for nothing",
    Finding.ON_BUT_DEAD: "appears active but can't connect, costs nothing",
}
_ENDED = {
    Outcome.REFUSED: "the carrier refused the {} step",
    Outcome.FAILED: "the {} step failed",
    Outcome.UNKNOWN: "the {} step was never answered",
    Outcome.ACCEPTED: "the carrier accepted the {} step, and it does not show yet",
    Outcome.HELD: "the {} step was not sent",
}

_HALF_DONE = {
    Half.SIM: "partly changed: the SIM is changed, its endpoint was not sent",
    Half.ENDPOINT: "partly changed: the endpoint is changed, its SIM was not sent",
}


def with_owners(state: str, owners: str) -> pl.Expr:
    """A state as text, and whose the SIM is where that is asked."""
    return pl.concat_str(state, pl.coalesce(pl.format(", {}", owners), pl.lit("")))


def sentence(lifecycle: Lifecycle) -> pl.Expr:
    """Why a row got its `verdict` and what to do about it; empty where it is plainly in sync."""
    verdict = pl.col("verdict")
    return (
        pl.when(verdict.is_in([Verdict.REFUSED.value, Verdict.INVALID.value]))
        .then("reason")
        .when(verdict == Verdict.IN_SYNC)
        .then(pl.coalesce(pl.format("as asked, although {}", _ended()), _as_planned(), _unlooked(), pl.lit("")))
        .when(verdict == Verdict.UNKNOWN)
        .then(pl.format("{}; run again to read it{}", _unseen(), _also_ended()))
        .when(verdict == Verdict.SKIPPED)
        .then(pl.concat_str(_skipped(), _split(lifecycle)))
        .when(verdict == Verdict.CHANGED_BY_OTHERS)
        .then(pl.concat_str(_changed_by_others(), _also_ended(), _split(lifecycle)))
        .otherwise(pl.concat_str(_failed(), _split(lifecycle)))
    )


def _ended() -> pl.Expr:
    """How the worst step ended, with what the carrier said; null if every step went well."""
    half = pl.col("worst_half").replace({"sim": "SIM"})
    ended = pl.coalesce(
        pl.when(pl.col("worst_outcome") == outcome).then(pl.format(text, half)) for outcome, text in _ENDED.items()
    )
    status = pl.coalesce(pl.format(" (HTTP {})", "http_status"), pl.lit(""))
    error = pl.when(pl.col("error") != "").then(pl.format(": {}", "error")).otherwise(pl.lit(""))
    return pl.concat_str(ended, status, error)


def _also_ended() -> pl.Expr:
    return pl.coalesce(pl.format("; {}", _ended()), pl.lit(""))


def _unseen() -> pl.Expr:
    shown = pl.lit("the fresh look at the carrier does not show it")
    return pl.when("looked").then(shown).otherwise(pl.lit("it was not looked at again"))


def _unlooked() -> pl.Expr:
    return pl.when(~pl.col("looked")).then(pl.lit("by the carrier's answers; it was not looked at again"))


def _as_planned() -> pl.Expr:
    return pl.format("as asked; {}", "as_planned")


def _skipped() -> pl.Expr:
    """Not sent, or not sent in full: then the half that is done is named."""
    done = [pl.when(_is_done(half)).then(pl.lit(told)) for half, told in _HALF_DONE.items()]
    back = pl.when(pl.col("attempts") > 0).then(pl.lit("put back"))
    did = pl.coalesce(*done, back, pl.lit("nothing was sent"))
    why = pl.when(pl.col("error") != "").then(pl.format(" ({})", "error")).otherwise(pl.lit(""))
    again = _unless_barred(pl.lit("run again to change it"))
    return pl.format("{}{}: it is {}, asked for {}; {}", did, why, "now", "asked", again)


def _is_done(half: Half) -> pl.Expr:
    """Whether this run changed a half; one that was found changed is not its work."""
    return pl.col(f"{half}_outcome") == Outcome.APPLIED


def _unless_barred(advice: pl.Expr) -> pl.Expr:
    """What to do next, where that isn't refused; where it is, why, unless it was said before."""
    told = pl.col("error").str.contains(pl.col("barred"), literal=True).fill_null(value=False)
    refused = pl.concat_str(
        pl.lit("no run can change that"), pl.when(~told).then(pl.format(": {}", "barred")).otherwise(pl.lit(""))
    )
    return pl.when(pl.col("barred").is_not_null()).then(refused).otherwise(advice)


def _changed_by_others() -> pl.Expr:
    """Who changed it, as far as the record shows: `by_run` is the other run that put it where it is."""
    partner = pl.format("SIM {} belongs to endpoint {} now", "sim_id", pl.col("endpoint_id_now").fill_null("none"))
    partner = pl.concat_str(partner, pl.coalesce(pl.format(", {}", "other_sim"), pl.lit("")))
    who = pl.coalesce(
        pl.when("moved").then(partner),
        pl.format("changed by simtandem (run {})", "by_run"),
        pl.col("suspected"),
        pl.lit("changed by someone else (API or Portal) or by the carrier"),
    )
    known = pl.col("by_run").is_not_null() & ~pl.col("moved")
    compare = pl.lit("compare that run with this one before you send either again")
    alone = pl.concat_str(pl.lit("find out who changed it"), _unless_barred(pl.lit(None, pl.String)), separator="; ")
    find_out = pl.coalesce(alone, pl.lit("find out who changed it, then run again"))
    next_step = pl.when(known).then(compare).otherwise(find_out)
    return pl.format("{}: it is {}, asked for {}; {}", who, "now", "asked", next_step)


def _failed() -> pl.Expr:
    what = pl.coalesce(_ended(), pl.lit("a step has no outcome"))
    again = _unless_barred(pl.lit("retry sends what is still open"))
    return pl.format("{}; it is {}, asked for {}; {}", what, "now", "asked", again)


def _split(lifecycle: Lifecycle) -> pl.Expr:
    """What a split pair costs, for every pair that is one now."""
    sim, endpoint = halves("after")
    article = pl.when(endpoint.str.contains("^[AEIOU]")).then(pl.lit("an")).otherwise(pl.lit("a"))
    beside = pl.coalesce(pl.format("with {} {} endpoint", article, endpoint), pl.lit("without an endpoint"))
    cost = split_as("after", lifecycle).replace_strict(_SPLIT, default=None, return_dtype=pl.String)
    return pl.coalesce(pl.format("; split pair: {} SIM {}: {}", sim, beside, cost), pl.lit(""))
