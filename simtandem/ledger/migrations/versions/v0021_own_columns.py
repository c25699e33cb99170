"""The operator's own columns of a list, beside every row of a run and of a schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column. What was scheduled before has none there, which leaves its hashes as they were."""
    op.create_table(
        "own_cells",
        sa.Column("run_id", sa.Text(), sa.ForeignKey("runs.run_id", name="fk_own_cells_run_id_runs"), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "row", name="pk_own_cells"),
        sqlite_with_rowid=False,
    )
    op.add_column("schedule_rows", sa.Column("own", sa.Text()))


def downgrade() -> None:
    """Refuse: runs would lose what is recorded of them."""
    raise NotImplementedError("a ledger is never taken back to before own columns were recorded")
