"""How the tables about schedules are read and written. Each function works inside the caller's transaction."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row, Select, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from simtandem.ledger.schedule_records import Arrival, FileVersion, Schedule, ScheduleState
from simtandem.ledger.schedule_tables import arrival_ends, arrivals, schedule_events, schedules
from simtandem.text.redaction import redacted_frame

_CHUNK = 20_000
_IDS_AT_ONCE = 500
VERSION = ("inbox", "name", "size", "modified", "sha256")


class SomebodyWasFaster(Exception):
    """What can be there only once is there already."""


def rounds(connection: Connection, file: FileVersion) -> tuple[int, int]:
    """How often this version was taken, and how many of those arrivals have not ended."""
    same = [arrivals.c[name] == getattr(file, name) for name in VERSION]
    query = (
        select(func.count(), func.count(arrival_ends.c.arrival_id))
        .select_from(arrivals.outerjoin(arrival_ends))
        .where(*same)
    )
    total, ended = connection.execute(query).one()
    return total, total - ended


def moved_on(connection: Connection, seen: Sequence[Schedule]) -> bool:
    """Whether one of these has an event that is newer than what was seen of it."""
    newest = select(schedule_events.c.schedule_id, func.max(schedule_events.c.number))
    for start in range(0, len(seen), _IDS_AT_ONCE):
        part = {each.schedule_id: each.events for each in seen[start : start + _IDS_AT_ONCE]}
        query = newest.where(schedule_events.c.schedule_id.in_(part)).group_by(schedule_events.c.schedule_id)
        if any(part[ident] != number for ident, number in connection.execute(query)):
            return True
    return False


def add_once(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows; raises `SomebodyWasFaster` where one of them is there already."""
    if not rows:
        return
    try:
        connection.execute(insert(table), rows)
    except IntegrityError:
        raise SomebodyWasFaster from None


def add_frame(connection: Connection, table: Table, frame: pl.DataFrame) -> None:
    """Add a table, part by part."""
    text = pl.col(pl.String).str.replace_all("\0", "\ufffd", literal=True)  # PostgreSQL can't store NUL
    for chunk in redacted_frame(frame).with_columns(text).iter_slices(_CHUNK):
        if not chunk.is_empty():
            connection.execute(insert(table), chunk.to_dicts())


def newest() -> Select[Any]:
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


def schedule(found: Row[Any]) -> Schedule:
    """A row of `newest`."""
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


def arrival(found: Row[Any]) -> Arrival:
    """A row of `arrivals`."""
    file = FileVersion(**{name: getattr(found, name) for name in VERSION})
    return Arrival(found.arrival_id, file, found.taken_at, found.shelf_name, found.rows, found.rejected, found.reason)
