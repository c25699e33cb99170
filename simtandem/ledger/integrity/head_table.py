"""The table of the ledger's heads."""

from sqlalchemy import Column, Index, Integer, Table, Text

from simtandem.ledger.tables import metadata

heads = Table(
    "heads",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("link", Integer, nullable=False),
    Column("facts", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
Index(None, heads.c.kind, heads.c.id, heads.c.seq)
"""No row refers to a run: an entry outlives the run it is about, no matter who deletes that."""
