"""Which run a flow run is now. Any host may continue a flow run; of several that try it, one does."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from simtandem.errors import LedgerError
from simtandem.host.processes import process_mark, process_may_run
from simtandem.ledger.database import Database
from simtandem.ledger.leases import now
from simtandem.ledger.records import ProcessProbe
from simtandem.ledger.sharing_tables import flow_runs

log = logging.getLogger(__name__)

_SEEN_EVERY_S = 3.0
_LOST_AFTER_S = 20.0
"""Longer than a lease lives without being renewed (`leases`): what the process sent last had its lease then."""


@dataclass(frozen=True, slots=True)
class Continued:
    """A flow run as it was found: the run that it is, empty at first, and how often it was continued, and where last.

    `alive`: that process may be at work on it.
    """

    flow_run: str
    run_id: str = ""
    epoch: int = 0
    host: str = ""
    pid: int = 0
    alive: bool = False


def found(database: Database, flow_run: str) -> Continued:
    """The flow run as it is."""

    def read(connection: Connection) -> Continued:
        row = connection.execute(select(flow_runs).where(flow_runs.c.flow_run == flow_run)).one_or_none()
        if row is None:
            return Continued(flow_run)
        alive = is_alive(connection, row, process_may_run)
        return Continued(flow_run, row.run_id, row.epoch, row.host, row.pid, alive=alive)

    return database.reading(read)


def is_alive(connection: Connection, row: Row[Any], may_run: ProcessProbe) -> bool:
    """Whether the process of a row may be at work: it has not ended, and where others could see it, it was seen."""
    if not (row.seen_at > 0 and may_run(row.host, row.pid, row.process)):
        return False
    return connection.dialect.name != "postgresql" or bool(row.seen_at > now(connection) - _LOST_AFTER_S)


@contextmanager
def held(database: Database, mine: Callable[[], Continued | None]) -> Iterator[None]:
    """In this block other hosts see that this process is at work on the flow run, as far as it is its own."""
    over, thread = Event(), None
    if database.is_postgres:
        thread = Thread(target=_show, args=(database, mine, over), name="flow-run", daemon=True)
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread is not None:
            thread.join()
        _write(database, mine(), ended=True)


def _show(database: Database, mine: Callable[[], Continued | None], over: Event) -> None:
    while not over.wait(_SEEN_EVERY_S):
        _write(database, mine(), ended=False)


def _write(database: Database, mine: Continued | None, *, ended: bool) -> None:
    if mine is None:
        return
    own = update(flow_runs).where(
        flow_runs.c.flow_run == mine.flow_run,
        flow_runs.c.epoch == mine.epoch,
        flow_runs.c.host == socket.gethostname(),
        flow_runs.c.pid == os.getpid(),
    )
    try:
        with database.write_now() as connection:
            connection.execute(own.values(seen_at=0.0 if ended else now(connection)))
    except LedgerError as error:
        log.info("That this process is at work could not be written: %s", error)


_TAKE = text(
    "INSERT INTO flow_runs AS f (flow_run, run_id, epoch, host, pid, process, seen_at) "
    "VALUES (:flow_run, :run_id, :epoch, :host, :pid, :process, :seen_at) "
    "ON CONFLICT (flow_run) DO UPDATE SET run_id = excluded.run_id, epoch = excluded.epoch, host = excluded.host, "
    "pid = excluded.pid, process = excluded.process, seen_at = excluded.seen_at WHERE f.epoch = excluded.epoch - 1"
)


def take(database: Database, before: Continued, run_id: str) -> Continued | None:
    """Let the flow run be this run from now on; None where another process was faster since it was found."""
    pid = os.getpid()
    mine = {
        "flow_run": before.flow_run,
        "run_id": run_id,
        "epoch": before.epoch + 1,
        "host": socket.gethostname(),
        "pid": pid,
        "process": process_mark(pid),
    }

    def attempt(connection: Connection) -> bool:
        if connection.execute(_TAKE, {**mine, "seen_at": now(connection)}).rowcount:
            return True
        # It may have been done at an attempt whose answer was lost.
        own = [flow_runs.c[name] == value for name, value in mine.items()]
        return connection.execute(select(flow_runs.c.epoch).where(*own)).first() is not None

    taken = database.writing(attempt)
    return Continued(before.flow_run, run_id, before.epoch + 1, str(mine["host"]), pid, alive=True) if taken else None
