"""What arrives is for an account: what arrived before was for `default`."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. What arrived before has none there, which leaves its hashes as they were."""
    op.add_column("arrivals", sa.Column("account", sa.Text()))


def downgrade() -> None:
    """Refuse: schedules would be carried out for another account."""
    raise NotImplementedError("a ledger is never taken back to before arrivals were for an account")
