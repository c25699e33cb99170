"""Whether the store of the runs' files has the mark of this ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: the store gets its mark when it is used next."""
    op.create_table(
        "store_marks",
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", name="pk_store_marks"),
    )


def downgrade() -> None:
    """Refuse: a store that is not mounted would be made anew."""
    raise NotImplementedError("a ledger is never taken back to before its store had a mark")
