"""Work on a ledger that one process does at a time. A lock ends with the process that holds it, however that ends."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simtandem.host.file_lock import lock_file, taken
from simtandem.ledger.database import Database

_FAMILY = 0x51_4D_7A_50
"""Any number that nothing else locks with, as long as every program that uses a ledger has the same."""


@contextmanager
def work_lock(database: Database, work: str) -> Iterator[bool]:
    """Try to lock this work, without waiting. True if it is locked until the block ends, False if it is locked already.

    SQLite: a lock on a file beside the ledger. PostgreSQL: an advisory lock of the session. Neither needs a lease or a
    clock. A PostgreSQL session that is lost releases its lock too early, so the work must be safe to do twice.
    """
    if database.is_postgres:
        with _session_lock(database, work) as free:
            yield free
        return
    lock = lock_file(Path(f"{database.place}.{work}.lock"))
    try:
        yield taken(lock)
    finally:
        lock.release()


@contextmanager
def _session_lock(database: Database, work: str) -> Iterator[bool]:
    with database.session() as session:
        key = (_FAMILY, zlib.crc32(work.encode()) - 2**31)
        free = bool(session.exec_driver_sql("SELECT pg_try_advisory_lock(%s, %s)", key).scalar())
        try:
            yield free
        finally:
            if free:
                session.invalidate()  # back in the pool, the session would keep the lock
