"""Runs as lists show them: which there are, which one a name means, and the state that each is in."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from schemas.accounts import DEFAULT
from simtandem.errors import InputError
from simtandem.ledger import run_processes
from simtandem.ledger.accounts import named
from simtandem.ledger.records import (
    CHANGING,
    FINAL,
    ProcessProbe,
    RunKind,
    RunRecord,
    RunState,
    RunSummary,
    is_done,
    state_to_show,
)
from simtandem.ledger.tables import run_states, runs

LATEST = "latest"
"""Instead of a run's id: the run that was begun last."""

_NEWEST_FIRST = (runs.c.started_at.desc(), runs.c.run_id.desc())

ENDED = run_states.c.state.in_(FINAL) | ((run_states.c.state == RunState.PLANNED) & (runs.c.kind == RunKind.PLAN))
"""As `records.is_done` says it, of a run and its newest state."""


def read_runs(connection: Connection, limit: int | None, may_run: ProcessProbe, account: str = "") -> list[RunSummary]:
    """The newest runs, newest first, of that account alone where one is named; all where there is no limit."""
    query = _summaries().where(named(account)).limit(limit)
    return _summaries_of(connection, connection.execute(query).all(), may_run)


def read_open_runs(connection: Connection, may_run: ProcessProbe) -> list[RunSummary]:
    """All runs that have recorded no end: at work, paused, or without a process."""
    query = _summaries().where(run_states.c.state.is_(None) | ~ENDED)
    return _summaries_of(connection, connection.execute(query).all(), may_run)


def read_run(
    connection: Connection,
    prefix: str,
    may_run: ProcessProbe,
    kinds: Collection[RunKind] = tuple(RunKind),
    account: str = "",
) -> RunSummary:
    """The run with this id, the only one whose id begins so, or the `latest` of these kinds, and of that account.

    `InputError` where that is not one.
    """
    if prefix == LATEST:
        newest = select(runs.c.run_id).where(runs.c.kind.in_(kinds), named(account))
        newest = newest.order_by(*_NEWEST_FIRST).limit(1)
        prefix = connection.scalar(newest) or prefix
    begins_so = func.substr(runs.c.run_id, 1, len(prefix)) == prefix
    query = _summaries().where(begins_so).order_by(None).order_by(runs.c.run_id).limit(4)  # the id itself sorts first
    found = connection.execute(query).all() if prefix else []
    exact = [each for each in found if each.run_id == prefix] or found
    if not exact and prefix == LATEST:
        why = _none_yet(connection, kinds, account)
        raise InputError(f"There is no run 'latest': {why}. `simtandem runs` lists all runs.")
    if not exact:
        raise InputError(f"There is no run {prefix!r}. `simtandem runs` lists them.")
    if len(exact) > 1:
        names = ", ".join(each.run_id for each in exact[:3])
        raise InputError(
            f"More than one run begins with {prefix!r}: {names}{', …' if len(exact) > 3 else ''}. Write more of the id."
        )
    return _summaries_of(connection, exact, may_run)[0]


def _none_yet(connection: Connection, kinds: Collection[RunKind], account: str) -> str:
    """Why no run of these kinds is the latest."""
    whose = f" of account {account}" if account else ""
    if set(kinds) == set(RunKind):
        return f"no run{whose} was made yet"
    sent = connection.scalar(select(runs.c.run_id).where(runs.c.kind.in_(CHANGING), named(account)).limit(1))
    return f"no run{whose}{' for statuses' if sent else ''} has sent anything yet"


def _summaries() -> Select[Any]:
    of_run = run_states.alias()
    newest = select(func.max(of_run.c.seq)).where(of_run.c.run_id == runs.c.run_id).correlate(runs).scalar_subquery()
    return (
        select(runs, run_states.c.at, run_states.c.state, run_states.c.detail)
        .select_from(runs.outerjoin(run_states, run_states.c.seq == newest))
        .order_by(*_NEWEST_FIRST)
    )


def _summaries_of(connection: Connection, found: Sequence[Row[Any]], may_run: ProcessProbe) -> list[RunSummary]:
    recorded = [_recorded(each) for each in found]
    open_ones = [each.record.run_id for each in recorded if not is_done(each.record, each.state)]
    at_work = run_processes.at_work(connection, open_ones, may_run)
    return [
        replace(each, state=state_to_show(each.record, each.state, may_run, at_work=at_work.get(each.record.run_id)))
        for each in recorded
    ]


def _recorded(found: Row[Any]) -> RunSummary:
    values = {column.name: getattr(found, column.name) for column in runs.columns}
    record = RunRecord(
        **values
        | {"kind": RunKind(found.kind), "account": found.account or DEFAULT, "parameters": json.loads(found.parameters)}
    )
    recorded = None if found.state is None else RunState(found.state)
    detail = {} if found.detail is None else json.loads(found.detail)
    return RunSummary(record, recorded, found.at, detail)
