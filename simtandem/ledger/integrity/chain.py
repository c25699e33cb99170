"""The hash chain of a run: every link covers some facts and the link before it, so the newest covers them all.

A link's `refs` name its facts (a JSON list) and its `digests` are their SHA-256s, one behind the other; `content` is
the SHA-256 of both, and `hash` that of the link's other columns and of the hash before, in canonical JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.canonical import canonical
from simtandem.ledger.integrity.facts import RUNS, Kind, Strand


@dataclass(frozen=True, slots=True)
class Link:
    """One link. `refs` and `digests` are None where its facts were pruned."""

    seq: int
    kind: str
    facts: int
    content: str
    hash: str
    refs: str | None
    digests: bytes | None


class Chain:
    """The chain of a run or an arrival, growing in a transaction that writes.

    The links are inserted when it is left without an error.
    Where one of them covers what is remembered, the head becomes an `entry` in the ledger's heads.

    Several programs may write to one run: the second one waits here for the first to commit. So it must be made
    before the facts it covers are numbered or inserted.
    """

    def __init__(self, connection: Connection, run_id: str, strand: Strand = RUNS) -> None:
        self.connection = connection
        self.run_id = run_id
        self.strand = strand
        self.seq, self.head = 0, ""
        self.entry: heads.Entry | None = None
        self._why = ""
        self._new: list[tuple[object, ...]] = []

    def __enter__(self) -> Self:
        place, key, strand = "?", self.strand.key, self.strand
        if self.connection.dialect.name == "postgresql":  # SQLite lets only one write at a time anyhow
            place = "%s"
            lock = f"SELECT 1 FROM {strand.owners.name} WHERE {key} = %s FOR NO KEY UPDATE"  # noqa: S608 - fixed names
            self.connection.exec_driver_sql(lock, (self.run_id,))
        found = self.connection.exec_driver_sql(
            f"SELECT seq, hash FROM {strand.links.name} WHERE {key} = {place} ORDER BY seq DESC LIMIT 1",  # noqa: S608 - a placeholder
            (self.run_id,),
        ).first()
        if found is not None:
            self.seq, self.head = found
        return self

    def add(self, kind: Kind, refs: Sequence[str | int], digests: Sequence[bytes]) -> None:
        """Cover facts with one link. Without facts there is nothing to cover."""
        if not refs:
            return
        self._why = kind.value if kind in self.strand.remembered else self._why
        names, hashes = refs_text(refs), b"".join(digests)
        content = content_hash(names, hashes)
        self.seq += 1
        self.head = link_hash(self.run_id, self.seq, kind.value, len(refs), content, self.head)
        self._new.append((self.run_id, self.seq, kind.value, len(refs), content, self.head, names, hashes))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._new:
            places = ", ".join(["%s" if self.connection.dialect.name == "postgresql" else "?"] * 8)
            columns = f"{self.strand.key}, seq, kind, facts, content, hash, refs, digests"
            self.connection.exec_driver_sql(
                f"INSERT INTO {self.strand.links.name} ({columns}) VALUES ({places})",  # noqa: S608 - fixed names
                self._new,
            )
            if self._why:
                self.entry = heads.add(self.connection, self.strand, self.run_id, self._why, self.seq, self.head)


def refs_text(refs: Sequence[str | int]) -> str:
    """The names of a link's facts, as the link keeps them."""
    return json.dumps(list(refs), ensure_ascii=False, separators=(",", ":"))


def content_hash(refs: str, digests: bytes) -> str:
    """What a link says of its facts, in one hash."""
    return sha256(refs.encode("utf-8", "surrogatepass") + digests).hexdigest()


def link_hash(run_id: str, seq: object, kind: object, facts: object, content: object, previous: object) -> str:
    """The hash of a link: the head of the chain, as long as it is the newest."""
    head = {"run_id": run_id, "seq": seq, "kind": kind, "facts": facts, "content": content, "previous": previous}
    return sha256(canonical(head).encode("utf-8", "surrogatepass")).hexdigest()
