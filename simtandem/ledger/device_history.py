"""What the ledger knows of one device over all runs: what was done to it, and who else changed it, by the events."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    exists,
    literal,
    null,
    or_,
    select,
    type_coerce,
)

from simtandem.ledger.accounts import ACCOUNT, named
from simtandem.ledger.action_tables import action_rows, action_verdicts
from simtandem.ledger.queries import read_frame
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import explained, plan_rows, runs, verdicts

HISTORY = pl.Schema(
    {
        **dict.fromkeys(("at", "account", "run_id", "kind", "file"), pl.String()),
        "row": pl.Int64(),
        **dict.fromkeys(
            ("sim_id", "endpoint_id", "iccid", "half", "desired", "before", "after", "verdict", "cause", "reason"),
            pl.String(),
        ),
        "action": pl.String(),
    }
)
"""One line for each row of a run about the device (`verdict`), and each change that the events explain (`cause`).

`action` is what a SIM action asked for; null in all other lines.
"""

IsOf = Callable[[Table], ColumnElement[bool]]
"""Which rows of a table are about the device."""
IDS = ("sim_id", "endpoint_id", "iccid")
NO_VERDICT = "no verdict"
_ICCID = re.compile(r"[0-9]{19,20}")


def ids_in(text: str) -> dict[str, str]:
    """The kinds of id that a text can be, each with the id: `sim_id=7`, an ICCID, or the number of SIM or endpoint."""
    kind, _, ident = text.strip().rpartition("=")
    if kind in IDS:
        return {kind: ident}
    if _ICCID.fullmatch(text.strip()):
        return {"iccid": text.strip()}
    return {"sim_id": ident, "endpoint_id": ident} if not kind and ident.isdecimal() else {}


def of_device(ledger: Ledger, kind: str, ident: str, account: str = "") -> pl.DataFrame:
    """The history (`HISTORY`) of the device with this id, the oldest first; with an `account`, in its runs alone.

    A row names a device by some of its ids. So all that is known of its SIM is here, by any of its ids. An ICCID is
    found with its check digit and without, as carriers record it either way.
    """

    def read(connection: Connection) -> pl.DataFrame:
        direct = _read(connection, account, lambda table: _named(table, kind, ident))
        sims = direct["sim_id"].drop_nulls().unique().to_list()
        if kind == "sim_id" or not sims:
            return direct
        return _read(connection, account, lambda table: or_(_named(table, kind, ident), table.c.sim_id.in_(sims)))

    return ledger.database.reading(read)


def _named(table: Table, kind: str, ident: str) -> ColumnElement[bool]:
    if kind != "iccid":
        return table.c[kind] == ident
    short = ident[:19]
    return table.c.iccid.in_(
        [ident, short, *(f"{short}{digit}" for digit in range(10))] if len(short) == 19 else [ident]
    )


def _read(connection: Connection, account: str, is_of: IsOf) -> pl.DataFrame:
    queries = (each(is_of).where(named(account)) for each in _LINES)
    return pl.concat([read_frame(connection, query, HISTORY) for query in queries]).sort("at", "run_id", "row")


def _judged(is_of: IsOf) -> Select[Any]:
    """Rows that have a verdict."""
    told = verdicts.c
    return _rows(verdicts, is_of(verdicts), told.before, told.after, told.verdict, told.reason)


def _unjudged(is_of: IsOf) -> Select[Any]:
    """Rows of runs that came to no verdict: killed, declined, waiting, or still at work."""
    judged = exists().where(verdicts.c.run_id == plan_rows.c.run_id, verdicts.c.row == plan_rows.c.row)
    told = plan_rows.c
    return _rows(
        plan_rows, and_(is_of(plan_rows), ~judged), told.sim_before, told.sim_after, literal(NO_VERDICT), told.reason
    )


def _acted(is_of: IsOf) -> Select[Any]:
    """Rows of SIM actions that have a verdict."""
    told = action_verdicts.c
    return _rows(action_verdicts, is_of(action_verdicts), told.before, told.after, told.verdict, told.reason)


def _unjudged_actions(is_of: IsOf) -> Select[Any]:
    """Rows of SIM actions in runs that came to no verdict."""
    told, ended = action_rows.c, action_verdicts.c
    judged = exists().where(ended.run_id == told.run_id, ended.row == told.row)
    which = and_(is_of(action_rows), ~judged)
    return _rows(action_rows, which, told.before, told.after, literal(NO_VERDICT), told.reason)


def _rows(table: Table, which: ColumnElement[bool], *ends: ColumnElement[Any]) -> Select[Any]:
    before, after, verdict, reason = ends
    of_action = "action" in table.c and "desired" not in table.c
    desired, action = (null(), table.c.action) if of_action else (table.c.desired, null())
    ids = (table.c[name] for name in IDS)
    started = type_coerce(runs.c.started_at, Text)
    return (
        select(
            *(started, ACCOUNT, runs.c.run_id, runs.c.kind, runs.c.file, table.c.row, *ids),
            *(null(), desired, before, after, verdict, null(), reason, action),
        )
        .select_from(table.join(runs, runs.c.run_id == table.c.run_id))
        .where(which)
    )


def _explained(is_of: IsOf) -> Select[Any]:
    """Changes of the device that an audit or a reading of the carrier's events explained."""
    told, ids = explained.c, (explained.c[name] for name in IDS)
    return (
        select(
            *(told.seen, ACCOUNT, runs.c.run_id, runs.c.kind, runs.c.file, null(), *ids),
            *(told.half, null(), told.before, told.after, null(), told.cause, told.explanation, null()),
        )
        .select_from(explained.join(runs, runs.c.run_id == told.run_id))
        .where(is_of(explained))
    )


_LINES = (_judged, _unjudged, _acted, _unjudged_actions, _explained)
