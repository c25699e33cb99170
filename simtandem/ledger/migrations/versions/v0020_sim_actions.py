"""SIM actions: what a run planned besides statuses, how that ended, and what became of each row."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_DEVICE = ("action", "sim_id", "iccid", "endpoint_id", "bic", "status")


def upgrade() -> None:
    """Add the tables."""
    _of_row(
        "action_rows",
        sa.Column("quantity", sa.Integer()),
        sa.Column("sim_status", sa.Text()),
        sa.Column("endpoint_status", sa.Text()),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("idle", sa.Boolean(), nullable=False),
        sa.Column("same_as", sa.Integer()),
    )
    _of_row(
        "action_verdicts",
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
    )
    _add_outcomes()


def _of_row(name: str, *columns: sa.Column[Any]) -> None:
    """A table with a line for each row of a run."""
    op.create_table(
        name,
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(each, sa.Text()) for each in _DEVICE),
        *columns,
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{name}_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", "row", name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )


def _add_outcomes() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "action_outcomes",
        sa.Column("seq", number, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_action_outcomes_run_id_runs"),
        sa.PrimaryKeyConstraint("seq", name="pk_action_outcomes"),
    )
    op.create_index("ix_action_outcomes_run_id_row_seq", "action_outcomes", ["run_id", "row", "seq"])


def downgrade() -> None:
    """Refuse: what was done would be forgotten."""
    raise NotImplementedError("a ledger is never taken back to before it knew SIM actions")
