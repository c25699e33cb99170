"""What the ledger knows of the fleet over all runs: where each device was last put, and what an audit found before."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import Connection, Select, Text, and_, func, or_, select, type_coerce

from schemas.statuses import Action, Half, Outcome, Verdict
from schemas.tables import Managed, Steps, empty
from simtandem.ledger.reading import at_host, read_frame
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import outcomes, plan_rows, run_states, runs, verdicts

_DONE = [Outcome.APPLIED.value, Outcome.UNCHANGED.value]
_NOTHING_DONE = [Outcome.HELD.value, Outcome.REFUSED.value, Outcome.FAILED.value]
_ROWS = pl.Schema(
    {
        "row": pl.Int64(),
        **dict.fromkeys(["sim_id", "endpoint_id", "desired", "sim_status", "endpoint_status"], pl.String()),
        **dict.fromkeys(["sim_step", "endpoint_step"], pl.Boolean()),
        "verdict": pl.String(),
    }
)
_ENDS = pl.Schema({"row": pl.Int64(), "half": pl.String(), "outcome": pl.String(), "at": pl.String()})
_STEPS = pl.Schema({**empty(Steps).schema, "at": pl.String()})


class PastAudit(NamedTuple):
    """A finished audit: its run, when it began, and what it told."""

    run_id: str
    started: datetime
    told: Mapping[str, Any]


def read_managed(ledger: Ledger, carrier_host: str) -> pl.DataFrame:
    """Where simtandem last put each device at this carrier (`schemas.tables.Managed`), by when that was sent.

    Not by when the run began: one that waited for its approval may have sent after another that began later. A device
    that was as asked already, and still was when the run ended, was put there then.
    """
    known = empty(Managed)
    with ledger.database.read() as connection:
        for run_id, ended_at in _changing_runs(connection, carrier_host):
            put = _put(connection, run_id, ended_at)
            if put.height:
                known = pl.concat([known, put]).sort("at", maintain_order=True)
                known = known.unique("sim_id", keep="last", maintain_order=True)
    return known


def read_steps(ledger: Ledger, carrier_host: str, since: datetime) -> pl.DataFrame:
    """The halves our runs changed, or may have changed, at this carrier since then (`schemas.tables.Steps`)."""
    parts = []
    with ledger.database.read() as connection:
        for half in Half:
            query = _steps(half, carrier_host).where(outcomes.c.at >= since)
            parts.append(read_frame(connection, query, _STEPS))
    return pl.concat(parts).with_columns(_instant("at"))


def last_audit(ledger: Ledger, carrier_host: str) -> PastAudit | None:
    """The newest audit of this carrier that came to its end."""
    query = (
        select(runs.c.run_id, runs.c.started_at, run_states.c.detail)
        .select_from(runs.join(run_states))
        .where(runs.c.kind == RunKind.AUDIT.value, at_host(carrier_host))
        .where(run_states.c.state == RunState.FINISHED.value)
        .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
        .limit(1)
    )
    with ledger.database.read() as connection:
        found = connection.execute(query).first()
    return (
        None if found is None else PastAudit(found.run_id, found.started_at, json.loads(found.detail).get("audit", {}))
    )


def _changing_runs(connection: Connection, carrier_host: str) -> list[tuple[str, datetime]]:
    """The runs that may have sent changes, oldest first, and when the last of each was recorded."""
    last = select(func.max(run_states.c.at)).where(run_states.c.run_id == runs.c.run_id).correlate(runs)
    query = (
        select(runs.c.run_id, func.coalesce(last.scalar_subquery(), runs.c.started_at))
        .where(runs.c.kind.in_(SENDING), at_host(carrier_host))
        .order_by(runs.c.started_at, runs.c.run_id)
    )
    return [(run_id, ended_at) for run_id, ended_at in connection.execute(query)]


def _put(connection: Connection, run_id: str, ended_at: datetime) -> pl.DataFrame:
    """What one run did to its devices. Those it did nothing to, or only tried to, are missing."""
    rows, ends = read_frame(connection, _rows(run_id), _ROWS), read_frame(connection, _ends(run_id), _ENDS)
    for half in Half:
        some = ends.filter(pl.col("half") == half).select("row", **{f"{half}_end": "outcome", f"{half}_at": "at"})
        rows = rows.join(some, on="row", how="left")
    as_asked = (pl.col("verdict") == Verdict.IN_SYNC).fill_null(value=False)
    steps = pl.col("sim_step") | pl.col("endpoint_step")
    all_done = pl.all_horizontal(~pl.col(f"{half}_step") | _ended(half, _DONE) for half in Half)
    none_done = pl.all_horizontal(
        ~pl.col(f"{half}_step") | pl.col(f"{half}_end").is_null() | _ended(half, _NOTHING_DONE) for half in Half
    )
    there = as_asked | (steps & all_done)
    return (
        rows.filter(there | ~none_done)
        .with_columns(pl.when(there).then(pl.col("desired", "sim_status", "endpoint_status")))
        .with_columns(
            at=pl.coalesce(
                pl.max_horizontal(_instant("sim_at"), _instant("endpoint_at")), pl.lit(ended_at).cast(_MOMENT)
            ),
            run_id=pl.lit(run_id),
        )
        .unique("sim_id", keep="last", maintain_order=True)
        .select(list(empty(Managed).schema))
    )


def _rows(run_id: str) -> Select[Any]:
    at_verdict = and_(verdicts.c.run_id == plan_rows.c.run_id, verdicts.c.row == plan_rows.c.row)
    return (
        select(
            *(plan_rows.c[name] for name in ("row", "sim_id", "endpoint_id", "desired", "sim_after", "endpoint_after")),
            plan_rows.c.sim_step,
            plan_rows.c.endpoint_step,
            verdicts.c.verdict,
        )
        .select_from(plan_rows.outerjoin(verdicts, at_verdict))
        .where(plan_rows.c.run_id == run_id, plan_rows.c.sim_id.is_not(None), plan_rows.c.desired.is_not(None))
        .where(plan_rows.c.action.in_([Action.CHANGE.value, Action.UNCHANGED.value]))
        .order_by(plan_rows.c.row)
    )


def _ends(run_id: str) -> Select[Any]:
    newest = (
        select(func.max(outcomes.c.seq)).where(outcomes.c.run_id == run_id).group_by(outcomes.c.row, outcomes.c.half)
    )
    return select(outcomes.c.row, outcomes.c.half, outcomes.c.outcome, type_coerce(outcomes.c.at, Text)).where(
        outcomes.c.seq.in_(newest)
    )


def _steps(half: Half, carrier_host: str) -> Select[Any]:
    ident, before, after = (plan_rows.c[f"{half}_{what}"] for what in ("id", "before", "after"))
    of_row = and_(plan_rows.c.run_id == outcomes.c.run_id, plan_rows.c.row == outcomes.c.row)
    return (
        select(outcomes.c.half, ident, after, type_coerce(outcomes.c.at, Text), outcomes.c.run_id, outcomes.c.row)
        .select_from(outcomes.join(plan_rows, of_row).join(runs, runs.c.run_id == outcomes.c.run_id))
        .where(at_host(carrier_host), outcomes.c.half == half.value, before != after)
        .where(or_(outcomes.c.outcome == Outcome.APPLIED.value, outcomes.c.outcome == Outcome.UNKNOWN.value))
    )


_MOMENT = pl.Datetime("ms", "UTC")


def _ended(half: Half, words: list[str]) -> pl.Expr:
    return pl.col(f"{half}_end").is_in(words).fill_null(value=False)


def _instant(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
