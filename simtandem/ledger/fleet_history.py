"""What the ledger knows of the fleet over all runs: where each device was last put, and what an audit found before."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import Connection, Select, Text, and_, select, type_coerce

from schemas.accounts import AccountKey
from schemas.statuses import Half, Outcome
from schemas.tables import Steps, empty
from simtandem.ledger import action_records, last_known
from simtandem.ledger.accounts import of_account
from simtandem.ledger.column_reader import read_columns
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import outcomes, plan_rows, run_states, runs

_STEPS = pl.Schema({**empty(Steps).schema, "at": pl.String()})


class PastAudit(NamedTuple):
    """A finished audit: its run, when it began, and what it found."""

    run_id: str
    started: datetime
    told: Mapping[str, Any]


def read_managed(ledger: Ledger, account: AccountKey) -> pl.DataFrame:
    """Where simtandem last put each device at this carrier (`schemas.tables.Managed`), by when that was sent.

    Not by when the run began: one that waited for its approval may have sent after another that began later. A device
    that was as asked without anything sent was put there when the run began to look again. A SIM that an action
    assigned or released since then has the endpoint of that, or none, of which no status is expected.
    """
    managed = ledger.database.reading(lambda connection: last_known.read_managed(connection, account))
    return _with_actions(managed, action_records.pairs_made(ledger, account))


def read_steps(ledger: Ledger, account: AccountKey, since: datetime) -> pl.DataFrame:
    """The halves that runs changed, or may have changed, at this carrier since then (`schemas.tables.Steps`)."""

    def read(connection: Connection) -> pl.DataFrame:
        queries = [_steps(half, account).where(outcomes.c.at >= since) for half in Half]
        return pl.concat([read_columns(connection, query, _STEPS) for query in queries]).with_columns(_instant("at"))

    return ledger.database.reading(read)


def last_audit(ledger: Ledger, account: AccountKey) -> PastAudit | None:
    """The newest audit of this account that came to its end."""
    found = past_audits(ledger, account, 1)
    return found[0] if found else None


def past_audits(ledger: Ledger, account: AccountKey, most: int) -> list[PastAudit]:
    """The audits of this account that came to their end, the newest first."""
    query = (
        select(runs.c.run_id, runs.c.started_at, run_states.c.detail)
        .select_from(runs.join(run_states))
        .where(runs.c.kind == RunKind.AUDIT.value, of_account(account))
        .where(run_states.c.state == RunState.FINISHED.value)
        .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
        .limit(most)
    )

    def read(connection: Connection) -> list[PastAudit]:
        return [
            PastAudit(found.run_id, found.started_at, json.loads(found.detail).get("audit", {}))
            for found in connection.execute(query)
        ]

    return ledger.database.reading(read)


def _with_actions(managed: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    made = pairs.select("sim_id", given="endpoint_id", acted=_instant("at"))
    both = managed.join(made, on="sim_id", how="left", maintain_order="left")
    later = (pl.col("acted") >= pl.col("at")).fill_null(value=False)
    return both.with_columns(
        endpoint_id=pl.when(later).then("given").otherwise("endpoint_id"),
        endpoint_status=pl.when(~later).then("endpoint_status"),
    ).select(managed.columns)


def _steps(half: Half, account: AccountKey) -> Select[Any]:
    ident, before, after = (plan_rows.c[f"{half}_{what}"] for what in ("id", "before", "after"))
    of_row = and_(plan_rows.c.run_id == outcomes.c.run_id, plan_rows.c.row == outcomes.c.row)
    return (
        select(outcomes.c.half, ident, after, type_coerce(outcomes.c.at, Text), outcomes.c.run_id, outcomes.c.row)
        .select_from(outcomes.join(plan_rows, of_row).join(runs, runs.c.run_id == outcomes.c.run_id))
        .where(of_account(account), outcomes.c.half == half.value, before != after)
        .where(outcomes.c.outcome.in_([Outcome.APPLIED.value, Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]))
    )


def _instant(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
