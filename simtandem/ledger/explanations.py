"""What the carrier's events say of a run's changes, kept here because they are gone there after a month.

They are facts of a run of their own, which read them; its parameters name the run they are about.
"""

import json
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import ColumnElement, and_, select

from schemas.accounts import AccountKey
from schemas.statuses import Action
from schemas.tables import Explained, empty
from simtandem.ledger import inserts
from simtandem.ledger.accounts import of_account
from simtandem.ledger.commit import commit
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.queries import read_frame
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import explained, plan_rows, run_states, runs

RENAMED = {"run_id": "by_run", "row": "by_row"}
"""What these columns are called beside those of the run that read the events, or that a report is about."""
_INSTANTS = ("since", "seen", "at")
_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ"
_KEPT = pl.Schema(
    {
        RENAMED.get(name, name): pl.String() if name in _INSTANTS else kind
        for name, kind in empty(Explained).schema.items()
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The changes of a run (`schemas.tables.Explained`), and when the events for them were read."""

    read_at: datetime
    changes: pl.DataFrame


def record(ledger: Ledger, run_id: str, changes: pl.DataFrame) -> None:
    """Record explained changes (`schemas.tables.Explained`) as facts of the run that read the events."""
    kept = changes.rename(RENAMED).with_columns(pl.col(_INSTANTS).dt.strftime(_FORMAT)).with_row_index("number", 1)
    facts = kept.with_columns(pl.col("number").cast(pl.Int64))
    entry = commit(ledger.database, run_id, lambda chain: inserts.add_frame(chain, Kind.EXPLAINED, facts))
    ledger.keep(entry)


def of_run(ledger: Ledger, run_id: str) -> Explanation | None:
    """What was read last about a run; None where nothing was."""
    query = (
        select(runs.c.run_id, runs.c.parameters, run_states.c.at)
        .select_from(runs.join(run_states, _is_finished()))
        .where(runs.c.kind == RunKind.EVENTS.value)
        .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
    )
    with ledger.database.read() as connection:
        found = next((each for each in connection.execute(query) if json.loads(each.parameters)["of"] == run_id), None)
        if found is None:
            return None
        rows = (
            select(*(explained.c[name] for name in _KEPT))
            .where(explained.c.run_id == found.run_id)
            .order_by(explained.c.number)
        )
        instants = pl.col(_INSTANTS).str.to_datetime(_FORMAT, time_unit="ms", time_zone="UTC")
        kept = read_frame(connection, rows, _KEPT).with_columns(instants)
    back = {new: old for old, new in RENAMED.items()}
    return Explanation(found.at, kept.rename(back))


def unexplained_runs(ledger: Ledger, account: AccountKey, since: datetime, until: datetime) -> list[str]:
    """Runs at this carrier that changed something and ended in this time, their events still unread; oldest first."""
    ended = run_states.c.state.in_([RunState.FINISHED.value, RunState.INTERRUPTED.value])
    # Asked of each run that ended then; as EXISTS, a database may go through the plans of all runs instead.
    any_row = select(plan_rows.c.row).where(plan_rows.c.run_id == runs.c.run_id, _is_change()).limit(1)
    changed = any_row.correlate(runs).scalar_subquery().is_not(None)
    query = (
        select(runs.c.run_id)
        .select_from(runs.join(run_states, and_(run_states.c.run_id == runs.c.run_id, ended)))
        .where(runs.c.kind.in_(SENDING), of_account(account), changed)
        .where(run_states.c.at >= since, run_states.c.at < until)
        .order_by(runs.c.started_at, runs.c.run_id)
    )
    read = (
        select(runs.c.parameters)
        .select_from(runs.join(run_states, _is_finished()))
        .where(runs.c.kind == RunKind.EVENTS.value)
    )
    with ledger.database.read() as connection:
        known = {json.loads(parameters)["of"] for parameters in connection.scalars(read)}
        return [run_id for run_id in dict.fromkeys(connection.scalars(query)) if run_id not in known]


def _is_change() -> ColumnElement[bool]:
    return plan_rows.c.action == Action.CHANGE.value


def _is_finished() -> ColumnElement[bool]:
    return and_(run_states.c.run_id == runs.c.run_id, run_states.c.state == RunState.FINISHED.value)
