"""Whether a run's newest process may be at work still, as far as the ledger knows of it.

Any host may continue a run, so the process that began it says little. Where hosts share the ledger, a process shows
there every few seconds that it is at work: on its flow run (`flow_runs`), or by the run's lease (`leases`). A run that
only looks has neither: there it is taken for gone once nothing was recorded of it for a long time.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from simtandem.host.processes import process_may_run
from simtandem.ledger import flow_runs, leases
from simtandem.ledger import sharing_tables as tables
from simtandem.ledger.records import LOOKING, ProcessProbe
from simtandem.ledger.tables import calls, run_states, runs

_AT_ONCE = 500
_SILENT = timedelta(days=2)
"""Longer than any window of a rate limit that a run waits for, and than hosts' clocks differ."""


def at_work(connection: Connection, run_ids: Sequence[str], may_run: ProcessProbe) -> dict[str, bool]:
    """Of each of these runs whether its newest process may be at work; left out where nothing but its record says.

    PostgreSQL shows of every host's processes that they are at work, so `may_run` is not asked of them there.
    """
    may_run = process_may_run if connection.dialect.name == "postgresql" else may_run
    found: dict[str, bool] = {}
    for start in range(0, len(run_ids), _AT_ONCE):
        some = run_ids[start : start + _AT_ONCE]
        found |= dict.fromkeys(_silent(connection, some), False)
        found |= dict(_by_lease(connection, some, may_run))
        found |= dict(_by_flow_run(connection, some, may_run))
    return found


def _by_flow_run(connection: Connection, some: Sequence[str], may_run: ProcessProbe) -> Iterator[tuple[str, bool]]:
    rows = select(tables.flow_runs).where(tables.flow_runs.c.run_id.in_(some))
    for row in connection.execute(rows).all():
        yield row.run_id, flow_runs.is_alive(connection, row, may_run)


def _by_lease(connection: Connection, some: Sequence[str], may_run: ProcessProbe) -> Iterator[tuple[str, bool]]:
    """By the newest lease of each. On SQLite a lease is a lock, and shows no more than the process does."""
    if connection.dialect.name != "postgresql":
        return
    rows = select(tables.leases).where(tables.leases.c.run_id.in_(some)).order_by(tables.leases.c.began_at)
    for run_id, row in {row.run_id: row for row in connection.execute(rows).all()}.items():
        if row.ended_at is None or leases.was_lost(row):
            yield run_id, row.ended_at is None and leases.is_renewed(connection, row, may_run)


def _silent(connection: Connection, some: Sequence[str]) -> Iterator[str]:
    """Those that only look, wait for nobody, and have recorded nothing for so long. On SQLite the process says it."""
    if connection.dialect.name != "postgresql":
        return
    since = datetime.fromtimestamp(leases.now(connection), UTC) - _SILENT
    newest = [
        select(func.max(table.c.at)).where(table.c.run_id == runs.c.run_id).scalar_subquery()
        for table in (run_states, calls)
    ]
    looking = runs.c.run_id.in_(some) & runs.c.kind.in_(LOOKING)
    for run_id, *at in connection.execute(select(runs.c.run_id, runs.c.started_at, *newest).where(looking)).all():
        if max(each for each in at if each is not None) < since:
            yield run_id
