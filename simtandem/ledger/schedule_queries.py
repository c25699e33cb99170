"""How the tables about schedules are read and written. Each function works inside the caller's transaction."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    TypeDecorator,
    func,
    not_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.engine import default
from sqlalchemy.exc import IntegrityError

from schemas.accounts import DEFAULT, URGENT, AccountKey
from schemas.statuses import Action
from simtandem.ledger import inserts
from simtandem.ledger.accounts import of_account
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import EVERY_FACT, Kind
from simtandem.ledger.queries import read_frame
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.ledger.schedule_records import Arrival, FileVersion, Schedule, ScheduleState
from simtandem.ledger.schedule_tables import arrival_ends, arrivals, schedule_events, schedules
from simtandem.ledger.tables import instant_text, plan_rows, run_states, runs

_IDS_AT_ONCE = 500
_ASKED = pl.Schema(dict.fromkeys(("run_id", "at", "sim_id", "endpoint_id", "iccid", "desired"), pl.String()))
_INSTANT = "%Y-%m-%dT%H:%M:%S%.3fZ"
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


def add_once(chain: Chain, kind: Kind, rows: Sequence[dict[str, Any]]) -> None:
    """Add facts of an arrival; raises `SomebodyWasFaster` where one of them is there already."""
    try:
        inserts.add_facts(chain, kind, [_stored(EVERY_FACT[kind].table, row) for row in rows])
    except IntegrityError:
        raise SomebodyWasFaster from None


def _stored(table: Table, row: dict[str, Any]) -> dict[str, object]:
    """A row as the database keeps it: its hash is made of that."""
    kinds = {name: table.c[name].type for name in row}
    return {
        name: kind.process_bind_param(row[name], default.DefaultDialect())
        if isinstance(kind, TypeDecorator)
        else row[name]
        for name, kind in kinds.items()
    }


def arrivals_of(connection: Connection, schedule_ids: Collection[str]) -> dict[str, str]:
    """The arrivals that these schedules are of, by schedule."""
    found: dict[str, str] = {}
    wanted = sorted(schedule_ids)
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        part = wanted[start : start + _IDS_AT_ONCE]
        query = select(schedules.c.schedule_id, schedules.c.arrival_id).where(schedules.c.schedule_id.in_(part))
        found |= {each.schedule_id: each.arrival_id for each in connection.execute(query)}
    return found


def for_account(name: str) -> ColumnElement[bool]:
    """Whether something arrived for the account of this name; without a name, for any."""
    return func.coalesce(arrivals.c.account, DEFAULT).in_([name]) if name else true()


def in_lane(urgent: bool | None) -> ColumnElement[bool]:  # noqa: FBT001 - a part of a query, as an account's name
    """Whether something arrived in a folder of urgent files, or not; None: in any."""
    of_urgent = arrivals.c.inbox.like(f"%/{URGENT}")
    return true() if urgent is None else of_urgent if urgent else not_(of_urgent)


def newest() -> Select[Any]:
    """Schedules with their newest event, the earliest first."""
    others = schedule_events.alias()
    newest = select(func.max(others.c.number)).where(others.c.schedule_id == schedules.c.schedule_id)
    return (
        select(
            schedules,
            arrivals.c.name,
            func.coalesce(arrivals.c.account, DEFAULT).label("account"),
            arrivals.c.sha256,
            arrivals.c.taken_at,
            in_lane(urgent=True).label("urgent"),
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
        account=found.account,
        urgent=bool(found.urgent),
        where=found.selection or "",
    )


def arrival(found: Row[Any]) -> Arrival:
    """A row of `arrivals`."""
    file = FileVersion(**{name: getattr(found, name) for name in VERSION})
    return Arrival(found.arrival_id, file, found.taken_at, found.shelf_name, found.rows, found.rejected, found.reason)


def asked_since(
    connection: Connection, account: AccountKey, since: datetime, *, urgent: bool | None = None
) -> pl.DataFrame:
    """Which devices runs that no schedule began were to bring to which status, when they began to send after `since`.

    Columns `run_id, at, sim_id, endpoint_id, iccid, desired`. What a run found as wished for counts: it was asked for.
    What it refused does not, nor does a run that was refused, only planned, or ended before it sent. Of an undo only
    what it takes back counts; its `desired` is null where that is no status that a file can ask for.

    To schedules that are not urgent (`urgent` is False), the runs of urgent ones are such runs.
    """
    began = func.min(run_states.c.at).label("at")
    sent = select(run_states.c.run_id, began).where(run_states.c.state == RunState.APPLYING.value)
    sending = sent.group_by(run_states.c.run_id).subquery()
    of_schedules = (
        select(schedule_events.c.run_id)
        .select_from(schedule_events.join(schedules).join(arrivals))
        .where(schedule_events.c.run_id.is_not(None), in_lane(None if urgent else urgent))
    )
    query = (
        select(
            plan_rows.c.run_id,
            type_coerce(sending.c.at, Text),
            plan_rows.c.sim_id,
            plan_rows.c.endpoint_id,
            plan_rows.c.iccid,
            plan_rows.c.desired,
        )
        .select_from(runs.join(sending, runs.c.run_id == sending.c.run_id).join(plan_rows))
        .where(runs.c.kind.in_([kind.value for kind in SENDING]), of_account(account))
        .where(type_coerce(sending.c.at, Text) > instant_text(since), runs.c.run_id.not_in(of_schedules))
        .where(
            (plan_rows.c.action == Action.CHANGE.value)
            | ((plan_rows.c.action == Action.UNCHANGED.value) & (runs.c.kind != RunKind.UNDO.value))
        )
        .where(plan_rows.c.desired.is_not(None) | (runs.c.kind == RunKind.UNDO.value))
    )
    return read_frame(connection, query, _ASKED).with_columns(
        pl.col("at").str.to_datetime(_INSTANT, time_unit="ms", time_zone="UTC")
    )
