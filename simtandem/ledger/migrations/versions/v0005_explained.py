"""What the carrier's events say of a run's changes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "explained",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("half", sa.Text(), nullable=False),
        sa.Column("ident", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.Text()),
        sa.Column("iccid", sa.Text()),
        sa.Column("endpoint_id", sa.Text()),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", sa.Text()),
        sa.Column("event_id", sa.Text()),
        sa.Column("user", sa.Text()),
        sa.Column("by_run", sa.Text()),
        sa.Column("by_row", sa.Integer()),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_explained"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_explained_run_id_runs"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: the carrier's events are gone by then."""
    raise NotImplementedError("a ledger is never taken back to before events were kept")
