"""Slots of the rate limit that several hosts share."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "call_slots",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frees_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "window", "number", name="pk_call_slots"),
    )
    op.create_table(
        "call_gates",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "gate", name="pk_call_gates"),
    )
    op.create_table(
        "call_waiters",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("waits_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "holder", name="pk_call_waiters"),
    )


def downgrade() -> None:
    """Refuse: hosts would count their calls apart, and together send more than is allowed."""
    raise NotImplementedError("a ledger is never taken back to before hosts shared the rate limit")
