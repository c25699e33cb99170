import sqlite3

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from simtandem.errors import LedgerError
from simtandem.ledger.database_errors import translated


def message(error: Exception) -> str:
    with pytest.raises(LedgerError) as raised, translated("db:5432/ledger"):
        raise error
    assert raised.value.__cause__ is error
    return str(raised.value)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("something")
    error.sqlite_errorcode = code
    return error


def wrapped(cause: BaseException) -> OperationalError:
    return OperationalError("INSERT INTO runs …", None, cause)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (sqlite_error(sqlite3.SQLITE_BUSY), "is locked by another program. Wait"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "is locked by another program. Wait"),
        (sqlite_error(sqlite3.SQLITE_FULL), "the disk is full. Free some space"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "may not be written. Give"),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), "the disk reports an error. Check the disk"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), "is damaged or not a ledger. Move it away"),
        (errors.LockNotAvailable(), "is locked by another program. Wait"),
        (errors.DiskFull(), "the disk is full. Free some space"),
        (errors.TooManyConnections(), "has no free connection. Close"),
        (errors.InsufficientPrivilege(), "may not be written. Give"),
        (errors.ReadOnlySqlTransaction(), "may not be written. Give"),
        (errors.InvalidPassword(), "refuses the login. Check user and password"),
        (errors.AdminShutdown(), "can't be reached. Check"),
        (errors.ConnectionFailure(), "can't be reached. Check"),
        (errors.IdleInTransactionSessionTimeout(), "nothing came for too long. Check the network"),
        (psycopg.OperationalError("connection failed: FATAL:  password authentication failed"), "refuses the login."),
        (psycopg.OperationalError("connection failed: FATAL:  no pg_hba.conf entry for host"), "refuses the login."),
        (
            psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already"),
            "has no free connection",
        ),
        (psycopg.OperationalError("failed to resolve host 'db'"), "can't be reached. Check"),
        (psycopg.OperationalError("connection timeout expired"), "can't be reached. Check"),
    ],
)
def test_a_trouble_is_named_with_what_to_do(cause: Exception, words: str) -> None:
    assert message(wrapped(cause)).startswith("The ledger db:5432/ledger ")
    assert words in message(wrapped(cause))
    assert message(wrapped(cause)) == message(cause)


def test_a_contradiction_says_that_nothing_of_it_was_recorded() -> None:
    said = message(IntegrityError("INSERT …", None, sqlite3.IntegrityError("UNIQUE constraint failed: runs.run_id")))
    assert "(UNIQUE constraint failed: runs.run_id). Nothing of it was recorded." in said


def test_a_trouble_nobody_foresaw_is_told_in_one_line() -> None:
    assert message(errors.SyntaxError("one\ntwo")) == "The ledger db:5432/ledger can't be used: one."
    assert message(SQLAlchemyError("it broke.")) == "The ledger db:5432/ledger can't be used: it broke."
    assert message(sqlite3.ProgrammingError()) == "The ledger db:5432/ledger can't be used: ProgrammingError."


def test_errors_of_others_pass() -> None:
    with pytest.raises(KeyError), translated("db:5432/ledger"):
        raise KeyError
