"""Devices are claimed by the run that changes them, on whichever host."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "leases",
        sa.Column("lease_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("account", "run_id", "host")),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.Text()),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("began_at", "seen_at", "sent_at")),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("lease_id", name="pk_leases"),
    )
    op.create_index("ix_leases_account_ended_at", "leases", ["account", "ended_at"])
    op.create_table(
        "claims",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text()),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "device", name="pk_claims"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claim_turns",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_claim_turns"),
    )


def downgrade() -> None:
    """Refuse: runs of several hosts would change the same devices."""
    raise NotImplementedError("a ledger is never taken back to before runs claimed devices")
