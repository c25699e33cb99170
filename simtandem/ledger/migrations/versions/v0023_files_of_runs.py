"""The files of runs are in a store that all hosts share, and any host may continue a flow run."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty: what earlier runs left stays in the home of their host."""
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "run_files",
        sa.Column("seq", sequence, sa.Identity(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("run_id", "name", "sha256")),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_files_run_id_runs"),
        sa.PrimaryKeyConstraint("seq", name="pk_run_files"),
    )
    op.create_index("ix_run_files_run_id_seq", "run_files", ["run_id", "seq"])
    op.create_index("ix_run_files_sha256", "run_files", ["sha256"])
    op.create_table(
        "flow_runs",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("flow_run", "run_id")),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.Text()),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("flow_run", name="pk_flow_runs"),
    )


def downgrade() -> None:
    """Refuse: which file belongs to which run would be lost."""
    raise NotImplementedError("a ledger is never taken back to before files of runs were shared")
