"""Compare a run's facts with its chain. Where the facts come from, a ledger or an archive, makes no difference."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import polars as pl

from simtandem.ledger.integrity.canonical import DIGEST_BYTES, canonical, digest
from simtandem.ledger.integrity.chain import Link, content_hash, link_hash
from simtandem.ledger.integrity.facts import ARRIVALS, BEFORE, EVERY_FACT, RUNS, FactTable, Kind, Strand
from simtandem.ledger.integrity.proof import SHOWN, Finding, Proof, Witness

_CHUNK = 50_000
"""Facts whose hashes are Python objects at once."""
_SHARE = 125_000
"""About so many facts of a kind are compared at once: a join of all would need as much room again."""

Row = dict[str, Any]


class Source(Protocol):
    """A run's links in their order, then its facts, kind by kind as in `FACTS`."""

    def links(self) -> Iterator[Link]:
        """The links."""
        ...

    def facts(self) -> Iterator[tuple[FactTable, Iterator[Row]]]:
        """The facts: rows as the database keeps them. A kind without any may be left out."""
        ...


def verify_chain(run_id: str, source: Source, witnesses: Sequence[Witness] = (), strand: Strand = RUNS) -> Proof:
    """Compare everything a run or an arrival recorded with its chain, and the chain with who remembers a head of it."""
    proof = Proof(run_id)
    covered = {kind: _Digests() for kind in strand.facts}
    passed = _read_chain(proof, source.links(), covered, {witness.head for witness in witnesses})
    left = dict.fromkeys(strand.facts)
    for fact, rows in source.facts():
        left.pop(fact.kind)
        _compare(proof, fact, covered.pop(fact.kind), rows)
    for kind in left:
        _compare(proof, strand.facts[kind], covered.pop(kind), iter(()))
    for witness in witnesses:
        _hear(proof, witness, passed)
    return proof


class _Digests:
    """Keys and hashes of many facts, in little room."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._refs: list[str] = []
        self._digests: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self._refs or self._parts)

    def extend(self, refs: Iterable[str], digests: Iterable[bytes]) -> None:
        self._refs.extend(ref if ref.isascii() else ref.encode("utf-8", "backslashreplace").decode() for ref in refs)
        self._digests.extend(digests)
        if len(self._refs) >= _CHUNK:
            self._pack()

    def _pack(self) -> None:
        self._parts.append(
            pl.DataFrame({"ref": self._refs, "digest": self._digests}, schema={"ref": pl.String, "digest": pl.Binary})
        )
        self._refs, self._digests = [], []

    def frame(self, fact: FactTable) -> pl.DataFrame:
        self._pack()
        whole = pl.concat(self._parts)
        self._parts = []
        key = pl.col("ref").str.split(" ").list.first() if fact.shown else pl.col("ref")
        return whole.select(key.alias("key"), "ref", "digest")


def _read_chain(
    proof: Proof, links: Iterable[Link], covered: dict[Kind, _Digests], remembered: set[str]
) -> dict[str, int]:
    """Check every link and gather what it covers. Returns the facts up to each head that someone remembers."""
    seq, previous, counts, passed = 0, "", Counter[str](), dict[str, int]()
    emptied: list[Link] = []
    for link in links:
        proof.links += 1
        if link.seq != seq + 1:
            proof.add([Finding("link", _between(seq + 1, link.seq), "is missing")])
        problem = _problem(proof.run_id, link, previous if link.seq == seq + 1 else None)
        if problem:
            proof.add([Finding("link", str(link.seq), problem)])
        seq, previous = link.seq, link.hash
        proof.unchained = proof.unchained or link.kind == BEFORE
        proof.pruned = proof.pruned or link.kind == Kind.PRUNING
        if link.kind in covered:
            counts[link.kind] += link.facts if isinstance(link.facts, int) else 0
            if link.refs is None:
                emptied.append(link)
            covered[Kind(link.kind)].extend(*_items(link))
        if link.hash in remembered:
            passed[link.hash] = counts.total()
    proof.head, proof.counts = previous, {kind.value: counts[kind] for kind in covered if counts[kind]}
    if not proof.links:
        whose = ARRIVALS.kind if Kind.ARRIVAL in covered else RUNS.kind
        proof.add([Finding("link", "1", f"is missing: the {whose} has no chain")])
    emptied = [link for link in emptied if not proof.pruned or EVERY_FACT[Kind(link.kind)].kept]
    proof.add(
        [Finding("link", str(link.seq), "was emptied: it no longer says which facts it covers") for link in emptied]
    )
    return passed


def _between(first: int, found: int) -> str:
    return str(first) if found <= first + 1 else f"{first} to {found - 1}"


def _problem(run_id: str, link: Link, previous: str | None) -> str | None:
    """What is wrong with a link itself. `previous` is None where the link before is missing."""
    if link.refs is not None or link.digests is not None:
        refs, digests = _items(link)
        if len(refs) != link.facts or len(refs) != len(digests):
            return "was changed: its facts don't add up"
        hashes = link.digests if isinstance(link.digests, bytes) else b"?"  # SQLite lets any type stand anywhere
        if content_hash(str(link.refs), hashes) != link.content:
            return "was changed: its list of facts isn't what its hash was made of"
    if previous is not None:
        expected = link_hash(run_id, link.seq, link.kind, link.facts, link.content, previous)
        if expected != link.hash:
            return "was changed or moved: its hash doesn't follow from the link before"
    return None


def _items(link: Link) -> tuple[list[str], list[bytes]]:
    """What a link covers; nothing where its list can't be read."""
    try:
        refs = json.loads(link.refs or "[]")
    except (ValueError, TypeError):
        return [], []
    digests = link.digests if isinstance(link.digests, bytes) else b""
    if not isinstance(refs, list) or len(digests) != DIGEST_BYTES * len(refs):
        return [], []
    return [str(ref) for ref in refs], [digests[i : i + DIGEST_BYTES] for i in range(0, len(digests), DIGEST_BYTES)]


def _compare(proof: Proof, fact: FactTable, covered: _Digests, rows: Iterator[Row]) -> None:
    """Find facts of a kind that were changed, removed or added."""
    found = _Digests()
    while chunk := list(islice(rows, _CHUNK)):
        found.extend([str(fact.ref(row)) for row in chunk], [digest(canonical(row)) for row in chunk])
    if not covered and not found:
        return
    was, now = covered.frame(fact), found.frame(fact)
    if was.equals(now):  # nearly always, and sooner known than what differs
        return
    differing = _differing(was, now)
    if proof.unchained:
        proof.uncovered += differing["digest"].null_count()
        differing = differing.filter(pl.col("digest").is_not_null())
    missing = "is missing, or its call is" if fact.kind is Kind.ANSWER else "is missing"
    added, gone = pl.col("digest").is_null(), pl.col("digest_now").is_null()
    problem = pl.when(added).then(pl.lit("was added")).when(gone).then(pl.lit(missing)).otherwise(pl.lit("was changed"))
    shown = differing.head(SHOWN).select(pl.coalesce("ref", "ref_now"), problem.alias("problem"))
    proof.add([Finding(fact.kind.value, ref, problem) for ref, problem in shown.iter_rows()], differing.height)


def _differing(was: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """What was covered and what is there, key by key, where their digests differ; what is new comes last."""
    shares = 1 + max(was.height, now.height) // _SHARE
    odd = pl.concat(
        one.join(other, on=["key", "digest"], how="anti").select("key")
        for share in range(shares)
        for first, second in [(_share(was, share, shares), _share(now, share, shares))]
        for one, other in [(first, second), (second, first)]
    ).unique()
    was, now = (side.join(odd, on="key", how="semi", maintain_order="left") for side in (was, now))
    both = was.join(now, on="key", how="full", coalesce=True, suffix="_now", maintain_order="left_right")
    return both.filter(pl.col("digest").ne_missing(pl.col("digest_now")))


def _share(facts: pl.DataFrame, number: int, shares: int) -> pl.DataFrame:
    return facts.select("key", "digest").filter(pl.col("key").hash() % shares == number)


def _hear(proof: Proof, witness: Witness, passed: dict[str, int]) -> None:
    """Look for the head that a witness remembers, and for as many facts before it as it remembers."""
    if witness.head not in passed:
        problem = "is not in the chain: facts were taken from its end, or all of it was written anew"
        proof.add([Finding("head", witness.source, problem)])
    elif witness.facts not in (None, passed[witness.head]):
        problem = f"covers {passed[witness.head]:,} facts, not the {witness.facts:,} it was recorded for"
        proof.add([Finding("head", witness.source, problem)])
    else:
        proof.confirmed.append((witness, proof.facts - passed[witness.head]))
