"""Runs are of an account, and devices are last known for an account: those there are were of `default`."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEPT = """
    carrier_host, sim_id, run_id, "row", endpoint_id, desired, sim_status, endpoint_status, at, sim_run, sim_at,
    endpoint_run, endpoint_at
"""


def upgrade() -> None:
    """Add the account. Runs recorded before have none there, which leaves their hashes as they were."""
    op.add_column("runs", sa.Column("account", sa.Text()))
    op.rename_table("last_known", "last_known_of_hosts")
    op.execute("ALTER TABLE last_known_of_hosts DROP CONSTRAINT pk_last_known") if _is_postgres() else None
    op.create_table(
        "last_known",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("carrier_host", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("endpoint_id", "desired", "sim_status", "endpoint_status")),
        sa.Column("at", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("sim_run", "sim_at", "endpoint_run", "endpoint_at")),
        sa.PrimaryKeyConstraint("account", "carrier_host", "sim_id", name="pk_last_known"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO last_known (account, {_KEPT}) SELECT 'default', {_KEPT} FROM last_known_of_hosts")  # noqa: S608 - own names
    op.drop_table("last_known_of_hosts")


def downgrade() -> None:
    """Refuse: what belongs to which account would be forgotten."""
    raise NotImplementedError("a ledger is never taken back to before it knew accounts")


def _is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
