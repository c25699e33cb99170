"""What runs that a person or a timetable started asked of devices, as far as schedules have to give way to it."""

from datetime import datetime

import polars as pl
from sqlalchemy import Connection, Text, func, select, type_coerce

from schemas.statuses import Action
from simtandem.ledger.queries import at_host, read_frame
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.ledger.schedule_tables import schedule_events
from simtandem.ledger.tables import instant_text, plan_rows, run_states, runs

_READ = pl.Schema(dict.fromkeys(("run_id", "at", "sim_id", "endpoint_id", "iccid", "desired"), pl.String()))
_INSTANT = "%Y-%m-%dT%H:%M:%S%.3fZ"


def asked_since(connection: Connection, carrier_host: str, since: datetime) -> pl.DataFrame:
    """Which devices runs that no schedule began were to bring to which status, when they began to send after `since`.

    Columns `run_id, at, sim_id, endpoint_id, iccid, desired`. What a run found as wished for counts: it was asked for.
    What it refused does not, nor does a run that was refused, only planned, or ended before it sent. Of an undo only
    what it takes back counts; its `desired` is null where that is no status that a file can ask for.
    """
    began = func.min(run_states.c.at).label("at")
    sent = select(run_states.c.run_id, began).where(run_states.c.state == RunState.APPLYING.value)
    sending = sent.group_by(run_states.c.run_id).subquery()
    of_schedules = select(schedule_events.c.run_id).where(schedule_events.c.run_id.is_not(None))
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
        .where(runs.c.kind.in_([kind.value for kind in SENDING]), at_host(carrier_host))
        .where(type_coerce(sending.c.at, Text) > instant_text(since), runs.c.run_id.not_in(of_schedules))
        .where(
            (plan_rows.c.action == Action.CHANGE.value)
            | ((plan_rows.c.action == Action.UNCHANGED.value) & (runs.c.kind != RunKind.UNDO.value))
        )
        .where(plan_rows.c.desired.is_not(None) | (runs.c.kind == RunKind.UNDO.value))
    )
    return read_frame(connection, query, _READ).with_columns(
        pl.col("at").str.to_datetime(_INSTANT, time_unit="ms", time_zone="UTC")
    )
