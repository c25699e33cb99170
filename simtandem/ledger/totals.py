"""What the ledger comes to, for a monitoring system: counts over all runs, read a little at a time."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, or_, select, text

from schemas.accounts import DEFAULT
from simtandem.host.processes import process_may_run
from simtandem.ledger.run_summaries import ENDED, read_open_runs
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import answers, calls, run_states, runs

_OVERLAP = 1_000
"""States are read again so far back: two processes may commit in another order than they numbered theirs."""
_TOO_MANY = 429
_ENDED = ("document", "audit")
_HAS_A_DOCUMENT = [run_states.c.detail.contains(f'"{name}"', autoescape=True) for name in _ENDED]
_UNDER_WAY_AT_MOST = timedelta(days=7)


@dataclass(slots=True)
class Totals:
    """Counts over the runs that ended, by account, and what was read of the ledger so far."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    audited: dict[str, datetime] = field(default_factory=dict)
    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    ledger_bytes: int = 0
    _seq: int = 0
    _counted: set[str] = field(default_factory=set)
    _open: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    _open_since: datetime | None = None

    def read(self, ledger: Ledger) -> None:
        """Count what was recorded since. Raises `LedgerError`."""
        ledger.database.reading(self._read)

    def _read(self, connection: Connection) -> None:
        query = (
            select(run_states.c.seq, run_states.c.run_id, run_states.c.at, run_states.c.detail, runs.c.account)
            .select_from(run_states.join(runs))
            .where(run_states.c.seq > self._seq - _OVERLAP)
            .order_by(run_states.c.seq)
        )
        for found in connection.execute(query):
            self._seq = max(self._seq, found.seq)
            if found.run_id not in self._counted and any(f'"{name}"' in found.detail for name in _ENDED):
                self._count(found.run_id, found.account or DEFAULT, found.at, json.loads(found.detail))
        self._count_runs(connection)
        self._count_under_way(connection)
        self.ledger_bytes = _size(connection)

    def _count(self, run_id: str, account: str, at: datetime, detail: Mapping[str, Any]) -> None:
        told = detail.get("document") or detail.get("audit")
        if not isinstance(told, dict):
            return
        self._counted.add(run_id)
        for verdict, count in (told.get("verdicts") or {}).items():
            self.verdicts[account, str(verdict)] += int(count)
        made = told.get("calls") or {}
        self.calls[account] += int(made.get("total", 0))
        self.throttled[account] += int(made.get("throttled", 0))
        if "audit" in detail:
            self.audited[account] = max(at, self.audited.get(account, at))

    def _count_runs(self, connection: Connection) -> None:
        """Runs by kind and state: one whose process is gone is interrupted, as lists of runs show it."""
        last = select(run_states.c.run_id, func.max(run_states.c.seq).label("seq")).group_by(run_states.c.run_id)
        newest = last.subquery()
        query = (
            select(runs.c.kind, run_states.c.state, func.count())
            .select_from(runs.join(newest, newest.c.run_id == runs.c.run_id))
            .join(run_states, run_states.c.seq == newest.c.seq)
            .group_by(runs.c.kind, run_states.c.state)
        )
        found = Counter({(kind, state): count for kind, state, count in connection.execute(query.where(ENDED))})
        found.update(
            (each.record.kind, each.state) for each in read_open_runs(connection, process_may_run) if each.state
        )
        self.runs = dict(found)

    def _count_under_way(self, connection: Connection) -> None:
        """Calls of runs that have no document, as long as they have none; of older ones what was counted stands."""
        throttled = func.coalesce(func.sum(case((answers.c.status == _TOO_MANY, 1), else_=0)), 0)
        query = (
            select(runs.c.run_id, runs.c.account, func.count(), throttled)
            .select_from(runs.join(calls).outerjoin(answers))
            .where(runs.c.run_id.not_in(select(run_states.c.run_id).where(or_(*_HAS_A_DOCUMENT))))
            .group_by(runs.c.run_id, runs.c.account)
        )
        if self._open_since is not None:
            query = query.where(runs.c.started_at >= self._open_since)
        for run_id, account, made, refused in connection.execute(query):
            self._open[run_id] = (account or DEFAULT, int(made), int(refused))
        self._open = {run_id: found for run_id, found in self._open.items() if run_id not in self._counted}
        self._open_since = datetime.now(UTC) - _UNDER_WAY_AT_MOST

    def calls_made(self) -> dict[str, tuple[int, int]]:
        """By account: the calls of all runs, and those that were answered 429."""
        made, refused = Counter(self.calls), Counter(self.throttled)
        for account, count, throttled in self._open.values():
            made[account] += count
            refused[account] += throttled
        return {account: (count, refused[account]) for account, count in made.items()}


def _size(connection: Connection) -> int:
    """How many bytes the database takes on the disk."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    return int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())
