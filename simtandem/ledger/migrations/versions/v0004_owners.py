"""Owners in plans and verdicts; a plan row need not ask for a status any more."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. SQLite can't take a NOT NULL back, so there the plans are copied into a new table."""
    with op.batch_alter_table("plan_rows", table_kwargs={"sqlite_with_rowid": False}) as plan_rows:
        plan_rows.alter_column("desired", existing_type=sa.Text(), nullable=True)
        plan_rows.add_column(sa.Column("owners_before", sa.Text()))
        plan_rows.add_column(sa.Column("owners_after", sa.Text()))
    for name in ("owners", "owners_before", "owners_after"):
        op.add_column("verdicts", sa.Column(name, sa.Text()))


def downgrade() -> None:
    """Refuse: runs that changed owners would lose what they did."""
    raise NotImplementedError("a ledger is never taken back to before owners were recorded")
