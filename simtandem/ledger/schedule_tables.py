"""The ledger's tables of what arrives in an inbox and what of it is scheduled. Rows are only ever added.

The keys do the guarding: one version of a file arrives once a round, a schedule's events are numbered without gaps, an
arrival ends once. The second one meets the key, on both databases alike.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from simtandem.ledger.tables import FileName, ForeignText, Instant, metadata

arrivals = Table(
    "arrivals",
    metadata,
    Column("arrival_id", Text, primary_key=True),
    Column("inbox", FileName, nullable=False),
    Column("name", FileName, nullable=False),
    Column("size", Integer, nullable=False),
    Column("modified", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Column("shelf_name", FileName, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("reason", ForeignText, nullable=False),
    Column("os_user", ForeignText, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("account", Text),
    UniqueConstraint("inbox", "name", "size", "modified", "sha256", "round", name="uq_arrivals_version"),
)

arrival_rejections = Table(
    "arrival_rejections",
    metadata,
    Column("arrival_id", Text, ForeignKey("arrivals.arrival_id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("column", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

arrival_ends = Table(
    "arrival_ends",
    metadata,
    Column("arrival_id", Text, ForeignKey("arrivals.arrival_id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("place", Text, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("schedule_id", Text, primary_key=True),
    Column("arrival_id", Text, ForeignKey("arrivals.arrival_id"), nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("wishes", Text, nullable=False),
    Column("selection", Text),
)
Index(None, schedules.c.arrival_id)
Index(None, schedules.c.effective_at)

schedule_rows = Table(
    "schedule_rows",
    metadata,
    Column("schedule_id", Text, ForeignKey("schedules.schedule_id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("sim_id", Text),
    Column("endpoint_id", Text),
    Column("iccid", Text),
    Column("desired", Text, nullable=False),
    Column("same_as", Integer),
    Column("own", Text),
    sqlite_with_rowid=False,
)

schedule_skips = Table(
    "schedule_skips",
    metadata,
    Column("schedule_id", Text, ForeignKey("schedules.schedule_id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

schedule_events = Table(
    "schedule_events",
    metadata,
    Column("schedule_id", Text, ForeignKey("schedules.schedule_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("run_id", Text),
    Column("detail", ForeignText, nullable=False),
)

arrival_links = Table(
    "arrival_links",
    metadata,
    Column("arrival_id", Text, ForeignKey("arrivals.arrival_id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("facts", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("refs", Text),
    Column("digests", LargeBinary),
)
"""The chain of an arrival and of all that it schedules, as `links` are the chain of a run."""
