"""Compare what was asked for with a fresh look at the carrier, and say of every input row what became of it. Pure.

The fresh look decides, not what the calls answered: a step that failed and still shows is in sync, and a step that was
confirmed and does not show was changed by someone else. Interrupted is not failed: a device of which no step went
wrong, and some step was not sent, is skipped, also where one of its halves is done. Where there was no look, the steps'
outcomes say where the halves are. Every input row gets one verdict, so the verdicts add up.
"""

import polars as pl

from schemas.statuses import Action, Half, Outcome, Verdict
from schemas.tables import Plan, Results
from simtandem.domain import own_calls, ownership
from simtandem.domain.device_lookup import Index, index
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.messages import sentence, with_owners
from simtandem.domain.split_pairs import pair

SETTLED = (Verdict.IN_SYNC, Verdict.REFUSED, Verdict.INVALID)
"""Verdicts of rows that a retry leaves alone."""
_PLAN = list(Plan.to_schema().columns)
_RESULTS = list(Results.to_schema().columns)
PUT_BY = pl.Schema({"half": pl.String, "ident": pl.String, "status": pl.String, "run_id": pl.String})
"""Halves that runs put into a status: which, and by which run."""

_DONE = [Outcome.APPLIED.value, Outcome.UNCHANGED.value]
_UNCLEAR = [Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]
_TROUBLE = [Outcome.REFUSED.value, Outcome.FAILED.value, Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]
_SENT = [Outcome.APPLIED.value, *_TROUBLE]
_SEVERITY = {
    Outcome.REFUSED.value: 4,
    Outcome.FAILED.value: 3,
    Outcome.UNKNOWN.value: 2,
    Outcome.ACCEPTED.value: 2,
    Outcome.HELD.value: 1,
}


def results_of(
    plan: pl.DataFrame,
    invalid: pl.DataFrame,
    outcomes: pl.DataFrame,
    after: pl.DataFrame | None,
    lifecycle: Lifecycle,
    owners: pl.DataFrame | None = None,
    others: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One line for each input row (`schemas.tables.Results`): invalid rows, plan rows and repeats, sorted by row.

    `after` is an inventory read after the last step. None says that there is none: then the steps' outcomes decide, and
    where nothing was sent the listing the plan was made from still stands. `owners` (`schemas.tables.Owners`) was read
    then, too, where the plan asks for owners. The last line of a step in `outcomes` counts; without one it was never
    sent. `others` is where other runs put halves meanwhile (`PUT_BY`): a reason names the run that moved a device.
    """
    looked = look(_add_outcomes(plan, outcomes), after, owners)
    judged = looked.with_columns(
        verdict=_verdict(),
        before=pl.coalesce(pair("sim_before", "endpoint_before", lifecycle), pl.lit("")),
        after=pl.coalesce(pl.when("seen").then(pair("sim_now", "endpoint_now", lifecycle)), pl.lit("")),
        asked=pl.coalesce(pair("sim_after", "endpoint_after", lifecycle), pl.lit("")),
    ).with_columns(now=with_owners("after", "owners_now"), asked=with_owners("asked", "owners_after"))
    judged = judged.with_columns(
        suspected=own_calls.suspected(lifecycle),
        as_planned=own_calls.as_planned(lifecycle),
        other_sim=own_calls.other_sim(lifecycle),
    )
    judged = add_refusals(judged, "barred", lifecycle)
    judged = _name_other_runs(judged, pl.DataFrame(schema=PUT_BY) if others is None else others)
    told = judged.filter(pl.col("action") != Action.REPEAT).with_columns(reason=sentence(lifecycle))
    kept = told.with_columns(owners="owners_after", owners_after="owners_now").select(_RESULTS)
    repeats = plan.filter(pl.col("action") == Action.REPEAT).select("row", "same_as", repeats="reason")
    # A repeat gets the result of the row it repeats, but the calls are counted there alone.
    followed = repeats.join(kept, left_on="same_as", right_on="row").with_columns(
        reason="repeats", attempts=pl.lit(0, pl.Int64)
    )
    return pl.concat([kept, followed.select(_RESULTS), _invalid_rows(invalid)]).sort("row")


def add_refusals(looked: pl.DataFrame, name: str, lifecycle: Lifecycle) -> pl.DataFrame:
    """Add why the lifecycle refuses the move from where devices are now to what is asked; null where it does not."""
    way = ["sim_now", "endpoint_now", "desired"]
    ways = looked.select(way).unique()
    why = [_refusal(lifecycle, *each) for each in ways.iter_rows()]
    return looked.join(ways.with_columns(pl.Series(name, why, pl.String)), on=way, how="left", nulls_equal=True)


def _refusal(lifecycle: Lifecycle, sim: str | None, endpoint: str | None, desired: str | None) -> str | None:
    known = {one.name for one in (*lifecycle.sims, *lifecycle.endpoints)} | {goal.word for goal in lifecycle.goals}
    if not {word for word in (sim, endpoint, desired) if word is not None} <= known:
        return None  # a carrier's word that this version does not know, as an old record may have it
    return lifecycle.move(sim, endpoint, desired).refusal or None


def stragglers(
    plan: pl.DataFrame, outcomes: pl.DataFrame, after: pl.DataFrame, owners: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The plan rows worth reading once more: nothing says they failed, and yet the look does not show them as asked.

    Rows that needed no step are among them if the look shows them differently, or not at all.
    """
    looked = look(_add_outcomes(plan, outcomes), after, owners)
    done = pl.all_horizontal(~_step(half) | _outcome(half).is_in([*_DONE, *_UNCLEAR]) for half in Half)
    open_rows = looked.filter(_sendable() & done.fill_null(value=False) & ~_as_asked())
    return open_rows.select(_PLAN).sort("row")


def to_retry(results: pl.DataFrame) -> pl.DataFrame:
    """The rows to retry: those that have an id and are not in sync, each device and status once.

    Refused moves are not among them: no rule allows them, and they would only be refused again.
    Columns `sim_id, endpoint_id, iccid, status`, as an input file has them, those for owners where some are asked, and
    `row`, the number that the row has in the results.
    """
    return as_input(open_rows(results))


def open_rows(results: pl.DataFrame) -> pl.DataFrame:
    """The rows of `results` that `to_retry` is made of."""
    device = ["sim_id", "endpoint_id", "iccid"]
    wishes = ["desired", "owners"]
    usable = pl.any_horizontal(pl.col(wishes).is_not_null()) & pl.any_horizontal(pl.col(device).is_not_null())
    settled = pl.col("verdict").is_in([Verdict.IN_SYNC.value, Verdict.REFUSED.value])
    rows = results.filter(usable & ~settled).sort("row")
    return rows.unique([*device, *wishes], keep="first", maintain_order=True)


def as_input(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the three ids, `desired` and `owners` in the form of an input file."""
    owners = ownership.as_columns("owners") if rows["owners"].count() else []
    return rows.select("sim_id", "endpoint_id", "iccid", pl.col("desired").alias("status"), *owners, "row")


def verdict_counts(results: pl.DataFrame) -> dict[str, int]:
    """How many input rows got each verdict; every verdict is a key."""
    return _count(results["verdict"], [verdict.value for verdict in Verdict])


def outcome_counts(outcomes: pl.DataFrame) -> dict[str, int]:
    """How many steps ended in each way; every outcome is a key, `accepted` only where some steps are."""
    counts = _count(outcomes["outcome"], [outcome.value for outcome in Outcome])
    return {word: count for word, count in counts.items() if count or word != Outcome.ACCEPTED}


def _count(words: pl.Series, known: list[str]) -> dict[str, int]:
    found = dict(words.value_counts().iter_rows())
    return {word: found.get(word, 0) for word in known}


def _add_outcomes(plan: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Add how the steps ended: each half's outcome, `attempts`, and of the step that ended worst what came back."""
    joined = plan
    for half in Half:
        steps = outcomes.filter(pl.col("half") == half).unique("row", keep="last", maintain_order=True)
        named = steps.select("row", pl.all().exclude("row", "half").name.prefix(f"{half}_"))
        joined = joined.join(named, on="row", how="left")
    sim, endpoint = (_outcome(half).replace_strict(_SEVERITY, default=0, return_dtype=pl.Int8) for half in Half)
    worst = joined.with_columns(
        worst_half=pl.when(pl.max_horizontal(sim, endpoint) == 0)
        .then(None)
        .when(sim >= endpoint)
        .then(pl.lit(Half.SIM.value))
        .otherwise(pl.lit(Half.ENDPOINT.value)),
        attempts=pl.sum_horizontal(pl.col(f"{half}_attempts").fill_null(0) for half in Half),
    )
    return worst.with_columns(
        worst_outcome=_of_worst("outcome"),
        http_status=_of_worst("http_status"),
        error=_of_worst("error").fill_null(""),
    )


def _of_worst(column: str) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col("worst_half") == half).then(f"{half}_{column}") for half in Half)


def look(plan: pl.DataFrame, after: pl.DataFrame | None, owners: pl.DataFrame | None) -> pl.DataFrame:
    """Add where each device is now: `*_now` of its halves, of `endpoint_id` and owners; whether it was `seen`; `moved`.

    `beside_id` and `beside_status` are of another SIM that the endpoint of the plan has now, null where it has none.
    The endpoint looked at is the one the SIM has now; `moved` says that it is not the one the plan was made for.
    """
    if after is None:
        return _by_record(plan)
    fresh = index(after)
    sims = fresh.sims.select("sim_id", sim_now="sim_status", endpoint_id_now="endpoint_id", sim_unclear="disagrees")
    endpoints = fresh.endpoints.select(
        endpoint_id_now="endpoint_id", endpoint_now="endpoint_status", endpoint_unclear="disagrees"
    )
    looked = plan.join(sims, on="sim_id", how="left").join(endpoints, on="endpoint_id_now", how="left")
    looked = ownership.look(looked, "owners_after", owners, "owners_now").join(
        _beside(fresh), on="endpoint_id", how="left"
    )
    looked = looked.with_columns(beside_id=pl.when(pl.col("beside_id").ne_missing(pl.col("sim_id"))).then("beside_id"))
    sim_seen = pl.col("sim_now").is_not_null() & ~pl.col("sim_unclear")
    endpoint_seen = pl.col("endpoint_now").is_not_null() & ~pl.col("endpoint_unclear")
    owners_seen = pl.col("owners_after").is_null() | pl.col("owners_now").is_not_null()
    return looked.with_columns(
        seen=(sim_seen & owners_seen & (pl.col("endpoint_id_now").is_null() | endpoint_seen)).fill_null(value=False),
        moved=sim_seen.fill_null(value=False) & pl.col("endpoint_id_now").ne_missing(pl.col("endpoint_id")),
        looked=pl.lit(value=True),
    )


def _beside(fresh: Index) -> pl.DataFrame:
    """Which SIM each endpoint has, and its status."""
    sims = fresh.sims.select(beside_id="sim_id", beside_status="sim_status")
    return fresh.endpoints.select("endpoint_id", beside_id="sim_id").join(sims, on="beside_id", how="left")


def _by_record(plan: pl.DataFrame) -> pl.DataFrame:
    """What `look` gives where nobody looked: each half is where its step left it; of an unknown one nobody knows."""
    known = pl.col("sim_before").is_not_null() | pl.col("endpoint_before").is_not_null()
    unclear = pl.any_horizontal(_ended_as(half, *_UNCLEAR) for half in Half)
    sim_done, endpoint_done = (_ended_as(half, *_DONE) for half in Half)
    return plan.with_columns(
        sim_now=pl.when(sim_done).then("sim_after").otherwise("sim_before"),
        endpoint_now=pl.when(endpoint_done).then("endpoint_after").otherwise("endpoint_before"),
        endpoint_id_now="endpoint_id",
        owners_now=pl.when(sim_done).then("owners_after").otherwise("owners_before"),
        seen=known & ~unclear,
        moved=pl.lit(value=False),
        beside_id=pl.lit(None, pl.String),
        beside_status=pl.lit(None, pl.String),
        looked=~pl.any_horizontal(_ended_as(half, *_SENT) for half in Half),
    )


def _verdict() -> pl.Expr:
    trouble = pl.any_horizontal(_ended_as(half, *_TROUBLE) for half in Half)
    not_sent = pl.any_horizontal(
        _step(half) & (_outcome(half).is_null() | (_outcome(half) == Outcome.HELD)) for half in Half
    )
    as_left = ~pl.col("moved") & pl.all_horizontal(_where_left(half) for half in Half)
    return (
        pl.when(~_sendable())
        .then(pl.lit(Verdict.REFUSED.value))
        .when(_as_asked())
        .then(pl.lit(Verdict.IN_SYNC.value))
        .when(~pl.col("seen"))
        .then(pl.lit(Verdict.UNKNOWN.value))
        .when(~as_left)
        .then(pl.lit(Verdict.CHANGED_BY_OTHERS.value))
        .when(not_sent & ~trouble)
        .then(pl.lit(Verdict.SKIPPED.value))
        .otherwise(pl.lit(Verdict.FAILED.value))
    )


def _sendable() -> pl.Expr:
    return pl.col("action").is_in([Action.CHANGE.value, Action.UNCHANGED.value])


def _as_asked() -> pl.Expr:
    return pl.col("seen") & ~pl.col("moved") & pl.all_horizontal(is_now(half, "after") for half in Half)


def _name_other_runs(judged: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Add `by_run`: another run that put a half where it is now, and where this run did not leave it."""
    for half in Half:
        put = others.filter(pl.col("half") == half).select(
            pl.col("ident").alias(f"{half}_id"),
            pl.col("status").alias(f"{half}_now"),
            pl.col("run_id").alias(f"{half}_by"),
        )
        # An endpoint that two SIMs had one after the other is there twice.
        one = put.unique([f"{half}_id", f"{half}_now"], keep="last", maintain_order=True)
        judged = judged.join(one, on=[f"{half}_id", f"{half}_now"], how="left")
    named = [pl.when(~_where_left(half)).then(f"{half}_by") for half in Half]
    return judged.with_columns(by_run=pl.coalesce(*named))


def _where_left(half: Half) -> pl.Expr:
    """Whether a half is where its step left it: there if it was done, here if not, either if nobody knows."""
    done, unclear = _ended_as(half, *_DONE), _ended_as(half, *_UNCLEAR)
    here, there = is_now(half, "before"), is_now(half, "after")
    return pl.when(done).then(there).when(unclear).then(here | there).otherwise(here)


def is_now(half: Half, when: str) -> pl.Expr:
    """Whether a half of what `look` gave is now as in that column; to a SIM belong the owners that are asked for."""
    same = pl.col(f"{half}_now").eq_missing(pl.col(f"{half}_{when}"))
    if half is Half.ENDPOINT:
        return same
    return same & (pl.col("owners_after").is_null() | pl.col("owners_now").eq_missing(pl.col(f"owners_{when}")))


def _step(half: Half) -> pl.Expr:
    return pl.col(f"{half}_step")


def _outcome(half: Half) -> pl.Expr:
    return pl.col(f"{half}_outcome")


def _ended_as(half: Half, *outcomes: str) -> pl.Expr:
    """Whether a half had a step that ended in one of these ways."""
    return (_step(half) & _outcome(half).is_in(list(outcomes))).fill_null(value=False)


def half_done(results: pl.DataFrame) -> pl.Series:
    """Of every row of results, whether it is skipped and the run has changed one of its halves."""
    done = pl.any_horizontal(pl.col(f"{half}_outcome") == Outcome.APPLIED for half in Half).fill_null(value=False)
    return results.select((pl.col("verdict") == Verdict.SKIPPED).fill_null(value=False) & done).to_series()


def _invalid_rows(invalid: pl.DataFrame) -> pl.DataFrame:
    values: dict[str, pl.Expr] = {
        "row": pl.col("row"),
        "before": pl.lit(""),
        "after": pl.lit(""),
        "verdict": pl.lit(Verdict.INVALID.value),
        "reason": pl.col("reason"),
        "attempts": pl.lit(0, pl.Int64),
        "http_status": pl.lit(None, pl.Int64),
        "error": pl.lit(""),
    }
    return invalid.select(values.get(name, pl.lit(None, pl.String)).alias(name) for name in _RESULTS)


def moved_between(before: pl.DataFrame, after: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Rows of two plans of one file that differ: `row`, and what was planned `before` and is `after`, in words."""
    told = pl.concat_str(
        pl.coalesce(pair("sim_before", "endpoint_before", lifecycle), pl.lit("not listed")),
        pl.coalesce(pl.format(", {}", "owners_before"), pl.lit("")),
        pl.lit(": "),
        pl.col("action"),
    )
    both = before.select("row", told.alias("before")).join(
        after.select("row", told.alias("after")), on="row", how="full", coalesce=True
    )
    return both.filter(pl.col("before").ne_missing(pl.col("after"))).sort("row")
