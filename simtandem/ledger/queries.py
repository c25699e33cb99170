"""Every question asked of the ledger. Each function works inside the caller's transaction."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    case,
    column,
    func,
    inspect,
    or_,
    select,
    table,
    type_coerce,
)

from schemas.accounts import AccountKey
from schemas.statuses import Verdict
from schemas.tables import Outcomes, Plan, Rejected, Results, empty
from simtandem.ledger.accounts import of_account
from simtandem.ledger.records import (
    SENDING,
    CallCounts,
    ChainHead,
    PruningRecord,
    RunState,
    StateRecord,
)
from simtandem.ledger.tables import (
    answers,
    calls,
    links,
    outcomes,
    own_cells,
    plan_rows,
    prunings,
    rejections,
    run_states,
    runs,
    verdicts,
)

_CHUNK = 50_000
"""Rows read from the database at once."""

_SENT = pl.Schema({**dict.fromkeys(("run_id", "at", "path", "body"), pl.String()), "refused": pl.Boolean()})
_CALLS = pl.Schema(
    {
        "call_id": pl.String(),
        "at": pl.String(),
        "method": pl.String(),
        "path": pl.String(),
        "purpose": pl.String(),
        "attempt": pl.Int64(),
        "body": pl.String(),
        "answered_at": pl.String(),
        "status": pl.Int64(),
        "seconds": pl.Float64(),
        "error_code": pl.Int64(),
        "fault": pl.String(),
        "request_id": pl.String(),
    }
)


_REJECTED = "rejected"  # the verdict that invalid rows and refused moves had in common once


def read_revision(connection: Connection) -> str | None:
    """The revision the ledger is at, None where it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(select(table("alembic_version", column("version_num")).c.version_num))
    return found


def read_head(connection: Connection, run_id: str) -> ChainHead | None:
    """The head of a run's chain."""
    newest = select(links.c.hash).where(links.c.run_id == run_id).order_by(links.c.seq.desc()).limit(1)
    head = connection.scalar(newest)
    facts = connection.scalar(select(func.coalesce(func.sum(links.c.facts), 0)).where(links.c.run_id == run_id))
    return None if head is None else ChainHead(head, int(facts or 0))


def read_heads(connection: Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """The heads of several runs' chains, by run."""
    newest = select(links.c.run_id, func.max(links.c.seq).label("seq")).where(links.c.run_id.in_(run_ids))
    newest_of_run = newest.group_by(links.c.run_id).subquery()
    same = (links.c.run_id == newest_of_run.c.run_id) & (links.c.seq == newest_of_run.c.seq)
    query = select(links.c.run_id, links.c.hash).join(newest_of_run, same)
    return {found.run_id: found.hash for found in connection.execute(query)}


def read_pruning(connection: Connection, run_id: str) -> PruningRecord | None:
    """What is noted of a run's pruning, None where its details are still here."""
    found = connection.execute(select(prunings).where(prunings.c.run_id == run_id)).one_or_none()
    if found is None:
        return None
    return PruningRecord(found.at, found.os_user, found.archive, found.archive_sha256, found.facts)


def read_states(connection: Connection, run_id: str) -> list[StateRecord]:
    """All states of a run, oldest first."""
    query = select(run_states).where(run_states.c.run_id == run_id).order_by(run_states.c.seq)
    return [
        StateRecord(RunState(found.state), found.at, json.loads(found.detail)) for found in connection.execute(query)
    ]


def read_plan(connection: Connection, run_id: str) -> pl.DataFrame:
    """The run's plan, as in `schemas.tables.Plan`."""
    return _read_table(connection, plan_rows, run_id, empty(Plan).schema)


def read_rejected(connection: Connection, run_id: str) -> pl.DataFrame:
    """The run's unusable input rows, as in `schemas.tables.Rejected`."""
    return _read_table(connection, rejections, run_id, empty(Rejected).schema)


def read_own(connection: Connection, run_id: str, rows: int | None = None) -> pl.DataFrame:
    """The operator's own columns of the run's rows, or of the first of them: `row` and `cells`."""
    query = select(own_cells.c.row, own_cells.c.cells).where(own_cells.c.run_id == run_id).order_by(own_cells.c.row)
    return read_frame(connection, query.limit(rows), pl.Schema({"row": pl.Int64(), "cells": pl.String()}))


def read_results(connection: Connection, run_id: str) -> pl.DataFrame:
    """The run's verdicts, as in `schemas.tables.Results`."""
    found = _read_table(connection, verdicts, run_id, empty(Results).schema)
    unusable = connection.scalars(select(rejections.c.row).where(rejections.c.run_id == run_id)).all()
    invalid = pl.col("row").is_in(unusable)
    word = pl.when(invalid).then(pl.lit(Verdict.INVALID.value)).otherwise(pl.lit(Verdict.REFUSED.value))
    return found.with_columns(pl.when(pl.col("verdict") == _REJECTED).then(word).otherwise("verdict").alias("verdict"))


def read_outcomes(connection: Connection, run_id: str) -> pl.DataFrame:
    """The newest outcome of every row's half, as in `schemas.tables.Outcomes`, sorted by row and half."""
    schema = empty(Outcomes).schema
    newest = (
        select(func.max(outcomes.c.seq)).where(outcomes.c.run_id == run_id).group_by(outcomes.c.row, outcomes.c.half)
    )
    query = select(*(outcomes.c[name] for name in schema)).where(outcomes.c.seq.in_(newest))
    return read_frame(connection, query, schema).sort("row", "half")


def read_calls(connection: Connection, run_id: str) -> pl.DataFrame:
    """The run's calls and what came back, in the order they were written down.

    `at` and `answered_at` are UTC; everything from `answered_at` on is null where no answer is recorded.
    """
    query = (
        select(
            calls.c.call_id,
            type_coerce(calls.c.at, Text),  # polars makes instants of a column of text faster than Python does
            calls.c.method,
            calls.c.path,
            calls.c.purpose,
            calls.c.attempt,
            calls.c.body,
            type_coerce(answers.c.at, Text),
            answers.c.status,
            answers.c.seconds,
            answers.c.error_code,
            answers.c.fault,
            answers.c.request_id,
        )
        .select_from(calls.outerjoin(answers))
        .where(calls.c.run_id == run_id)
        .order_by(calls.c.at, calls.c.call_id)
    )
    frame = read_frame(connection, query, _CALLS)
    return frame.with_columns(
        pl.col("at", "answered_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
    )


def changes_sent(connection: Connection, run_id: str) -> pl.DataFrame:
    """The changes this run sent, oldest first.

    Columns `run_id, at, path, body, refused`; `refused` says that the carrier answered with a refusal (a 408 is none:
    the call may have been carried out).
    """
    return _sent(connection, calls.c.run_id == run_id)


def changes_at(
    connection: Connection, account: AccountKey, but_for: str, since: datetime | None, *, judged: bool
) -> pl.DataFrame:
    """The changes that runs sent for an account, as `changes_sent` shows them, those of one run left out.

    Without `judged` only of runs that were killed before they were judged: how the others' steps ended is recorded.
    """
    whose = _others(account, but_for).where(runs.c.kind.in_(SENDING))
    if not judged:
        whose = whose.where(~select(1).where(verdicts.c.run_id == runs.c.run_id).exists())
    late = [] if since is None else [calls.c.at >= since]
    return _sent(connection, calls.c.run_id.in_(whose), *late)


def _sent(connection: Connection, *which: ColumnElement[bool]) -> pl.DataFrame:
    refused = answers.c.status.between(400, 499) & (answers.c.status != 408)
    columns = (calls.c.run_id, type_coerce(calls.c.at, Text), calls.c.path, calls.c.body)
    query = (
        select(*columns, case((refused, True), else_=False))
        .select_from(calls.outerjoin(answers))
        .where(*which, calls.c.purpose == "change")
        .order_by(calls.c.at, calls.c.call_id)
    )
    return read_frame(connection, query, _SENT)


def _others(account: AccountKey, but_for: str) -> Select[tuple[str]]:
    """The other runs of an account. As a subquery: joined, a database may read every call there is first."""
    return select(runs.c.run_id).where(of_account(account), runs.c.run_id != but_for)


def count_calls(connection: Connection, run_id: str) -> CallCounts:
    """How many calls the run made, and how they fared."""
    no_answer = or_(answers.c.call_id.is_(None), answers.c.status.is_(None), answers.c.fault != "")
    query = (
        select(func.count(), _count(calls.c.attempt > 1), _count(answers.c.status == 429), _count(no_answer))
        .select_from(calls.outerjoin(answers))
        .where(calls.c.run_id == run_id)
    )
    total, retried, throttled, unanswered = connection.execute(query).one()
    return CallCounts(total, retried, throttled, unanswered)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _read_table(connection: Connection, source: Table, run_id: str, schema: pl.Schema) -> pl.DataFrame:
    query = select(*(source.c[name] for name in schema)).where(source.c.run_id == run_id).order_by(source.c.row)
    return read_frame(connection, query, schema)


def read_frame(connection: Connection, query: Select[Any], schema: pl.Schema) -> pl.DataFrame:
    """Read chunk by chunk, so that a million rows are never a million Python objects at once."""
    result = connection.execute(query, execution_options={"yield_per": _CHUNK})
    chunks = (pl.DataFrame([tuple(row) for row in chunk], schema=schema, orient="row") for chunk in result.partitions())
    return pl.concat([pl.DataFrame(schema=schema), *chunks])
