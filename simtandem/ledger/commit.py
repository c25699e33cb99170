"""Commits facts once, even if the connection is lost meanwhile."""

from collections.abc import Callable

from sqlalchemy import Connection, select

from simtandem.ledger.database import Database
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.heads import Entry
from simtandem.ledger.tables import links


def commit(database: Database, run_id: str, add: Callable[[Chain], None]) -> Entry | None:
    """Let `add` record facts in a transaction of their own; again, where the database was away.

    A commit whose answer was lost may have been carried out. The head that it would have given the chain shows it: no
    other commit can have the same. Returns the entry in the ledger's heads that it made, where it made one.
    """
    heads: list[str] = []
    entry: Entry | None = None

    def attempt() -> None:
        nonlocal entry
        with database.write() as connection:
            with Chain(connection, run_id) as chain:  # a commit in progress is waited for here
                before = chain.head
                if not heads or not _is_there(connection, run_id, heads):
                    add(chain)
            if chain.head != before:
                heads.append(chain.head)
                entry = chain.entry

    database.waited_out(attempt)
    return entry


def _is_there(connection: Connection, run_id: str, heads: list[str]) -> bool:
    found = connection.execute(select(links.c.seq).where(links.c.run_id == run_id, links.c.hash.in_(heads)).limit(1))
    return found.first() is not None
