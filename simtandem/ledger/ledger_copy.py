"""A ledger copied into an empty one, of another database: all of it, and proved there, or nothing.

Rows are copied as they are stored, not as they are read: a hash is of what is stored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, TableClause, TypeDecorator, column, delete, func, insert, select, table
from sqlalchemy.types import TypeEngine

from simtandem.errors import InputError, LedgerError
from simtandem.ledger import action_tables, schedule_tables
from simtandem.ledger.database import Database
from simtandem.ledger.integrity.facts import ARRIVALS, RUNS
from simtandem.ledger.integrity.head_checks import check_chain, verify_heads, witnesses
from simtandem.ledger.integrity.head_table import heads
from simtandem.ledger.integrity.heads import of_chain
from simtandem.ledger.integrity.kept_heads import Kept, by_subject
from simtandem.ledger.integrity.recorded import Recorded, arrival_ids, run_ids
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.leases import held
from simtandem.ledger.records import RunKind
from simtandem.ledger.sharing_tables import call_gates, call_slots, call_waiters, leases
from simtandem.ledger.tables import answers, calls, links, metadata, run_states, runs
from simtandem.text.formats import of

_ROWS = 5000
_OF_THE_MOMENT = (call_slots, call_gates, call_waiters, leases)
"""What only counts while something is sent: it is not copied."""
_TABLES = [each for each in metadata.sorted_tables if each not in _OF_THE_MOMENT]
_LOOK = {"kind": str(RunKind.PLAN), "file": "", "rows": 0, "parameters": {"doctor": "counts the fleet"}}
"""What `simtandem doctor` of earlier versions recorded of its look, as a run."""
_OF_A_LOOK = (heads, runs, run_states, calls, answers, links)
"""Where such a look has rows."""
_DEFINED_ELSEWHERE = (action_tables, schedule_tables)  # importing them puts their tables there


def copy_ledger(source: Database, target: Database, kept: Sequence[Kept] = ()) -> Mapping[str, int]:
    """Copy everything; how many rows of which table. `kept` are heads that are remembered outside the ledger.

    Both are up to date. Raises `InputError` where something is sent or the target is not empty, and `LedgerError`
    where the copy does not verify: then the target stays empty.
    """
    with source.snapshot() as reading:
        _require_idle(source, reading)
        with target.write() as writing:
            _require_empty(target, writing)
            counts = {each.name: _copy(each, reading, writing) for each in _TABLES}
            _prove(target, writing, kept)
    return counts


def _require_idle(source: Database, reading: Connection) -> None:
    for account in reading.scalars(select(leases.c.account).distinct()).all():
        for holder in held(source, account):
            raise InputError(
                f"Run {holder.run_id} is sending on {holder.host}. Nothing was copied.\n"
                "Stop the service and every run, then try again."
            )


def _require_empty(target: Database, writing: Connection) -> None:
    """Raise `InputError` where the target has anything but what is left out of the copy, and remove that.

    It is the first entry of the heads, which every new ledger has, and the looks of a `doctor` that kept them as runs.
    """
    looked = _only_looks(writing)
    for each in _TABLES:
        if looked and each in _OF_A_LOOK:
            continue
        least = 1 if each is heads else 0
        if (writing.scalar(select(func.count()).select_from(each)) or 0) > least:
            count = writing.scalar(select(func.count()).select_from(runs)) or 0
            what = of(count, "run") if count else f"rows in {each.name}"
            raise InputError(
                f"The ledger {target.place} is not empty (it has {what}). Nothing was copied.\n"
                "Name an empty database in SIMTANDEM_LEDGER_URL."
            )
    for each in reversed([one for one in _TABLES if one in _OF_A_LOOK]):
        writing.execute(delete(each))


def _only_looks(writing: Connection) -> bool:
    """Whether there are runs, and each is a look of `simtandem doctor`."""
    names = [runs.c[name] for name in _LOOK]
    rows = writing.execute(select(*names)).mappings().all()
    return bool(rows) and all({**row, "parameters": json.loads(row["parameters"])} == _LOOK for row in rows)


def _copy(each: Table, reading: Connection, writing: Connection) -> int:
    stored = _as_stored(each)
    order = [stored.c[key.name] for key in each.primary_key.columns]
    add = _send if writing.dialect.name == "postgresql" else _insert
    count = 0
    for rows in _parts(reading, select(stored).order_by(*order)):
        add(writing, stored, rows)
        count += len(rows)
    numbered = each.autoincrement_column
    if numbered is not None and numbered.identity is not None and writing.dialect.name == "postgresql" and count:
        last = select(func.max(numbered)).scalar_subquery()
        writing.execute(select(func.setval(func.pg_get_serial_sequence(each.name, numbered.name), last)))
    return count


def _parts(reading: Connection, query: Any) -> Iterator[Sequence[Row[Any]]]:
    options = {"stream_results": True, "max_row_buffer": _ROWS}
    with reading.execute(query, execution_options=options) as result:
        yield from result.partitions(_ROWS)


def _insert(writing: Connection, stored: TableClause, rows: Sequence[Row[Any]]) -> None:
    writing.execute(insert(stored), [dict(row._mapping) for row in rows])  # noqa: SLF001 - its public name


def _send(writing: Connection, stored: TableClause, rows: Sequence[Row[Any]]) -> None:
    """With COPY, which takes a fraction of the time of inserting them."""
    quote = writing.dialect.identifier_preparer.quote
    names = ", ".join(quote(each.name) for each in stored.columns)
    driver: Any = writing.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {quote(stored.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row))


def _as_stored(each: Table) -> TableClause:
    return table(each.name, *(column(one.name, _stored(one.type)) for one in each.columns))


def _stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _look_over(writing: Connection) -> None:
    """PostgreSQL knows nothing of new rows yet, and would read all of a table for each run."""
    quote = writing.dialect.identifier_preparer.quote
    writing.exec_driver_sql(f"ANALYZE {', '.join(quote(each.name) for each in _TABLES)}")


def _prove(target: Database, writing: Connection, kept: Sequence[Kept]) -> None:
    """Raise `LedgerError` unless everything verifies in the copy."""
    about, found = by_subject(kept), []
    if writing.dialect.name == "postgresql":
        _look_over(writing)
    for strand, ids in ((RUNS, run_ids(writing)), (ARRIVALS, arrival_ids(writing))):
        for ident in ids:
            entries = of_chain(writing, ident, strand)
            proof = verify_chain(ident, Recorded(writing, ident, strand), witnesses(entries), strand)
            check_chain(writing, proof, entries, about.get((strand.kind, ident), []), strand)
            found += [f"{ident}: {each}" for each in proof.findings]
    found += [str(each) for each in verify_heads(writing, kept).findings]
    if found:
        more = f" ({len(found)} findings)" if len(found) > 1 else ""
        raise LedgerError(
            f"The copy in {target.place} does not verify: {found[0]}{more}. Nothing was copied.\n"
            "`simtandem verify` with the ledger that is copied says what is wrong there."
        )
