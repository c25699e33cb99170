"""Every insert there is. Each function works inside the caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Table, insert

from simtandem.carriers.base import Answer, Call
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState

_CHUNK = 20_000
"""Rows on their way to the database at once: large enough to be quick, small enough for memory to stay flat."""

Row = dict[str, object]


def add_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        connection.execute(insert(table), rows)


def add_frame(connection: Connection, table: Table, run_id: str, frame: pl.DataFrame) -> None:
    """Insert a table of a run, whatever its size. Its columns must be among the table's, under the same names."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in ("run_id", *frame.columns))
    target = f"{quote(table.name)} ({names})"
    chunks = (_storable(run_id, chunk) for chunk in frame.iter_slices(_CHUNK) if not chunk.is_empty())
    if connection.dialect.name == "postgresql":
        _copy(connection, target, chunks)
    else:
        _insert(connection, target, chunks)


def run_row(run: RunRecord) -> Row:
    """A run as the ledger keeps it."""
    return {
        "run_id": run.run_id,
        "kind": run.kind.value,
        "carrier": run.carrier,
        "carrier_host": run.carrier_host,
        "file": run.file,
        "sha256": run.sha256,
        "rows": run.rows,
        "rejected": run.rejected,
        "parameters": _as_json(run.parameters),
        "os_user": run.os_user,
        "host": run.host,
        "pid": run.pid,
        "started_at": run.started_at,
    }


def state_row(run_id: str, at: datetime, state: RunState, detail: Mapping[str, object]) -> Row:
    """A state as the ledger keeps it."""
    return {"run_id": run_id, "at": at, "state": state.value, "detail": _as_json(detail)}


def call_row(call_id: str, run_id: str, at: datetime, call: Call) -> Row:
    """An intent as the ledger keeps it."""
    return {
        "call_id": call_id,
        "run_id": run_id,
        "at": at,
        "method": call.method,
        "path": call.path,
        "purpose": call.purpose,
        "attempt": call.attempt,
        "body": call.body,
    }


def answer_row(call_id: str, at: datetime, answer: Answer) -> Row:
    """An answer as the ledger keeps it."""
    return {
        "call_id": call_id,
        "at": at,
        "status": answer.status,
        "seconds": answer.seconds,
        "error_code": answer.error_code,
        "fault": answer.fault,
        "request_id": answer.request_id,
    }


def outcome_rows(run_id: str, at: datetime, outcomes: Sequence[OutcomeRecord]) -> list[Row]:
    """Outcomes as the ledger keeps them."""
    return [
        {
            "run_id": run_id,
            "at": at,
            "row": each.row,
            "half": each.half.value,
            "outcome": each.outcome.value,
            "attempts": each.attempts,
            "http_status": each.http_status,
            "error": each.error,
        }
        for each in outcomes
    ]


def _as_json(mapping: Mapping[str, object]) -> str:
    return json.dumps(dict(mapping), default=str)


def _storable(run_id: str, chunk: pl.DataFrame) -> pl.DataFrame:
    """With the run's id in front, and without NUL, which PostgreSQL can't store."""
    text = pl.col(pl.String).str.replace_all("\0", "\ufffd", literal=True)
    return chunk.select(pl.lit(run_id).alias("run_id"), pl.all()).with_columns(text)


def _insert(connection: Connection, target: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Hand the rows to the driver as they are: with parameters by name SQLAlchemy would need far longer."""
    for chunk in chunks:
        places = ", ".join("?" * chunk.width)
        connection.exec_driver_sql(f"INSERT INTO {target} VALUES ({places})", chunk.rows())  # noqa: S608 - our own names


def _copy(connection: Connection, target: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Send the rows with COPY, which takes a fraction of the time of inserting them."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy:
        for chunk in chunks:
            copy.write(
                chunk.write_csv(include_header=False, quote_style="non_numeric")
            )  # "" is a text, nothing is null
