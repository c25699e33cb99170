"""Hash chains, and a note of what was pruned. Runs there are already get a chain that says it begins in the middle."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and begin the chains."""
    op.create_table(
        "links",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("refs", sa.Text()),
        sa.Column("digests", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_links"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_links_run_id_runs"),
    )
    op.create_table(
        "prunings",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("archive_sha256", sa.Text(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_prunings"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_prunings_run_id_runs"),
    )
    _begin_chains()


def downgrade() -> None:
    """Refuse: without its chains the record proves nothing."""
    raise NotImplementedError("a ledger is never taken back to before its chains")


def _begin_chains() -> None:
    """The first link of each run there is: no facts, only that what came before isn't covered."""
    links = sa.table(
        "links", *(sa.column(name) for name in ("run_id", "seq", "kind", "facts", "content", "hash", "refs", "digests"))
    )
    connection = op.get_bind()
    rows = []
    for run_id in connection.scalars(sa.text("SELECT run_id FROM runs")):
        content = hashlib.sha256(b"[]").hexdigest()
        head = {"run_id": run_id, "seq": 1, "kind": "before", "facts": 0, "content": content, "previous": ""}
        text = json.dumps(head, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        rows.append(
            {
                "run_id": run_id,
                "seq": 1,
                "kind": "before",
                "facts": 0,
                "content": content,
                "hash": hashlib.sha256(text.encode()).hexdigest(),
                "refs": "[]",
                "digests": b"",
            }
        )
    if rows:
        connection.execute(links.insert(), rows)
