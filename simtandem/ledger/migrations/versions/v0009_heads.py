"""A chain over the heads of all chains. The runs there are become its first entries, which say so."""

import hashlib
import json
import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

_TAKEN_IN = "recorded before heads were chained"
_HEADS = """
    SELECT r.run_id, l.seq, (SELECT coalesce(sum(f.facts), 0) FROM links f WHERE f.run_id = r.run_id), l.hash
    FROM runs r JOIN links l ON l.run_id = r.run_id
    WHERE l.seq = (SELECT max(n.seq) FROM links n WHERE n.run_id = r.run_id)
    ORDER BY r.started_at, r.run_id
"""


def upgrade() -> None:
    """Create the table, begin its chain, and take in the head of every run there is."""
    op.create_table(
        "heads",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("link", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_heads"),
    )
    op.create_index("ix_heads_kind_id_seq", "heads", ["kind", "id", "seq"])
    _take_in()


def downgrade() -> None:
    """Refuse: a run that is deleted whole would not be found."""
    raise NotImplementedError("a ledger is never taken back to before its heads were chained")


def _take_in() -> None:
    connection = op.get_bind()
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    chance = secrets.token_hex(32)  # no two ledgers begin alike
    rows = [{"seq": 1, "at": at, "kind": "ledger", "id": "", "why": "begun", "link": 0, "facts": 0, "head": chance}]
    for number, (run_id, link, facts, head) in enumerate(connection.execute(sa.text(_HEADS)), 2):
        row = {"seq": number, "at": at, "kind": "run", "id": run_id, "why": _TAKEN_IN, "link": link}
        rows.append({**row, "facts": int(facts), "head": head})
    previous = ""
    for row in rows:
        text = json.dumps({**row, "previous": previous}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        row["hash"] = previous
    names = ("seq", "at", "kind", "id", "why", "link", "facts", "head", "hash")
    connection.execute(sa.table("heads", *map(sa.column, names)).insert(), rows)
