"""The id by which a list names a SIM, where the carrier has another one for it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Rows of before have none there, which leaves their hashes as they were."""
    for table in ("plan_rows", "verdicts"):
        op.add_column(table, sa.Column("named_as", sa.Text()))


def downgrade() -> None:
    """Refuse: rows could no longer be found in the list that asked for them."""
    raise NotImplementedError("a ledger is never taken back to before ids were recorded as a list has them")
