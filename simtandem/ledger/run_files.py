"""Which file of a run is in the store under which SHA-256: facts of the run, which its chain covers."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from simtandem.ledger import inserts
from simtandem.ledger.commit import commit
from simtandem.ledger.database import Database
from simtandem.ledger.file_tables import run_files
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import prunings

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a run: its name in the run's folder, the SHA-256 of what is in it, and its size."""

    name: str
    sha256: str
    size: int


def record(ledger: Ledger, run_id: str, files: Sequence[KeptFile]) -> None:
    """Record files that are in the store by now."""
    rows: list[inserts.Row] = [
        {"run_id": run_id, "name": each.name, "sha256": each.sha256, "bytes": each.size} for each in files
    ]
    ledger.keep(commit(ledger.database, run_id, lambda chain: inserts.add_facts(chain, Kind.FILE, rows)))


def kept(ledger: Ledger, run_id: str) -> dict[str, KeptFile]:
    """The files of a run that are in the store, by name."""
    query = select(run_files).where(run_files.c.run_id == run_id).order_by(run_files.c.seq)
    return ledger.database.reading(
        lambda connection: {
            row.name: KeptFile(row.name, row.sha256, row.bytes) for row in connection.execute(query).all()
        }
    )


def count(ledger: Ledger) -> int:
    """How many files of runs are recorded to be in the store."""
    query = select(func.count()).select_from(run_files)
    return ledger.database.reading(lambda connection: connection.scalar(query) or 0)


@contextmanager
def nobody_refers_to(database: Database, some: Collection[str]) -> Iterator[set[str]]:
    """Those of these digests that no run refers to; in this block none is recorded."""
    with database.write() as connection:
        if database.is_postgres:  # SQLite has one writer at a time
            connection.execute(text("LOCK TABLE run_files, prunings IN SHARE ROW EXCLUSIVE MODE"))
        yield set(some) - _referred_to(connection, sorted(some))


def _referred_to(connection: Connection, some: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(some), _AT_ONCE):
        for digest in (run_files.c.sha256, prunings.c.archive_sha256):
            query = select(digest).where(digest.in_(some[start : start + _AT_ONCE]))
            found.update(connection.scalars(query))
    return found
