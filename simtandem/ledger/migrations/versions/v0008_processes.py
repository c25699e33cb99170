"""Which process began a run, so that another one with the same number is not taken for it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Runs recorded before have none there, which leaves their hashes as they were."""
    op.add_column("runs", sa.Column("process", sa.Text()))


def downgrade() -> None:
    """Refuse: the hashes of runs recorded since cover the column."""
    raise NotImplementedError("a ledger is never taken back to before processes were recorded")
