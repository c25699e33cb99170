"""Every insert of facts there is, and their place in the run's chain. All inside the caller's transaction."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import polars as pl
from sqlalchemy import Connection, Table

from schemas.accounts import DEFAULT
from simtandem.carriers.protocol import Answer, Call
from simtandem.carriers.registry import only_reads
from simtandem.errors import LedgerError
from simtandem.ledger import last_known
from simtandem.ledger.integrity.canonical import canonical, canonical_rows, digest
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import EVERY_FACT, FactTable, Kind
from simtandem.ledger.records import CHANGING, ActionEnd, OutcomeRecord, RunRecord, RunState
from simtandem.ledger.tables import foreign_text, instant_text, storable_text
from simtandem.text.redaction import redacted_frame

_CHUNK = 20_000
"""Rows on their way to the database at once: large enough to be quick, small enough for memory to stay flat."""

Row = dict[str, object]


def add_facts(chain: Chain, kind: Kind, rows: Sequence[Row]) -> None:
    """Insert facts that all have the same columns, and cover them with a link of the chain."""
    if not rows:
        return
    if kind is Kind.CALL and any(_would_change(row) for row in rows):
        _require_sending(chain)
    fact = EVERY_FACT[kind]
    if fact.table.autoincrement_column is not None:
        numbers = _numbers(chain.connection, fact.table, len(rows))
        rows = [{fact.key: number, **row} for number, row in zip(numbers, rows, strict=True)]
    postgres = chain.connection.dialect.name == "postgresql"
    chain.connection.exec_driver_sql(
        _insert_into(fact.table, tuple(rows[0]), "%s" if postgres else "?"), [tuple(row.values()) for row in rows]
    )
    chain.add(kind, [fact.ref(row) for row in rows], [digest(canonical(row)) for row in rows])
    if kind is Kind.OUTCOME:
        last_known.note_outcomes(chain.connection, chain.run_id, [int(str(row["row"])) for row in rows])


def _would_change(call: Row) -> bool:
    """Whether a call is anything but a look or a login, by its method and path."""
    reads = call["method"] == "POST" and only_reads(str(call["path"])) and call["purpose"] not in ("change", "put_back")
    return call["method"] != "GET" and (call["method"], call["purpose"]) != ("POST", "authenticate") and not reads


def _require_sending(chain: Chain) -> None:
    """Raise `LedgerError` where the run is recorded as one that changes nothing: then it changes nothing.

    Every call is recorded before it is sent, so what can't be recorded is never sent.
    """
    place = "%s" if chain.connection.dialect.name == "postgresql" else "?"
    query = f"SELECT kind FROM runs WHERE run_id = {place}"  # noqa: S608 - a placeholder
    kind = chain.connection.exec_driver_sql(query, (chain.run_id,)).scalar()
    if kind not in CHANGING:
        raise LedgerError(f"Run {chain.run_id} is recorded as {kind}: it reads, and changes nothing.")


def add_frame(chain: Chain, kind: Kind, frame: pl.DataFrame, of: tuple[str, str] | None = None) -> None:
    """Insert a table of a run, of any size, and cover it with a link for every part of it.

    Its columns must be among the table's, under the same names. `of` is the column that is the same in all rows, and
    what is there; else that is the run.
    """
    column, ident = of or (chain.strand.key, chain.run_id)
    fact, quote = EVERY_FACT[kind], chain.connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in (column, *frame.columns))
    target = f"{quote(fact.table.name)} ({names})"
    chunks = (_storable(column, ident, chunk) for chunk in frame.iter_slices(_CHUNK) if not chunk.is_empty())
    covered = _covered(chain, kind, chunks)
    if chain.connection.dialect.name == "postgresql":
        _copy(chain.connection, target, covered)
    else:
        _insert(chain.connection, target, covered)
    if kind is Kind.VERDICT:
        last_known.note_verdicts(chain.connection, chain.run_id)


def _covered(chain: Chain, kind: Kind, chunks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same chunks, each covered by a link as it passes."""
    for chunk in chunks:
        chain.add(kind, _refs(EVERY_FACT[kind], chunk), [digest(text) for text in canonical_rows(chunk)])
        yield chunk


def _refs(fact: FactTable, chunk: pl.DataFrame) -> list[str | int]:
    """What the facts of a table are called: see `FactTable.ref`."""
    names = pl.concat_str(fact.key, fact.also, separator=" ") if fact.also else pl.col(fact.key)
    return chunk.select(names).to_series().to_list()


@cache
def _insert_into(table: Table, names: tuple[str, ...], place: str) -> str:
    """The statement that inserts a row."""
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join([place] * len(names))})"  # noqa: S608 - fixed names


def _numbers(connection: Connection, table: Table, count: int) -> Iterable[int]:
    """The next numbers of a table that counts its rows: a fact's number is part of its hash.

    Nobody else writes to this run meanwhile (see `Chain`), so its facts are numbered in the order of its chain.
    """
    if connection.dialect.name == "postgresql":
        numbers = "SELECT nextval(pg_get_serial_sequence(%s, 'seq')) FROM generate_series(1, %s)"
        return list(connection.exec_driver_sql(numbers, (table.name, count)).scalars())
    newest = connection.exec_driver_sql(f"SELECT coalesce(max(seq), 0) FROM {table.name}").scalar_one()  # noqa: S608 - fixed name
    return range(newest + 1, newest + 1 + count)


def run_row(run: RunRecord) -> Row:
    """A run as the ledger keeps it. Without an account it is of `default`, as before there were any."""
    account: Row = {} if run.account == DEFAULT else {"account": run.account}
    return {
        "run_id": run.run_id,
        "kind": run.kind.value,
        "carrier": run.carrier,
        "carrier_host": run.carrier_host,
        "file": foreign_text(run.file),
        "sha256": run.sha256,
        "rows": run.rows,
        "rejected": run.rejected,
        "parameters": _as_json(run.parameters),
        "os_user": foreign_text(run.os_user),
        "host": run.host,
        "pid": run.pid,
        "started_at": instant_text(run.started_at),
        "process": run.process,
        **account,
    }


def state_row(run_id: str, at: datetime, state: RunState, detail: Mapping[str, object]) -> Row:
    """A state as the ledger keeps it."""
    return {"run_id": run_id, "at": instant_text(at), "state": state.value, "detail": _as_json(detail)}


def call_row(call_id: str, run_id: str, at: datetime, call: Call) -> Row:
    """An intent as the ledger keeps it."""
    return {
        "call_id": call_id,
        "run_id": run_id,
        "at": instant_text(at),
        "method": call.method,
        "path": foreign_text(call.path),
        "purpose": call.purpose,
        "attempt": call.attempt,
        "body": None if call.body is None else foreign_text(call.body),
    }


def answer_row(call_id: str, at: datetime, answer: Answer) -> Row:
    """An answer as the ledger keeps it."""
    return {
        "call_id": call_id,
        "at": instant_text(at),
        "status": answer.status,
        "seconds": float(answer.seconds),
        "error_code": answer.error_code,
        "fault": foreign_text(answer.fault),
        "request_id": foreign_text(answer.request_id),
    }


def outcome_rows(run_id: str, at: datetime, outcomes: Sequence[OutcomeRecord]) -> list[Row]:
    """Outcomes as the ledger keeps them."""
    return [
        {
            "run_id": run_id,
            "at": instant_text(at),
            "row": each.row,
            "half": each.half.value,
            "outcome": each.outcome.value,
            "attempts": each.attempts,
            "http_status": each.http_status,
            "error": foreign_text(each.error),
            "turn": each.turn,
        }
        for each in outcomes
    ]


def action_outcome_rows(run_id: str, at: datetime, ended: Sequence[ActionEnd]) -> list[Row]:
    """How actions ended, as the ledger keeps it."""
    return [
        {
            "run_id": run_id,
            "at": instant_text(at),
            "row": each.row,
            "outcome": each.outcome.value,
            "attempts": each.attempts,
            "http_status": each.http_status,
            "error": foreign_text(each.error),
        }
        for each in ended
    ]


def pruning_row(run_id: str, at: datetime, os_user: str, archive: str, sha256: str, facts: int) -> Row:
    """What is noted of a pruning."""
    return {
        "run_id": run_id,
        "at": instant_text(at),
        "os_user": foreign_text(os_user),
        "archive": storable_text(archive),
        "archive_sha256": sha256,
        "facts": facts,
    }


def _as_json(mapping: Mapping[str, object]) -> str:
    return foreign_text(json.dumps(dict(mapping), default=str))


def _storable(column: str, ident: str, chunk: pl.DataFrame) -> pl.DataFrame:
    """With whose it is in front, without secrets, and without NUL, which PostgreSQL can't store."""
    text = pl.col(pl.String).str.replace_all("\0", "\ufffd", literal=True)
    return redacted_frame(chunk).select(pl.lit(ident).alias(column), pl.all()).with_columns(text)


def _insert(connection: Connection, target: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Hand the rows to the driver as they are: with parameters by name SQLAlchemy would need far longer."""
    for chunk in chunks:
        places = ", ".join("?" * chunk.width)
        connection.exec_driver_sql(f"INSERT INTO {target} VALUES ({places})", chunk.rows())  # noqa: S608 - fixed names


def _copy(connection: Connection, target: str, chunks: Iterable[pl.DataFrame]) -> None:
    """Send the rows with COPY, which takes a fraction of the time of inserting them."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy:
        for chunk in chunks:
            copy.write(
                chunk.write_csv(include_header=False, quote_style="non_numeric")
            )  # "" is a text, nothing is null
