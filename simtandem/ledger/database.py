"""One engine and its two kinds of transaction, set up alike for SQLite and PostgreSQL."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from simtandem.errors import InputError, LedgerError
from simtandem.ledger.database_errors import translated
from simtandem.ledger.outage import Waiting, waited_out

Result = TypeVar("Result")

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_CONNECT_SECONDS = 10
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_LOCK_TRY_S = 2.0
"""How long SQLite itself waits for a lock, before the wait is reported and it is tried again."""
_LOCK_TOLD_AFTER_S = 5.0
_ALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""A server that vanished without a word, as in a failover, is noticed within half a minute."""
_MOST_DAMAGE = 5


class Database:
    """A database by URL. Its errors leave as `LedgerError`.

    `busy_timeout` is how many seconds to wait for someone else's lock. `outage_s`, 0 until it is set, is how many to
    wait for a database that is away.
    """

    outage_s: float = 0.0

    def __init__(self, url: str, busy_timeout: float) -> None:
        parsed = _parse(url)
        self.place = _place(parsed)
        self.is_postgres = parsed.drivername == "postgresql+psycopg"
        if self.is_postgres:
            self._engine = _postgres_engine(parsed, busy_timeout)
        else:
            self._engine = _sqlite_engine(parsed, busy_timeout)
        self._writing = self._engine.execution_options(writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. What nobody could have recorded is an error that says so."""
        try:
            with self._begun(self._engine) as connection:
                yield connection
        except (ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LedgerError(
                f"The ledger {self.place} holds what simtandem didn't write there ({what}). "
                "`simtandem verify` says which fact was changed; restore the ledger from a backup."
            ) from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that reads, and sees the same throughout, no matter who writes meanwhile.

        Text that is no text is read nevertheless, with surrogates in it: this is how tampering is looked for.
        """
        engine = self._engine
        if self.is_postgres:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with self._begun(engine) as connection:
            driver: Any = connection.connection.driver_connection
            if not self.is_postgres:
                driver.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
            try:
                yield connection
            finally:
                if not self.is_postgres:
                    driver.text_factory = str

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, or nothing of it is recorded."""
        with self._begun(self._writing) as connection:
            yield connection

    @contextmanager
    def write_now(self) -> Iterator[Connection]:
        """As `write`, but a database that is away is an error at once, `LedgerUnavailable`."""
        with translated(self.place), self._writing.begin() as connection:
            yield connection

    def reading(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` reads in a transaction; it is done again where the connection was lost on the way."""

        def attempt() -> Result:
            with self.read() as connection:
                return work(connection)

        return self.waited_out(attempt)

    def writing(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` returns from a transaction that writes; done again where the connection was lost on the way.

        A commit whose answer was lost may have been carried out: `work` must bear to find what it has done.
        """

        def attempt() -> Result:
            with self.write() as connection:
                return work(connection)

        return self.waited_out(attempt)

    def waited_out(self, work: Callable[[], Result]) -> Result:
        """Do it; again, as often as the database is away, for `outage_s` at most. It must bear to be done twice."""
        return waited_out(work, self.place, self.outage_s)

    @contextmanager
    def _begun(self, engine: Engine) -> Iterator[Connection]:
        """A transaction. A database that is away is waited for before it begins, not within."""
        with translated(self.place), ExitStack() as stack:
            yield self.waited_out(lambda: self._begin(engine, stack))

    def _begin(self, engine: Engine, stack: ExitStack) -> Connection:
        with translated(self.place):
            return stack.enter_context(engine.begin())

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection outside any transaction, for what lasts as long as a session does."""
        with translated(self.place), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def damage(self) -> list[str]:
        """What of a SQLite file contradicts itself, as a table and its index do where a byte was changed.

        At most some such sentences of SQLite's. PostgreSQL looks after its own pages.
        """
        if self.is_postgres:
            return []
        with self.snapshot() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_DAMAGE})")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None  # their messages quote the URL, password and all
    if parsed is None or parsed.drivername not in _DRIVERS or "@" in (parsed.host or ""):
        raise InputError(
            "SIMTANDEM_LEDGER_URL can't be used. Nothing was sent. Write sqlite:////folder/ledger.db or "
            "postgresql+psycopg://user:password@host:port/database, with special characters in the password as %-codes."
        )
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.drivername == "sqlite+pysqlite" and parsed.database in {None, "", ":memory:"}:
        raise InputError(
            "SIMTANDEM_LEDGER_URL names no file. Nothing was sent. "
            "Write sqlite:////folder/ledger.db: a record must outlive its run."
        )
    return parsed


def _place(url: URL) -> str:
    if url.host is None:
        return str(url.database)
    return f"{url.host}:{url.port or 5432}/{url.database or ''}"


def _sqlite_engine(url: URL, busy_timeout: float) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The ledger's folder {path.parent} can't be made: {error.strerror}. Nothing was sent. "
            "Choose another (SIMTANDEM_HOME, SIMTANDEM_LEDGER_URL) or allow it, then run again."
        ) from error
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": min(busy_timeout, _LOCK_TRY_S)})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not when the driver thinks they should
        _enter_wal(connection, busy_timeout)
        # NORMAL: nothing acknowledged is lost when the process is killed. A power cut may lose the last commits, and
        # nothing else: the next run compares with the carrier, not with the record.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")  # a large plan's log isn't kept for ever

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts as a reader and then writes fails at once when another has written meanwhile; one
        # that starts as a writer waits for the lock.
        writes = connection.get_execution_options().get("writes", False)
        if writes:
            _begin_writing(connection, _place(url), busy_timeout)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: Connection, place: str, busy_timeout: float) -> None:
    waiting = Waiting(place, "is locked by another program", busy_timeout, told_after_s=_LOCK_TOLD_AFTER_S)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if not _is_busy(error.orig) or waiting.is_over:
                raise
            waiting.go_on()
        else:
            waiting.end()
            return


def _is_busy(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _enter_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch to write-ahead logging; a no-op after the first time.

    The switch needs the file for a moment, and SQLite doesn't always wait for it: two programs that open a new file
    together meet here.
    """
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _postgres_engine(url: URL, busy_timeout: float) -> Engine:
    wanted = {"connect_timeout": _CONNECT_SECONDS, **_ALIVE}
    arguments = {name: value for name, value in wanted.items() if name not in url.query}
    # A run may wait minutes for its call budget, long enough for a network to forget an idle connection: ask first.
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {int(busy_timeout * 1000)}")
        connection.commit()

    return engine
