"""The ledger's tables of SIM actions: what was planned, how it ended, what became of it. Rows are only ever added.

The columns are named as in `schemas.sim_actions`.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Identity, Index, Integer, Table, Text

from simtandem.ledger.tables import SEQUENCE, ForeignText, Instant, metadata


def _run_id(*, primary_key: bool = False) -> Column[str]:
    return Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=primary_key, nullable=False)


def _device() -> list[Column[str]]:
    return [Column(name, Text) for name in ("action", "sim_id", "iccid", "endpoint_id", "bic", "status")]


action_rows = Table(
    "action_rows",
    metadata,
    _run_id(primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    *_device(),
    Column("quantity", Integer),
    Column("sim_status", Text),
    Column("endpoint_status", Text),
    Column("before", Text, nullable=False),
    Column("after", Text),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("idle", Boolean, nullable=False),
    Column("same_as", Integer),
    sqlite_with_rowid=False,
)

action_outcomes = Table(
    "action_outcomes",
    metadata,
    Column("seq", SEQUENCE, Identity(), primary_key=True),
    _run_id(),
    Column("row", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("http_status", Integer),
    Column("error", ForeignText, nullable=False),
    Column("at", Instant, nullable=False),
)
Index(None, action_outcomes.c.run_id, action_outcomes.c.row, action_outcomes.c.seq)

action_verdicts = Table(
    "action_verdicts",
    metadata,
    _run_id(primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    *_device(),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("outcome", Text),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("http_status", Integer),
    Column("error", Text, nullable=False),
    sqlite_with_rowid=False,
)
