"""Work that only one program may do at a time. The lock goes with the process that holds it, however that ends."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simtandem.errors import LedgerError
from simtandem.ledger.database import Database

_FAMILY = 0x51_4D_7A_50
"""Any number that nothing else locks with, as long as every program that uses a ledger has the same."""


@contextmanager
def only_one(database: Database, work: str) -> Iterator[bool]:
    """Whether nobody else is at this work; if so nobody else begins it before the block ends.

    On SQLite a lock on a file beside the ledger, on PostgreSQL one of the session: neither needs a lease or a clock,
    and both are free again the moment their holder is gone. A PostgreSQL session that is lost on the way frees it too
    early: so what is done under it must bear to be done twice.
    """
    if database.is_postgres:
        with database.session() as session:
            key = (_FAMILY, zlib.crc32(work.encode()) - 2**31)
            free = bool(session.exec_driver_sql("SELECT pg_try_advisory_lock(%s, %s)", key).scalar())
            try:
                yield free
            finally:
                if free:
                    session.invalidate()  # back in the pool the session would keep the lock
        return
    path = Path(f"{database.place}.{work}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LedgerError(f"{path} can't be made: {error.strerror}. Allow it, then run again.") from error
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
