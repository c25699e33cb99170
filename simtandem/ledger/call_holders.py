"""Whose calls fill a rate limit, for a monitoring system: by kind of run and by host, never by run."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select

from simtandem.ledger.call_slots import OTHERS
from simtandem.ledger.database import Database
from simtandem.ledger.sharing_tables import leases
from simtandem.ledger.tables import runs

_UNKNOWN = "unknown"


def by_kind_and_host(database: Database, holders: Sequence[tuple[str, int]]) -> Counter[tuple[str, str]]:
    """How many calls which kind of runs holds, from which host: none where that is no run.

    `holders` are those of a `CallsLeft`. The host is the one that sends, or else the one that began the run.
    """
    if not holders:  # a ledger of one host knows none
        return Counter()
    names = [holder for holder, _ in holders]
    with database.read() as connection:
        known = {
            row.run_id: (row.kind, row.host)
            for row in connection.execute(
                select(runs.c.run_id, runs.c.kind, runs.c.host).where(runs.c.run_id.in_(names))
            )
        }
        sending = select(leases.c.run_id, leases.c.host).where(leases.c.run_id.in_(names)).order_by(leases.c.began_at)
        hosts = {row.run_id: row.host for row in connection.execute(sending)}
    found: Counter[tuple[str, str]] = Counter()
    for holder, count in holders:
        kind, host = known.get(holder, (OTHERS if holder == OTHERS else _UNKNOWN, ""))
        found[kind, hosts.get(holder, host)] += count
    return found
