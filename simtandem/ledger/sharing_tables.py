"""What runs share while they are under way. State, not facts: rows change, no chain covers them, `verify` ignores them.

Times are seconds since 1970 by the database server's clock, which is one for all hosts; SQLite has that of its host.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text

from simtandem.ledger.tables import metadata

call_slots = Table(
    "call_slots",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("window", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("frees_at", Double, nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("holder", Text, nullable=False),
    Column("urgent", Boolean, nullable=False),
)
"""One row per call that a window allows. It is held until `frees_at`, which needs nobody to free it."""

call_gates = Table(
    "call_gates",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("gate", Text, primary_key=True),
    Column("opens_at", Double, nullable=False),
)
"""Before `opens_at` no call goes: of a spacing, or, where `gate` is empty, any (HTTP 429)."""

call_waiters = Table(
    "call_waiters",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("waits_until", Double, nullable=False),
)
"""Urgent runs that found no slot, and until when they are known to wait for one."""

leases = Table(
    "leases",
    metadata,
    Column("lease_id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text),
    Column("urgent", Boolean, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("sent_at", Double, nullable=False),
    Column("ended_at", Double),
)
"""Runs that change devices, one row for each time that a process began to: when it was seen last, and sent last."""
Index(None, leases.c.account, leases.c.ended_at)

claims = Table(
    "claims",
    metadata,
    Column("account", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("lease_id", Text),
    Column("run_id", Text, nullable=False),
    Column("turn", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Which run has a device now, by its lease; none: which had it last. `turn` counts when that was."""

claim_turns = Table(
    "claim_turns",
    metadata,
    Column("account", Text, primary_key=True),
    Column("turn", BigInteger, nullable=False),
)
"""How often claims of an account have changed. Who changes some counts here first, so one at a time does."""

flow_runs = Table(
    "flow_runs",
    metadata,
    Column("flow_run", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text),
    Column("seen_at", Double, nullable=False),
)
"""Which run a flow run is now, and which process continues it: each counts in `epoch`, and one of several gets it."""
