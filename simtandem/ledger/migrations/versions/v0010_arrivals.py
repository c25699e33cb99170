"""Chains over files that arrived and what they schedule. What is there is covered as it is found."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TAKEN_IN = "recorded before arrivals were chained"
_AT_ONCE = 20_000
_FACTS = (  # kind, table, key, second key
    ("arrival", "arrivals", "arrival_id", None),
    ("arrival_rejection", "arrival_rejections", "arrival_id", "row"),
    ("arrival_end", "arrival_ends", "arrival_id", None),
    ("schedule", "schedules", "schedule_id", None),
    ("schedule_row", "schedule_rows", "schedule_id", "row"),
    ("schedule_skip", "schedule_skips", "schedule_id", "row"),
    ("schedule_event", "schedule_events", "schedule_id", "number"),
)
_LINK = ("arrival_id", "seq", "kind", "facts", "content", "hash", "refs", "digests")
_HEAD = ("seq", "at", "kind", "id", "why", "link", "facts", "head", "hash")


def upgrade() -> None:
    """Create the table of links, and begin the chains with what is recorded."""
    op.create_table(
        "arrival_links",
        sa.Column("arrival_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("refs", sa.Text()),
        sa.Column("digests", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("arrival_id", "seq", name="pk_arrival_links"),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.arrival_id"], name="fk_arrival_links_arrival_id_arrivals"),
    )
    connection = op.get_bind()
    ids = connection.scalars(sa.text("SELECT arrival_id FROM arrivals ORDER BY taken_at, arrival_id")).all()
    for arrival_id in ids:
        _begin_chain(connection, arrival_id)


def downgrade() -> None:
    """Refuse: a schedule that is changed would not be found."""
    raise NotImplementedError("a ledger is never taken back to before its schedules were chained")


def _begin_chain(connection: sa.Connection, arrival_id: str) -> None:
    seq, previous, facts = 0, "", 0
    for kind, refs, digests in _parts(connection, arrival_id):
        names, hashes = _json(refs), b"".join(digests)
        content = hashlib.sha256(names.encode("utf-8", "surrogatepass") + hashes).hexdigest()
        seq, facts = seq + 1, facts + len(refs)
        head = {"run_id": arrival_id, "seq": seq, "kind": kind, "facts": len(refs), "content": content}
        previous = _hash({**head, "previous": previous})
        row = (arrival_id, seq, kind, len(refs), content, previous, names, hashes)
        _insert(connection, "arrival_links", dict(zip(_LINK, row, strict=True)))
    found = connection.execute(sa.text("SELECT seq, hash FROM heads ORDER BY seq DESC LIMIT 1")).first()
    number, before = found or (0, "")
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    values = (number + 1, at, "arrival", arrival_id, _TAKEN_IN, seq, facts, previous)
    entry = dict(zip(_HEAD, values, strict=False))
    _insert(connection, "heads", {**entry, "hash": _hash({**entry, "previous": before})})


def _parts(connection: sa.Connection, arrival_id: str) -> Iterator[tuple[str, list[str], list[bytes]]]:
    """What is recorded of an arrival: kind, references and hashes, so many at once as fit in a link."""
    options = {"yield_per": _AT_ONCE}
    for kind, table, key, second in _FACTS:
        of_schedule = key == "schedule_id" and table != "schedules"
        join = "JOIN schedules s ON s.schedule_id = f.schedule_id" if of_schedule else ""
        order = f'f.{key}, f."{second}"' if second else f"f.{key}"
        owner = "s" if of_schedule else "f"
        query = sa.text(f"SELECT f.* FROM {table} f {join} WHERE {owner}.arrival_id = :id ORDER BY {order}")  # noqa: S608 - our own names
        with connection.execute(query, {"id": arrival_id}, execution_options=options) as found:
            for rows in found.mappings().partitions():
                refs = [f"{row[key]} {row[second]}" if second else str(row[key]) for row in rows]
                texts = [_json({name: value for name, value in row.items() if value is not None}) for row in rows]
                yield kind, refs, [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]


def _insert(connection: sa.Connection, table: str, row: dict[str, Any]) -> None:
    connection.execute(sa.table(table, *map(sa.column, row)).insert(), [row])


def _hash(members: dict[str, Any]) -> str:
    return hashlib.sha256(_json(members).encode("utf-8", "surrogatepass")).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
