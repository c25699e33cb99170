"""A database's error becomes a `LedgerError`: what is wrong, and what to do. Never with a password in it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from simtandem.errors import LedgerError, LedgerUnavailable

if TYPE_CHECKING:
    import psycopg

_LOCKED = "is locked by another program. Wait until that is done or close it, then run again"
_FULL = "can't grow: the disk is full. Free some space, then run again; what was recorded is kept"
_FORBIDDEN = "may not be written. Give this user the right to write there, then run again"
_BROKEN = "is damaged or not a ledger. Move it away, restore it from a backup or start a new one, then run again"
_UNREACHABLE = "can't be reached. Check host, port and network, and that the server runs, then run again"
_KEPT_OUT = "refuses the login. Check user and password, then run again"

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: "can't be opened. Check that its folder is there and may be written, then run again",
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error. Check the disk, then run again",
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
}

_CROWDED = "has no free connection. Close other programs or raise its limit, then run again"
_SILENT = "closed a connection on which nothing came for too long. Check the network, then run again"
_PASSING = ("08", "57P", "53300", "25006", "25P03", "25P04", "40001", "40P01")
"""SQLSTATEs, or how they begin, of what passes. 25006: a failover may lead to a server that only reads, at first.

25P03 and 25P04: the server heard nothing of a transaction for too long: the network was cut, a host stood still.
"""

# By SQLSTATE or, where it ends in "*", by the class of it.
_BY_SQLSTATE = {
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "53100": _FULL,
    "53300": _CROWDED,
    "42501": _FORBIDDEN,
    "25006": _FORBIDDEN,
    "25P03": _SILENT,
    "25P04": _SILENT,
    "3D000": "doesn't exist on that server. Create the database, then run again",
    "3F000": "has no schema this user may use. Create one or give this user the right to, then run again",
    "28*": _KEPT_OUT,
    "08*": _UNREACHABLE,
    "57P*": _UNREACHABLE,
}

# A connection that is never made has no SQLSTATE, only words.
_BY_WORDS = {
    "password": _KEPT_OUT,
    "authentication": _KEPT_OUT,
    "pg_hba.conf": _KEPT_OUT,
    'role "': _KEPT_OUT,
    'database "': _BY_SQLSTATE["3D000"],
    "too many": _BY_SQLSTATE["53300"],
}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """What the database throws inside leaves as a `LedgerError` that names `place` (which has no password in it)."""
    try:
        yield
    except _database_errors() as error:
        kind = LedgerUnavailable if _may_pass(error) else LedgerError
        raise kind(f"The ledger {place} {_explain(error)}.") from error


def _database_errors() -> "tuple[type[SQLAlchemyError | sqlite3.Error | psycopg.Error], ...]":
    """Asked for only once something was raised: a ledger in a file needs no PostgreSQL client."""
    import psycopg

    return (SQLAlchemyError, sqlite3.Error, psycopg.Error)


def _may_pass(error: "SQLAlchemyError | sqlite3.Error | psycopg.Error") -> bool:
    """Whether the same may well be taken in a minute: a restart, a failover, a cut connection, a deadlock."""
    import psycopg

    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:
        return isinstance(cause, psycopg.OperationalError) and _explain_postgres(cause) in (_UNREACHABLE, _CROWDED)
    return cause.sqlstate.startswith(_PASSING)


def _explain(error: "SQLAlchemyError | sqlite3.Error | psycopg.Error") -> str:
    import psycopg

    cause = getattr(error, "orig", None) or error
    if isinstance(error, IntegrityError) or isinstance(cause, sqlite3.IntegrityError | psycopg.IntegrityError):
        return f"holds this already, or lacks what it refers to ({_first_line(cause)}). Nothing of it was recorded"
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        known = None if code is None else _BY_SQLITE_CODE.get(code & 0xFF)  # the low byte; the rest says where exactly
    elif isinstance(cause, psycopg.Error):
        known = _explain_postgres(cause)
    else:
        known = None
    if known is None and isinstance(cause, sqlite3.OperationalError):  # a table that is gone, text that is none
        known = f"{_BROKEN} ({_first_line(cause)})"
    return known or f"can't be used: {_first_line(cause)}"


def _explain_postgres(cause: "psycopg.Error") -> str | None:
    import psycopg

    state = cause.sqlstate
    if state is None:
        words = next((known for words, known in _BY_WORDS.items() if words in str(cause)), _UNREACHABLE)
        return words if isinstance(cause, psycopg.OperationalError) else None
    return next((_BY_SQLSTATE[key] for key in (state, state[:3] + "*", state[:2] + "*") if key in _BY_SQLSTATE), None)


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0].rstrip(".")
