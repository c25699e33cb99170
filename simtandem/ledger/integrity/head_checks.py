"""Compare the chain of heads with itself, with the chains it is about, and with the heads that others keep."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.facts import RUNS, Strand
from simtandem.ledger.integrity.kept_heads import Kept
from simtandem.ledger.integrity.proof import SHOWN, Finding, Proof, Witness


@dataclass(slots=True)
class HeadsProof:
    """What is known of the chain of heads. `found` is how many findings there are, `findings` the first of them.

    `confirmed` are the sources of kept heads, with how many of those are in the chain. `since` counts the entries after
    the newest of them, None where none is confirmed.
    """

    ledger: str = ""
    entries: int = 0
    head: str = ""
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    confirmed: dict[str, int] = field(default_factory=dict)
    since: int | None = None

    def add(self, ref: object, problem: str, kind: str = "entry") -> None:
        """Keep a finding about an entry, or about another `ledger`."""
        self.found += 1
        if len(self.findings) < SHOWN:
            self.findings.append(Finding(kind, str(ref), problem))


def verify_heads(connection: Connection, kept: Sequence[Kept] = ()) -> HeadsProof:
    """Check every entry of the ledger's heads, and whether each one that is kept elsewhere is among them."""
    proof, previous = HeadsProof(heads.ledger_of(connection)), 0
    remembered = _by_number(proof, kept)
    for entry in heads.entries(connection):
        if entry.seq != previous + 1:
            gap = str(previous + 1) if entry.seq == previous + 2 else f"{previous + 1} to {entry.seq - 1}"
            proof.add(gap, "is missing")
        elif entry.hash != entry.expected_hash:
            proof.add(entry.seq, "was changed or moved: its hash doesn't follow from it and the entry before")
        elif (entry.kind == heads.LEDGER) is not (entry.seq == 1):
            proof.add(entry.seq, "is not what a ledger has in this place")
        _ask(proof, entry, remembered.pop(entry.seq, []))
        proof.entries, proof.head, previous = proof.entries + 1, entry.hash, entry.seq
    if not proof.entries:
        proof.add(1, "is missing: the ledger has no heads")
    for each in sorted((each for some in remembered.values() for each in some), key=lambda each: each.seq):
        proof.add(each.seq, f"is missing: {_memory(each)}. {_CUT}")
    if proof.since is not None:
        proof.since = previous - proof.since
    return proof


_CUT = "What was recorded was removed, or this is an older copy of the ledger"


def _by_number(proof: HeadsProof, kept: Sequence[Kept]) -> dict[int, list[Kept]]:
    """The kept entries of this ledger. Those of another one make a finding for all."""
    remembered: dict[int, list[Kept]] = defaultdict(list)
    strangers = Counter[tuple[str, str]]()
    for each in dict.fromkeys(kept):
        if each.ledger == proof.ledger:
            remembered[each.seq].append(each)
        else:
            strangers[each.source, each.ledger] += 1
    for (source, ledger), count in strangers.items():
        many = f"{count:,} entries" if count > 1 else "an entry"
        problem = f"is not this one, which is {proof.ledger or 'without a beginning'}: {source} remembers {many} of it"
        proof.add(ledger, f"{problem}. This ledger was replaced, or begun anew", "ledger")
    return remembered


def _ask(proof: HeadsProof, entry: heads.Entry, kept: Sequence[Kept]) -> None:
    for each in kept:
        if each.hash == entry.hash:
            proof.confirmed[each.source] = proof.confirmed.get(each.source, 0) + 1
            proof.since = entry.seq
        else:
            proof.add(entry.seq, f"is not the one that was recorded: {_memory(each)}. {_CUT}")


def _memory(kept: Kept) -> str:
    return f"{kept.source} remembers it{f' ({kept.about})' if kept.about else ''}"


def witnesses(entries: Sequence[heads.Entry]) -> list[Witness]:
    """What a run's entries remember of its chain."""
    return [Witness(f"entry {each.seq} of the ledger's heads", each.head, each.facts) for each in entries]


def check_chain(
    connection: Connection,
    proof: Proof,
    entries: Sequence[heads.Entry],
    kept: Sequence[Kept],
    strand: Strand = RUNS,
) -> None:
    """Add to a proof what the chain records without an entry, and what it lacks of its entries that are kept elsewhere.

    Of a run that was under way when heads were first chained, an older program may have recorded the rest.
    """
    if proof.links and not entries:
        proof.add([Finding("head", "the ledger's heads", f"is missing: the {strand.kind} has no entry there")])
    elif entries and entries[0].why != heads.TAKEN_IN:
        last = max(each.link for each in entries)
        links = strand.links.c
        newer = select(links.seq).where(links[strand.key] == proof.run_id, links.seq > last)
        for seq in connection.scalars(newer.where(links.kind.in_(strand.remembered)).order_by(links.seq)):
            proof.add([Finding("link", str(seq), "has no entry in the ledger's heads")])
    there = {(each.seq, each.hash) for each in entries}
    for each in kept:
        if (each.seq, each.hash) not in there:
            proof.add([Finding("entry", str(each.seq), f"is missing, or not the one recorded: {_memory(each)}")])
