"""The chain of heads: the ledger's own chain, over the heads of the chains in it.

An entry says which head a chain had, at which link, and how many facts that covers; its hash covers the entry before.
So the newest hash covers every run up to its last entry, and who keeps it elsewhere finds a run that was deleted whole.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from simtandem.ledger.integrity.canonical import canonical
from simtandem.ledger.integrity.facts import RUNS, Strand
from simtandem.ledger.integrity.head_table import heads
from simtandem.ledger.tables import instant_text

LEDGER = "ledger"
"""What entry 1 is about: the ledger's beginning. All others are about a run or an arrival."""
TAKEN_IN = "recorded before heads were chained"
"""Why there is an entry for a run that an older version recorded: the migration made it."""
TAKEN_IN_ARRIVAL = "recorded before arrivals were chained"
"""The same for an arrival: its chain covers what the migration found."""
_ID_DIGITS = 16
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry. `ledger` is the beginning of entry 1's hash, `previous` the hash of the entry before."""

    ledger: str
    seq: int
    at: str
    kind: str
    id: str
    why: str
    link: int
    facts: int
    head: str
    previous: str
    hash: str

    @property
    def expected_hash(self) -> str:
        """The hash that follows from everything else in it."""
        covered = {name: value for name, value in asdict(self).items() if name not in ("ledger", "hash")}
        return sha256(canonical(covered).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def spoken(self) -> str:
        """The entry as messages and logs show it; `kept_heads` reads it back."""
        about = f"{self.kind} {self.id} has {self.facts:,} facts" if self.id else "the ledger begins"
        return f"Record: {about}, ledger {self.ledger} entry {self.seq} head {self.hash}."


def add(connection: Connection, strand: Strand, ident: str, why: str, link: int, head: str) -> Entry:
    """Add an entry for a chain whose new links are inserted. Others who add one wait from here to the commit.

    So it comes last in a transaction, after everything else that waits.
    """
    postgres = connection.dialect.name == "postgresql"  # SQLite lets only one write at a time anyhow
    place, lock = ("%s", " FOR NO KEY UPDATE") if postgres else ("?", "")
    first = connection.exec_driver_sql(f"SELECT hash FROM heads WHERE seq = 1{lock}").scalar()  # noqa: S608 - fixed words
    found = connection.exec_driver_sql("SELECT seq, hash FROM heads ORDER BY seq DESC LIMIT 1").first()
    seq, previous = found or (0, "")
    of_chain = f"SELECT link, facts FROM heads WHERE kind = {place} AND id = {place} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - placeholders
    since, facts = connection.exec_driver_sql(of_chain, (strand.kind, ident)).first() or (0, 0)
    newer = f"SELECT coalesce(sum(facts), 0) FROM {strand.links.name} WHERE {strand.key} = {place} AND seq > {place}"  # noqa: S608 - placeholders
    facts += int(connection.exec_driver_sql(newer, (ident, since)).scalar_one())
    entry = Entry(
        ledger_id(first or ""),
        seq + 1,
        instant_text(datetime.now(UTC)),
        strand.kind,
        ident,
        why,
        link,
        facts,
        head,
        previous,
        "",
    )
    row = {column.name: getattr(entry, column.name) for column in heads.columns} | {"hash": entry.expected_hash}
    places = ", ".join([place] * len(row))
    connection.exec_driver_sql(f"INSERT INTO heads ({', '.join(row)}) VALUES ({places})", tuple(row.values()))  # noqa: S608 - fixed names
    return _entry(row, entry.ledger, previous)


def ledger_id(first_hash: str) -> str:
    """What a ledger is called: the beginning of the hash of its first entry."""
    return first_hash[:_ID_DIGITS]


def entries(connection: Connection) -> Iterator[Entry]:
    """All entries in their order, as they are read from the database."""
    ledger, previous = ledger_of(connection), ""
    query = select(heads).order_by(heads.c.seq)
    with connection.execute(query, execution_options={"yield_per": _AT_ONCE}) as found:
        for row in found.mappings():
            yield _entry(row, ledger, previous)
            previous = row["hash"]


def of_chain(connection: Connection, ident: str, strand: Strand = RUNS) -> list[Entry]:
    """The entries of a run or an arrival, oldest first."""
    query = select(heads).where(heads.c.kind == strand.kind, heads.c.id == ident)
    return _some(connection, query.order_by(heads.c.seq))


def newest(connection: Connection, run_id: str = "") -> Entry | None:
    """The newest entry: of a run, or of all where none is named or that run has none."""
    newest = select(heads).order_by(heads.c.seq.desc()).limit(1)
    found = _some(connection, newest.where(heads.c.kind == RUNS.kind, heads.c.id == run_id)) if run_id else []
    return next(iter(found or _some(connection, newest)), None)


def chain_ids(connection: Connection, strand: Strand = RUNS) -> set[str]:
    """The runs or arrivals that have an entry, whether or not they are still there."""
    return set(connection.scalars(select(heads.c.id).where(heads.c.kind == strand.kind).distinct()))


def _some(connection: Connection, query: Select[Any]) -> list[Entry]:
    ledger, rows = ledger_of(connection), connection.execute(query).mappings().all()
    before = select(heads.c.seq, heads.c.hash).where(heads.c.seq.in_([row["seq"] - 1 for row in rows]))
    previous = {found.seq: found.hash for found in connection.execute(before)}
    return [_entry(row, ledger, previous.get(row["seq"] - 1, "")) for row in rows]


def ledger_of(connection: Connection) -> str:
    """What this ledger is called."""
    return ledger_id(str(connection.scalar(select(heads.c.hash).where(heads.c.seq == 1)) or ""))


def _entry(row: RowMapping | dict[str, Any], ledger: str, previous: str) -> Entry:
    return Entry(ledger=ledger, previous=previous, **row)
