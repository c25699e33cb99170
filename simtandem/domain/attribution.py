"""Who changed what between two looks at the carrier: simtandem's steps and the carrier's events, matched. Pure.

A change is a half that had one status at the first look and has another at the second. It is explained by the last
event in between with that status. simtandem's own calls make such events, too: an event that fits one of its steps in
time belongs to that step, any other is attributed by its source. An event may arrive late: only after `EVENT_LAG` is it
missing.
"""

from datetime import datetime, timedelta

import polars as pl

from schemas.event_types import EventSource
from schemas.statuses import Cause, Half
from schemas.tables import PAIR, Changes, Explained
from simtandem.domain.event_moves import EventMoves
from simtandem.domain.labels import ATTRIBUTIONS

EVENT_LAG = timedelta(minutes=15)
"""How long an event may be on its way into the log. Not documented: long enough, by experience with such systems."""

EVENTS_KEPT = EventMoves().kept
"""How far back a carrier's events go, where it does not say otherwise."""

CLOCK_SKEW = timedelta(seconds=60)
"""How far this clock and the carrier's may be apart, and how long after a call its event may be dated."""

_CHANGES = list(Changes.to_schema().columns)
_EXPLAINED = list(Explained.to_schema().columns)
_HALF = ["half", "ident"]
_ALONE = pl.lit("no endpoint")
_SAME = [*_HALF, "before", "after"]
_SAID = pl.Schema(
    {
        **dict.fromkeys(["half", "ident", "after"], pl.String()),
        "event_at": pl.Datetime("ms", "UTC"),
        "event_id": pl.String(),
        "source": pl.Int64(),
        "user": pl.String(),
        "description": pl.String(),
    }
)


def changes_between(first: pl.DataFrame, second: pl.DataFrame, since: datetime, seen: datetime) -> pl.DataFrame:
    """What differs between two inventories (`schemas.tables.Changes`): statuses, pairs; new and gone ones aside."""
    return pl.concat(
        [
            _halves(second, half)
            .join(_halves(first, half).select("ident", before="after"), on="ident")
            .filter(pl.col("before") != pl.col("after"))
            .pipe(_as_changes, pl.lit(since), seen)
            for half in (*Half, PAIR)
        ]
    ).sort(_HALF)


def drift(inventory: pl.DataFrame, managed: pl.DataFrame, seen: datetime) -> pl.DataFrame:
    """What left the state simtandem last gave it (`schemas.tables.Changes`)."""
    pair = pl.when(pl.col("sim_status").is_not_null()).then(pl.format("endpoint {}", "endpoint_id"))
    put = managed.with_columns(pair_status=pair)
    return pl.concat(
        [
            _halves(inventory, half)
            .join(put.select("sim_id", before=f"{half}_status", since="at"), on="sim_id")
            .filter(pl.col("before") != pl.col("after"))
            .pipe(_as_changes, pl.col("since"), seen)
            for half in (*Half, PAIR)
        ]
    ).sort(_HALF)


def joined(*changes: pl.DataFrame) -> pl.DataFrame:
    """All of them; of a half that is in several, the change whose first look was the latest."""
    together = pl.concat(changes).sort("since", maintain_order=True)
    return together.unique(_HALF, keep="last", maintain_order=True).sort(_HALF)


def open_questions(earlier: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """The changes that an earlier audit left open because their event could still come, and that still stand."""
    now = pl.concat([_halves(inventory, half).select(*_HALF, "after") for half in (*Half, PAIR)])
    awaited = earlier.filter(pl.col("cause") == Cause.AWAITED).select(_CHANGES)
    return awaited.join(now, on=[*_HALF, "after"], how="semi")


def already_explained(changes: pl.DataFrame, earlier: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The changes still to be explained, and those (`schemas.tables.Explained`) that an earlier audit explained.

    A change that an earlier audit saw without explaining it keeps the time it was first seen.
    """
    known = changes.join(
        earlier.select(*_SAME, was_since="since", was_seen="seen", was_cause="cause", was_at="at"), on=_SAME
    ).filter(pl.col("was_seen") >= pl.col("since"))
    told = known.filter(
        pl.col("was_cause").is_in([Cause.SOMEBODY, Cause.AUTOMATIC, Cause.OURS])
        & (pl.col("was_at") >= pl.col("since") - CLOCK_SKEW)
    )
    old = earlier.join(told.select(_SAME), on=_SAME, how="semi").select(_EXPLAINED)
    still = changes.join(told.select(_SAME), on=_SAME, how="anti").join(
        known.select(*_SAME, "was_seen"), on=_SAME, how="left"
    )
    return still.with_columns(seen=pl.coalesce("was_seen", "seen")).select(_CHANGES), old


def window(changes: pl.DataFrame, read_at: datetime, kept: timedelta = EVENTS_KEPT) -> tuple[datetime, datetime] | None:
    """The time to read events of, so that the changes can be explained; None where there are none, or all too old.

    `kept` is how far back the carrier's events go.
    """
    if changes.is_empty():
        return None
    first: datetime = changes.select(pl.col("since").min()).item()
    last: datetime = changes.select(pl.col("seen").max()).item()
    since = max(first - CLOCK_SKEW, read_at - kept)
    until = min(last + CLOCK_SKEW, read_at)
    return (since, until) if since < until else None


def types_for(changes: pl.DataFrame, moves: EventMoves) -> tuple[int, ...]:
    """The types of events that can explain these changes: those of pairs only where one changed."""
    return (*moves.statuses, *(moves.pairs if (changes["half"] == PAIR).any() else ()))


def explain(
    changes: pl.DataFrame,
    steps: pl.DataFrame,
    events: pl.DataFrame | None,
    moves: EventMoves,
    read_at: datetime,
    *,
    lag: timedelta = EVENT_LAG,
) -> pl.DataFrame:
    """The changes with their causes (`schemas.tables.Explained`), one line each, in the same order.

    `steps` are simtandem's (`schemas.tables.Steps`); `events` (`schemas.tables.Events`) were read at `read_at`, and are
    None where they could not be; `moves` says what they mean.
    """
    numbered = changes.with_row_index("number")
    said = pl.DataFrame(schema=_SAID) if events is None else _statuses(events, moves, changes)
    found = _last(numbered, said, "event_at").select("number", "event_at", "event_id", "source", "user", "description")
    ours = _last(numbered, steps.rename({"at": "step_at"}), "step_at").select("number", "step_at", "run_id", "row")
    both = numbered.join(found, on="number", how="left").join(ours, on="number", how="left").sort("number")
    mine = pl.col("step_at").is_not_null() & (
        pl.col("event_at").is_null() | (pl.col("event_at") <= pl.col("step_at") + CLOCK_SKEW)
    )
    too_early = pl.lit(events is None) | (pl.col("seen") + lag > read_at)
    caused = both.with_columns(cause=_cause(mine, too_early))
    own = pl.col("cause") == Cause.OURS
    return caused.with_columns(
        at=pl.coalesce(pl.when(own).then("step_at"), "event_at"),
        run_id=pl.when(own).then("run_id"),
        row=pl.when(own).then("row"),
        explanation=_sentence(read_at, lag, moves.kept, unread=events is None),
    ).select(_EXPLAINED)


def _halves(inventory: pl.DataFrame, half: str) -> pl.DataFrame:
    """One line for each SIM or endpoint whose status is known; of pairs, for each SIM, and its endpoint as status."""
    ident, status = pl.col(f"{half}_id"), pl.col(f"{half}_status")
    if half == PAIR:
        ident = pl.col("sim_id")
        status = pl.when(ident.is_not_null()).then(pl.coalesce(pl.format("endpoint {}", "endpoint_id"), _ALONE))
    return (
        inventory.filter(ident.is_not_null() & status.is_not_null())
        .select(
            half=pl.lit(str(half)),
            ident=ident,
            sim_id="sim_id",
            iccid="iccid",
            endpoint_id="endpoint_id",
            after=status,
        )
        .unique("ident", keep="first", maintain_order=True)
    )


def _as_changes(table: pl.DataFrame, since: pl.Expr, seen: datetime) -> pl.DataFrame:
    moment = pl.Datetime("ms", "UTC")
    return table.with_columns(since=since.cast(moment), seen=pl.lit(seen).cast(moment)).select(_CHANGES)


def _statuses(events: pl.DataFrame, moves: EventMoves, changes: pl.DataFrame) -> pl.DataFrame:
    """What events say about halves: whose, which status, when. Events that name a SIM by its ICCID alone count, too."""
    told = pl.DataFrame(
        [
            *((number, half.value, str(status)) for number, (half, status) in moves.statuses.items()),
            *((number, PAIR, None) for number in moves.pairs),
        ],
        schema={"type": pl.Int64, "half": pl.String, "after": pl.String},
        orient="row",
    )
    by_iccid = changes.select("iccid", by_iccid="sim_id").drop_nulls().unique("iccid")
    return (
        events.filter(pl.col("at").is_not_null())
        .join(told, on="type")
        .join(by_iccid, on="iccid", how="left")
        .with_columns(
            ident=pl.when(pl.col("half") == Half.ENDPOINT)
            .then("endpoint_id")
            .otherwise(pl.coalesce("sim_id", "by_iccid")),
            after=pl.when(pl.col("type") == pl.lit(moves.released, pl.Int64))
            .then(_ALONE)
            .when(pl.col("type") == pl.lit(moves.assigned, pl.Int64))
            .then(pl.format("endpoint {}", "endpoint_id"))
            .otherwise("after"),
            event_at="at",
        )
        .select(list(_SAID))
    )


def _last(changes: pl.DataFrame, told: pl.DataFrame, moment: str) -> pl.DataFrame:
    """For each change, the last event about its half's new status between the two looks."""
    at = pl.col(moment)
    fits = (at >= pl.col("since") - CLOCK_SKEW) & (at <= pl.col("seen") + CLOCK_SKEW)
    return (
        changes.join(told, on=[*_HALF, "after"])
        .filter(fits)
        .sort(moment, maintain_order=True)
        .unique("number", keep="last", maintain_order=True)
    )


def _cause(mine: pl.Expr, too_early: pl.Expr) -> pl.Expr:
    source = pl.col("source")
    return (
        pl.when(mine)
        .then(pl.lit(Cause.OURS.value))
        .when(source == EventSource.API.value)
        .then(pl.lit(Cause.SOMEBODY.value))
        .when(source.is_in([EventSource.POLICY_CONTROL.value, EventSource.NETWORK.value]))
        .then(pl.lit(Cause.AUTOMATIC.value))
        .when(pl.col("event_at").is_null() & too_early)
        .then(pl.lit(Cause.AWAITED.value))
        .otherwise(pl.lit(Cause.UNEXPLAINED.value))
    )


def _sentence(read_at: datetime, lag: timedelta, kept: timedelta, *, unread: bool) -> pl.Expr:
    """The cause in words; what the carrier said itself is quoted."""
    subject = pl.col("half").replace({Half.SIM.value: "SIM", PAIR: "SIM from"})
    what = pl.format("{} {} to {}", subject, "before", "after")
    when = pl.col("event_at").dt.strftime("%Y-%m-%d %H:%M:%S UTC")
    quoted = pl.format(' at {}: "{}"', when, "description")
    user = pl.coalesce(pl.format(", user {}", "user"), pl.lit(""))
    told = pl.coalesce(
        pl.format("; event {} shows it", "event_id"),
        pl.when(pl.col("seen") + lag > read_at).then(pl.lit("; its event may still arrive")),
        pl.lit("; no event shows it"),
    )
    by_run = pl.format(f"{ATTRIBUTIONS[Cause.OURS]}, run {{}}, row {{}}", "run_id", "row")
    this_tool = pl.concat_str(by_run, pl.lit("") if unread else told)
    minutes = int(lag.total_seconds() // 60)
    early = (
        "the carrier's events could not be read"
        if unread
        else f"{ATTRIBUTIONS[Cause.AWAITED]}; audit again in {minutes} min"
    )
    forgotten = pl.when(pl.col("since") < read_at - kept).then(
        pl.lit(f"; it may be older than the {kept.days} days the carrier's events go back")
    )
    cause = pl.col("cause")
    why = (
        pl.when(cause == Cause.OURS)
        .then(this_tool)
        .when(cause == Cause.SOMEBODY)
        .then(pl.concat_str(pl.lit(ATTRIBUTIONS[Cause.SOMEBODY]), user, quoted))
        .when(cause == Cause.AUTOMATIC)
        .then(pl.concat_str(pl.lit(ATTRIBUTIONS[Cause.AUTOMATIC]), quoted))
        .when(cause == Cause.AWAITED)
        .then(pl.lit(early))
        .when(pl.col("event_at").is_not_null())
        .then(pl.concat_str(pl.lit("by an unknown source"), quoted))
        .otherwise(pl.concat_str(pl.lit(ATTRIBUTIONS[Cause.UNEXPLAINED]), pl.coalesce(forgotten, pl.lit(""))))
    )
    return pl.format("{}: {}", what, why)
