"""The ledger's part about schedules: files that arrived, what they schedule, and what became of it."""

import getpass
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row, Select, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from simtandem.errors import InputError
from simtandem.ledger import direct_runs
from simtandem.ledger.locking import only_one
from simtandem.ledger.schedule_records import (
    SCHEDULE_ROWS,
    Arrival,
    FileVersion,
    NewSchedule,
    Schedule,
    ScheduleState,
    as_json,
)
from simtandem.ledger.schedule_tables import (
    arrival_ends,
    arrival_rejections,
    arrivals,
    schedule_events,
    schedule_rows,
    schedule_skips,
    schedules,
)
from simtandem.ledger.store import Ledger

_CHUNK = 20_000
_IDS_AT_ONCE = 500
_VERSION = ("inbox", "name", "size", "modified", "sha256")
Skip = tuple[str, int, str]
"""A row left out for good: schedule id, row, reason."""


class _SomebodyWasFaster(Exception):
    pass


class Schedules:
    """Files that arrived and what they schedule. Every method is one transaction and raises `LedgerError`.

    Facts are added, never changed. Where two programs want to add what can be there only once, the second is told so
    by the answer, and nothing of its own is recorded.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Whether nobody else does `work` on this ledger; nobody begins it before the block ends, or the process."""
        with only_one(self.ledger.database, work) as free:
            yield free

    def record(self, arrival: Arrival, new: Sequence[NewSchedule], rejected: pl.DataFrame) -> bool:
        """Record that a file was taken, with all it schedules. False, and nothing recorded, where it was before.

        A version of a file can be taken again once its earlier arrival has ended: then it was put there anew.
        """
        file = arrival.file
        values = {name: getattr(file, name) for name in _VERSION} | {
            "arrival_id": arrival.arrival_id,
            "taken_at": arrival.taken_at,
            "shelf_name": arrival.shelf_name,
            "rows": arrival.rows,
            "rejected": arrival.rejected,
            "reason": arrival.reason,
            "os_user": _user(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        with self._at_most_once() as done, self.ledger.database.write() as connection:
            earlier, open_ones = _rounds(connection, file)
            if open_ones:
                raise _SomebodyWasFaster
            _add_once(connection, arrivals, [{**values, "round": earlier}])
            refused = rejected.select(pl.lit(arrival.arrival_id).alias("arrival_id"), pl.all())
            _add_frame(connection, arrival_rejections, refused)
            for each in new:
                self._add_schedule(connection, arrival.arrival_id, each)
        return done[0]

    def _add_schedule(self, connection: Connection, arrival_id: str, new: NewSchedule) -> None:
        row = {
            "schedule_id": new.schedule_id,
            "arrival_id": arrival_id,
            "effective_at": new.effective_at,
            "rows": new.rows.height,
            "wishes": as_json(new.wishes),
        }
        connection.execute(insert(schedules), [row])
        _add_frame(
            connection, schedule_rows, new.rows.select(pl.lit(new.schedule_id).alias("schedule_id"), *SCHEDULE_ROWS)
        )
        connection.execute(insert(schedule_events), [self._event(new.schedule_id, 1, ScheduleState.SCHEDULED)])

    def taken_now(self, file: FileVersion) -> bool:
        """Whether this version of the file was taken and is not put away yet."""
        with self.ledger.database.read() as connection:
            return bool(_rounds(connection, file)[1])

    def name_is_new(self, inbox: str, name: str) -> bool:
        """Whether no file of this name was ever taken from this inbox."""
        query = select(func.count()).where(arrivals.c.inbox == inbox, arrivals.c.name == name)
        with self.ledger.database.read() as connection:
            return not connection.scalar(query)

    def open_arrivals(self, inbox: str) -> list[Arrival]:
        """Files that were taken from this inbox and not put away yet, oldest first."""
        query = (
            select(arrivals)
            .select_from(arrivals.outerjoin(arrival_ends))
            .where(arrivals.c.inbox == inbox, arrival_ends.c.arrival_id.is_(None))
            .order_by(arrivals.c.taken_at, arrivals.c.arrival_id)
        )
        with self.ledger.database.read() as connection:
            return [_arrival(found) for found in connection.execute(query)]

    def end_arrival(self, arrival_id: str, place: str) -> bool:
        """Record where a file was put away. False where that is recorded already."""
        row = {"arrival_id": arrival_id, "at": self.ledger.clock(), "place": place}
        with self._at_most_once() as done, self.ledger.database.write() as connection:
            _add_once(connection, arrival_ends, [row])
        return done[0]

    def rejected(self, arrival_id: str) -> pl.DataFrame:
        """The rows of a file that could not be used (`schemas.tables.Rejected`)."""
        columns = ("row", "column", "value", "reason")
        query = (
            select(*(arrival_rejections.c[name] for name in columns))
            .where(arrival_rejections.c.arrival_id == arrival_id)
            .order_by(arrival_rejections.c.row)
        )
        schema = pl.Schema({"row": pl.Int64(), "column": pl.String(), "value": pl.String(), "reason": pl.String()})
        with self.ledger.database.read() as connection:
            return _frame(connection, query, schema)

    def of_arrival(self, arrival_id: str) -> list[Schedule]:
        """What a file schedules, earliest first."""
        return self._read(_newest().where(schedules.c.arrival_id == arrival_id))

    def due(self, moment: datetime) -> list[Schedule]:
        """What is open and effective by then: the earliest first, of one moment the earliest arrival first."""
        return [each for each in self._read(_newest().where(schedules.c.effective_at <= moment)) if each.state.open]

    def open_at(self, moments: Sequence[datetime]) -> list[Schedule]:
        """What is open and becomes effective at exactly one of these moments."""
        return [each for each in self._read(_newest().where(schedules.c.effective_at.in_(moments))) if each.state.open]

    def all(self, *, open_only: bool) -> list[Schedule]:
        """Every schedule, the earliest first."""
        return [each for each in self._read(_newest()) if each.state.open or not open_only]

    def find(self, prefix: str) -> Schedule:
        """The schedule with this id, or the only one whose id begins so. Raises `InputError`."""
        begins_so = func.substr(schedules.c.schedule_id, 1, len(prefix)) == prefix
        found = self._read(_newest().where(begins_so)) if prefix else []
        exact = [each for each in found if each.schedule_id == prefix] or found
        if len(exact) == 1:
            return exact[0]
        if not exact:
            raise InputError(f"There is no schedule {prefix!r}. `simtandem schedule list --all` lists them.")
        raise InputError(f"{len(exact)} schedules begin with {prefix!r}. Write more of the id.")

    def rows(self, schedule_id: str) -> pl.DataFrame:
        """The rows of a schedule, those left out as well; columns as in `SCHEDULE_ROWS`."""
        query = (
            select(*(schedule_rows.c[name] for name in SCHEDULE_ROWS))
            .where(schedule_rows.c.schedule_id == schedule_id)
            .order_by(schedule_rows.c.row)
        )
        with self.ledger.database.read() as connection:
            return _frame(connection, query, SCHEDULE_ROWS)

    def skips(self, schedule_id: str) -> pl.DataFrame:
        """`row` and `reason` of the rows left out."""
        query = (
            select(schedule_skips.c.row, schedule_skips.c.reason)
            .where(schedule_skips.c.schedule_id == schedule_id)
            .order_by(schedule_skips.c.row)
        )
        with self.ledger.database.read() as connection:
            return _frame(connection, query, pl.Schema({"row": pl.Int64(), "reason": pl.String()}))

    def asked_by_others(self, carrier_host: str, since: datetime) -> pl.DataFrame:
        """What runs that no schedule began asked of which devices: see `direct_runs.asked_since`."""
        with self.ledger.database.read() as connection:
            return direct_runs.asked_since(connection, carrier_host, since)

    def skip(self, skips: Sequence[Skip], emptied: Mapping[str, str], among: Sequence[Schedule]) -> bool:
        """Leave rows out for good, and end the schedules that have no other rows, with a detail for each.

        `among` are all that were chosen from. False, and nothing recorded, where one of them has moved meanwhile: it
        may have been what the others were left out for.
        """
        rows = [{"schedule_id": ident, "row": row, "reason": reason} for ident, row, reason in skips]
        ends = [
            self._event(each.schedule_id, each.events + 1, ScheduleState.LEFT_OUT, each.run_id, emptied[ident])
            for each in among
            if (ident := each.schedule_id) in emptied
        ]
        with self._at_most_once() as done, self.ledger.database.write() as connection:
            if rows and _moved_on(connection, among):
                raise _SomebodyWasFaster
            _add_once(connection, schedule_skips, rows)
            _add_once(connection, schedule_events, ends)
        return done[0]

    def move(
        self, moved: Sequence[Schedule], state: ScheduleState, run_id: str | None = None, detail: str = ""
    ) -> bool:
        """Record that these schedules reached a state. False, and nothing recorded, where one has moved meanwhile."""
        events = [self._event(each.schedule_id, each.events + 1, state, run_id, detail) for each in moved]
        with self._at_most_once() as done, self.ledger.database.write() as connection:
            _add_once(connection, schedule_events, events)
        return done[0]

    def _event(
        self, schedule_id: str, number: int, state: ScheduleState, run_id: str | None = None, detail: str = ""
    ) -> dict[str, object]:
        return {
            "schedule_id": schedule_id,
            "number": number,
            "at": self.ledger.clock(),
            "state": state.value,
            "run_id": run_id,
            "detail": detail,
        }

    @contextmanager
    def _at_most_once(self) -> Iterator[list[bool]]:
        done = [True]
        try:
            yield done
        except _SomebodyWasFaster:
            done[0] = False

    def _read(self, query: Select[Any]) -> list[Schedule]:
        with self.ledger.database.read() as connection:
            return [_schedule(found) for found in connection.execute(query)]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        return str(os.getuid())


def _rounds(connection: Connection, file: FileVersion) -> tuple[int, int]:
    """How often this version was taken, and how many of those arrivals have not ended."""
    same = [arrivals.c[name] == getattr(file, name) for name in _VERSION]
    query = (
        select(func.count(), func.count(arrival_ends.c.arrival_id))
        .select_from(arrivals.outerjoin(arrival_ends))
        .where(*same)
    )
    total, ended = connection.execute(query).one()
    return total, total - ended


def _moved_on(connection: Connection, seen: Sequence[Schedule]) -> bool:
    """Whether one of these has an event that is newer than what was seen of it."""
    newest = select(schedule_events.c.schedule_id, func.max(schedule_events.c.number))
    for start in range(0, len(seen), _IDS_AT_ONCE):
        part = {each.schedule_id: each.events for each in seen[start : start + _IDS_AT_ONCE]}
        query = newest.where(schedule_events.c.schedule_id.in_(part)).group_by(schedule_events.c.schedule_id)
        if any(part[ident] != number for ident, number in connection.execute(query)):
            return True
    return False


def _add_once(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    try:
        connection.execute(insert(table), rows)
    except IntegrityError:
        raise _SomebodyWasFaster from None


def _add_frame(connection: Connection, table: Table, frame: pl.DataFrame) -> None:
    text = pl.col(pl.String).str.replace_all("\0", "\ufffd", literal=True)  # PostgreSQL can't store NUL
    for chunk in frame.with_columns(text).iter_slices(_CHUNK):
        if not chunk.is_empty():
            connection.execute(insert(table), chunk.to_dicts())


def _newest() -> Select[Any]:
    """Schedules with their newest event, the earliest first."""
    others = schedule_events.alias()
    newest = select(func.max(others.c.number)).where(others.c.schedule_id == schedules.c.schedule_id)
    return (
        select(
            schedules,
            arrivals.c.name,
            arrivals.c.sha256,
            arrivals.c.taken_at,
            schedule_events.c.number,
            schedule_events.c.at,
            schedule_events.c.state,
            schedule_events.c.run_id,
            schedule_events.c.detail,
        )
        .select_from(schedules.join(arrivals).join(schedule_events))
        .where(schedule_events.c.number == newest.correlate(schedules).scalar_subquery())
        .order_by(schedules.c.effective_at, arrivals.c.taken_at, arrivals.c.name, schedules.c.schedule_id)
    )


def _schedule(found: Row[Any]) -> Schedule:
    return Schedule(
        schedule_id=found.schedule_id,
        arrival_id=found.arrival_id,
        file=found.name,
        sha256=found.sha256,
        taken_at=found.taken_at,
        effective_at=found.effective_at,
        rows=found.rows,
        wishes=json.loads(found.wishes),
        state=ScheduleState(found.state),
        state_at=found.at,
        events=found.number,
        run_id=found.run_id,
        detail=found.detail,
    )


def _arrival(found: Row[Any]) -> Arrival:
    file = FileVersion(**{name: getattr(found, name) for name in _VERSION})
    return Arrival(found.arrival_id, file, found.taken_at, found.shelf_name, found.rows, found.rejected, found.reason)


def _frame(connection: Connection, query: Select[Any], schema: pl.Schema) -> pl.DataFrame:
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=schema, orient="row")
