"""Which runs tried again what a run had left open."""

import json

from sqlalchemy import select

from simtandem.ledger.records import RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import runs


def retries_of(ledger: Ledger, run_id: str) -> list[RunSummary]:
    """The retries of this very run, the newest first; those of its retries are not among them."""
    query = (
        select(runs.c.run_id, runs.c.parameters)
        .where(runs.c.kind == RunKind.RETRY.value, runs.c.parameters.contains(run_id, autoescape=True))
        .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
    )
    found = ledger.database.reading(lambda connection: connection.execute(query).all())
    return [ledger.run(each.run_id) for each in found if json.loads(each.parameters).get("retry_of") == run_id]
