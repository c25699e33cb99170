"""A schedule may select its devices when it is due."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the selection. Schedules recorded before have none, which leaves their hashes as they were."""
    op.add_column("schedules", sa.Column("selection", sa.Text()))


def downgrade() -> None:
    """Refuse: what a schedule selects would be forgotten."""
    raise NotImplementedError("a ledger is never taken back to before schedules selected their devices")
