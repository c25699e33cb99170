"""What arrives in an inbox, and what of it is scheduled."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _create_arrivals()
    _create_schedules()
    _create_schedule_details()


def downgrade() -> None:
    """Refuse: what is scheduled would be forgotten."""
    raise NotImplementedError("a ledger is never taken back to before its schedules")


def _of(table: str, column: str, referred: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{referred}.{column}"], name=f"fk_{table}_{column}_{referred}")


def _create_arrivals() -> None:
    op.create_table(
        "arrivals",
        sa.Column("arrival_id", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("modified", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.Text(), nullable=False),
        sa.Column("shelf_name", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("arrival_id", name="pk_arrivals"),
        sa.UniqueConstraint("inbox", "name", "size", "modified", "sha256", "round", name="uq_arrivals_version"),
    )
    op.create_table(
        "arrival_rejections",
        sa.Column("arrival_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival_id", "row", name="pk_arrival_rejections"),
        _of("arrival_rejections", "arrival_id", "arrivals"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arrival_ends",
        sa.Column("arrival_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival_id", name="pk_arrival_ends"),
        _of("arrival_ends", "arrival_id", "arrivals"),
    )


def _create_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("arrival_id", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("wishes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", name="pk_schedules"),
        _of("schedules", "arrival_id", "arrivals"),
    )
    op.create_index("ix_schedules_arrival_id", "schedules", ["arrival_id"])
    op.create_index("ix_schedules_effective_at", "schedules", ["effective_at"])
    op.create_table(
        "schedule_rows",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sim_id", sa.Text()),
        sa.Column("endpoint_id", sa.Text()),
        sa.Column("iccid", sa.Text()),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("same_as", sa.Integer()),
        sa.PrimaryKeyConstraint("schedule_id", "row", name="pk_schedule_rows"),
        _of("schedule_rows", "schedule_id", "schedules"),
        sqlite_with_rowid=False,
    )


def _create_schedule_details() -> None:
    op.create_table(
        "schedule_skips",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "row", name="pk_schedule_skips"),
        _of("schedule_skips", "schedule_id", "schedules"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "schedule_events",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "number", name="pk_schedule_events"),
        _of("schedule_events", "schedule_id", "schedules"),
    )
