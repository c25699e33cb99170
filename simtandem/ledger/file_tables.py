"""The ledger's tables of the files of runs: what is in the store under which name. Rows are only ever added."""

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Table, Text

from simtandem.ledger.tables import SEQUENCE, FileName, metadata

run_files = Table(
    "run_files",
    metadata,
    Column("seq", SEQUENCE, Identity(), primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("name", FileName, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
"""A file of a run as the store has it. Of several with a name the newest counts."""
Index(None, run_files.c.run_id, run_files.c.seq)
Index(None, run_files.c.sha256)

store_marks = Table(
    "store_marks",
    metadata,
    Column("ledger", Text, primary_key=True),
    Column("marked_at", Text, nullable=False),
)
"""One row, once the store has the mark of this ledger (`store_mark`). State: no chain covers it."""
