"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself only in an INTEGER key


def upgrade() -> None:
    """Create everything."""
    _create_runs()
    _create_plan_rows()
    _create_calls()
    _create_outcomes()
    _create_verdicts()


def downgrade() -> None:
    """Refuse: taking the tables away would destroy the record."""
    raise NotImplementedError("a ledger is never taken back to before its first revision")


def _of_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{table}_run_id_runs")


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("carrier_host", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "run_states",
        sa.Column("seq", _SEQUENCE, sa.Identity(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_run_states"),
        _of_run("run_states"),
    )
    op.create_index("ix_run_states_run_id_seq", "run_states", ["run_id", "seq"])


def _create_plan_rows() -> None:
    op.create_table(
        "plan_rows",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("sim_id", sa.Text()),
        sa.Column("iccid", sa.Text()),
        sa.Column("endpoint_id", sa.Text()),
        sa.Column("sim_before", sa.Text()),
        sa.Column("endpoint_before", sa.Text()),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("sim_after", sa.Text()),
        sa.Column("endpoint_after", sa.Text()),
        sa.Column("sim_step", sa.Boolean(), nullable=False),
        sa.Column("endpoint_step", sa.Boolean(), nullable=False),
        sa.Column("first", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("newly_billed", sa.Boolean(), nullable=False),
        sa.Column("same_as", sa.Integer()),
        sa.PrimaryKeyConstraint("run_id", "row", name="pk_plan_rows"),
        _of_run("plan_rows"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rejections",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "row", name="pk_rejections"),
        _of_run("rejections"),
        sqlite_with_rowid=False,
    )


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
        _of_run("calls"),
    )
    op.create_index("ix_calls_run_id_at", "calls", ["run_id", "at"])
    op.create_table(
        "answers",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("error_code", sa.Integer()),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_answers"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_answers_call_id_calls"),
    )


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("seq", _SEQUENCE, sa.Identity(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("half", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outcomes"),
        _of_run("outcomes"),
    )
    op.create_index("ix_outcomes_run_id_row_half_seq", "outcomes", ["run_id", "row", "half", "seq"])


def _create_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("sim_id", sa.Text()),
        sa.Column("iccid", sa.Text()),
        sa.Column("endpoint_id", sa.Text()),
        sa.Column("desired", sa.Text()),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("sim_outcome", sa.Text()),
        sa.Column("endpoint_outcome", sa.Text()),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "row", name="pk_verdicts"),
        _of_run("verdicts"),
        sqlite_with_rowid=False,
    )
