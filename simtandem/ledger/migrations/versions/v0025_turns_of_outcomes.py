"""Under which count of the claims a step was sent: which of two runs was later, whatever their hosts' clocks say."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Outcomes of before have none there, which leaves their hashes as they were."""
    op.add_column("outcomes", sa.Column("turn", sa.BigInteger()))


def downgrade() -> None:
    """Refuse: nobody could say any more which run sent a device last."""
    raise NotImplementedError("a ledger is never taken back to before outcomes had the count of their claim")
