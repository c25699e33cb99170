"""That a run may change devices now: its lease. What it claims is its own for as long as the lease is held.

SQLite is for one host: there a lease is a lock on a file beside the ledger, which ends with its process, however that
ends. In PostgreSQL it is a row that is renewed every few seconds, by the server's clock. A run that could not renew it
in time has lost it, and every slot it asks for is refused (`call_slots`); another run takes over what it had claimed,
once nothing that it sent can be under way any more.

A carrier works on when its client dies. So a call without an answer in the record is under way for as long as its own
client would have waited for one (`carriers.registry.patience_s`).
"""

import logging
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from filelock import FileLock
from sqlalchemy import Connection, Row, func, insert, select, text, update

from simtandem.carriers.rate_limit import LONGEST_CALL_S
from simtandem.carriers.registry import patience_s
from simtandem.errors import LedgerError
from simtandem.host.file_lock import lock_file, taken
from simtandem.host.processes import process_mark, process_may_run
from simtandem.ledger.database import Database
from simtandem.ledger.records import ProcessProbe
from simtandem.ledger.sharing_tables import claims, leases
from simtandem.ledger.tables import answers, calls

log = logging.getLogger(__name__)

LANDING_S = 15.0
"""In PostgreSQL a killed run that had no call on its way is waited for so long nevertheless: it may only be cut off."""
_MOST_OPEN = 5000
"""More calls than a window allows: those that were on their way at a run's death are among its last so many."""
_RENEWED_EVERY_S = 3.0
_LOST_AFTER_S = 15.0
_CONFIRMED_S = 5.0
"""A call leaves at most so long after its slot was taken, or its lease is looked at again (`rate_limit.Slot`)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that changes devices now: where, since when, and whether before others."""

    lease_id: str
    run_id: str
    host: str
    pid: int
    began_at: float
    urgent: bool


class Lease:
    """The lease of one run in this process. Nothing happens before `begin`; `lost` says that a slot was refused."""

    def __init__(self, database: Database, account: str, run_id: str, *, urgent: bool = False) -> None:
        self.account, self.run_id, self.urgent = account, run_id, urgent
        self.lease_id = ""
        self.mine: set[str] = set()
        """Every lease of the run that this process has begun: what it sent under one that was lost, it knows of."""
        self.lost = False
        self._database = database
        self._lock: FileLock | None = None
        self._over = Event()
        self._thread: Thread | None = None

    def begin(self) -> Holder:
        """Begin it, or a new one where it was lost. Raises `LedgerError`."""
        self._stop()
        lease_id = f"{self.run_id}-{secrets.token_hex(4)}"
        if not self._database.is_postgres:
            self._lock = lock_file(_lock_path(self._database, lease_id))
            if not taken(self._lock):
                raise LedgerError(f"The lock of run {self.run_id} is held by another program. Nothing was sent.")
        holder = self._database.writing(lambda connection: self._written(connection, lease_id))
        self.lease_id, self.lost = lease_id, False
        self.mine.add(lease_id)
        if self._database.is_postgres:
            self._over = Event()
            renewing = (lease_id, self._over)
            self._thread = Thread(target=self._renew, args=renewing, name=f"lease-{self.run_id}", daemon=True)
            self._thread.start()
        return holder

    def _written(self, connection: Connection, lease_id: str) -> Holder:
        """The lease as it is in the ledger; written there, unless that was done at an attempt whose answer was lost."""
        known = select(leases).where(leases.c.lease_id == lease_id)
        if (row := connection.execute(known).one_or_none()) is None:
            at = now(connection)
            values: dict[str, Any] = {
                "lease_id": lease_id,
                "account": self.account,
                "run_id": self.run_id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "process": process_mark(os.getpid()),
                "urgent": self.urgent,
                "began_at": at,
                "seen_at": at,
                "sent_at": 0.0,
            }
            connection.execute(insert(leases), [values])
            row = connection.execute(known).one()
        return _holder(row)

    def end(self) -> None:
        """Release it, and all that was claimed with it."""
        if not self.lease_id:
            return
        released = update(claims).where(claims.c.account == self.account, claims.c.lease_id == self.lease_id)

        def attempt(connection: Connection) -> None:
            turn = next_turn(connection, self.account)
            connection.execute(released.values(lease_id=None, turn=turn))
            _end(connection, self.lease_id)

        self._database.writing(attempt)
        self._stop()

    def require(self, connection: Connection) -> bool:
        """Renew it in this transaction; whether it is held still."""
        return self._require(connection, self.lease_id, {"seen_at": now(connection)})

    def require_to_send(self, connection: Connection, lease_id: str) -> bool:
        """As `require`, where something is about to be sent that rests on the lease with this id.

        A lease begun since is no good: what was claimed with the lost one may be another run's.
        """
        at = now(connection)
        return self._require(connection, lease_id, {"seen_at": at, "sent_at": at})

    def _require(self, connection: Connection, lease_id: str, values: dict[str, float]) -> bool:
        mine = update(leases).where(leases.c.lease_id == lease_id, leases.c.ended_at.is_(None))
        held = bool(connection.execute(mine.values(values)).rowcount)
        if lease_id != self.lease_id:  # begun anew meanwhile
            return False
        self.lost = self.lost or not held
        return not self.lost

    def _renew(self, lease_id: str, over: Event) -> None:
        mine = update(leases).where(leases.c.lease_id == lease_id, leases.c.ended_at.is_(None))
        while not over.wait(_RENEWED_EVERY_S):
            try:
                with self._database.write_now() as connection:
                    if not connection.execute(mine.values(seen_at=now(connection))).rowcount:
                        return
            except LedgerError as error:
                log.info("The lease of run %s could not be renewed: %s", self.run_id, error)

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None
        self.lease_id = ""


def now(connection: Connection) -> float:
    """Seconds since 1970, by the clock of the server; by that of this host where there is none."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def next_turn(connection: Connection, account: str) -> int:
    """Count a change of this account's claims. Until the transaction ends, nobody else changes any."""
    counted = (
        "INSERT INTO claim_turns AS t (account, turn) VALUES (:account, 1) "
        "ON CONFLICT (account) DO UPDATE SET turn = t.turn + 1 RETURNING turn"
    )
    return int(connection.scalar(text(counted), {"account": account}) or 0)


def held(database: Database, account: str, *, run_id: str = "") -> list[Holder]:
    """The leases of an account that are held, or may be, oldest first; of one run where it is named."""
    query = select(leases).where(leases.c.account == account, leases.c.ended_at.is_(None))
    query = query.where(leases.c.run_id == run_id) if run_id else query
    query = query.order_by(leases.c.began_at, leases.c.lease_id)

    def attempt(connection: Connection) -> list[Holder]:
        return [_holder(row) for row in connection.execute(query).all() if not _is_dead(database, connection, row)]

    return database.reading(attempt)


def end_if_dead(database: Database, connection: Connection, lease_id: str) -> tuple[Holder, float] | None:
    """End a lease that nobody holds any more; None once what it claimed is free.

    Else whose it is, and where it has ended, for how many seconds its last calls may still be under way; 0 else.
    """
    row = connection.execute(select(leases).where(leases.c.lease_id == lease_id).with_for_update()).one_or_none()
    if row is None:
        return None
    if row.ended_at is None and not _is_dead(database, connection, row):
        return _holder(row), 0.0
    if row.ended_at is None:
        _end(connection, lease_id)
        if not database.is_postgres:
            with suppress(OSError):
                _lock_path(database, lease_id).unlink(missing_ok=True)
    landing_s = _landing_s(connection, row)
    return (_holder(row), landing_s) if landing_s > 0 else None


def _end(connection: Connection, lease_id: str) -> None:
    mine = update(leases).where(leases.c.lease_id == lease_id, leases.c.ended_at.is_(None))
    connection.execute(mine.values(ended_at=now(connection)))


def _is_dead(database: Database, connection: Connection, row: Row[Any]) -> bool:
    if not database.is_postgres:
        lock = lock_file(_lock_path(database, row.lease_id))
        free = taken(lock)
        if free:
            lock.release()
        return free
    return not is_renewed(connection, row, process_may_run)


def is_renewed(connection: Connection, row: Row[Any], may_run: ProcessProbe) -> bool:
    """Whether the process of a lease in PostgreSQL may be there, and has renewed it in time."""
    return may_run(row.host, row.pid, row.process) and bool(row.seen_at >= now(connection) - _LOST_AFTER_S)


def was_lost(row: Row[Any]) -> bool:
    """Whether a lease in PostgreSQL that has ended was ended by another run, since nobody had renewed it."""
    return row.ended_at is not None and bool(row.ended_at - row.seen_at > _LOST_AFTER_S)


def _landing_s(connection: Connection, row: Row[Any]) -> float:
    """For how many seconds what it sent last may still be under way; 0 or less: nothing is."""
    at = now(connection)
    if connection.dialect.name != "postgresql":
        open_calls = ((sent_at + _CONFIRMED_S - at, patient_s) for sent_at, patient_s in _open_calls(connection, row))
        return max((patient_s + min(_CONFIRMED_S, ahead_s) for ahead_s, patient_s in open_calls), default=0.0)
    # Each call may have left when the last one did: only that moment is known by the server's clock.
    sent_s = at - row.sent_at - _CONFIRMED_S
    if sent_s > LONGEST_CALL_S:
        return 0.0
    return float(max(LANDING_S, *(patient_s for _, patient_s in _open_calls(connection, row)), 0.0) - sent_s)


def _open_calls(connection: Connection, row: Row[Any]) -> list[tuple[float, float]]:
    """The changes of a run that have no answer in the record: when they were sent, and how long that is waited for."""
    last = select(calls.c.call_id, calls.c.at, calls.c.path, calls.c.purpose).where(calls.c.run_id == row.run_id)
    some = last.order_by(calls.c.at.desc()).limit(_MOST_OPEN).subquery()
    unanswered = select(some.c.at, some.c.path).outerjoin(answers, answers.c.call_id == some.c.call_id)
    changes = some.c.purpose.in_(("change", "put_back"))
    found = connection.execute(unanswered.where(answers.c.call_id.is_(None), changes))
    return [(each.at.timestamp(), patience_s(each.path)) for each in found]


def _lock_path(database: Database, lease_id: str) -> Path:
    return Path(f"{database.place}.lease-{lease_id}.lock")


def _holder(row: Row[Any]) -> Holder:
    return Holder(row.lease_id, row.run_id, row.host, row.pid, row.began_at, row.urgent)
