"""What comparing a run's facts with its chain shows, and how it is put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simtandem.ledger.integrity.facts import EVERY_FACT, Kind

SHOWN = 20
"""Findings that are shown one by one. The others are counted."""


class Standing(StrEnum):
    """The state of a run's record, as `simtandem verify --json` names it. People read "intact" for `untouched`."""

    UNTOUCHED = "untouched"
    BROKEN = "broken"
    UNCHAINED = "recorded before chains existed"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Witness:
    """A head that something outside the chain remembers, and where: `source` says so, as in "the report"."""

    source: str
    head: str
    facts: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that isn't as it was recorded. `kind` is that of a fact, or `link`, `head` or `entry`."""

    kind: str
    ref: str
    problem: str

    def __str__(self) -> str:
        fact = EVERY_FACT.get(Kind(self.kind)) if self.kind in EVERY_FACT else None
        subject = f"{self.kind} {self.ref}" if fact is None else fact.spoken(self.ref)
        if self.kind == "link":
            subject = f"link {self.ref} of the chain"
        elif self.kind == "entry":
            subject = f"entry {self.ref} of the ledger's heads"
        elif self.kind == "head":
            subject = f"the head in {self.ref}"
        return printable(f"{subject} {self.problem}")


@dataclass(slots=True)
class Proof:
    """What is known of a run's record. `found` is how many findings there are, `findings` the first of them.

    `counts` are the facts in the chain by kind, `uncovered` those recorded before it began, `confirmed` the witnesses
    whose head is in the chain, with the number of facts recorded after it.
    """

    run_id: str
    head: str = ""
    links: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    uncovered: int = 0
    unchained: bool = False
    pruned: bool = False
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    confirmed: list[tuple[Witness, int]] = field(default_factory=list)

    @property
    def facts(self) -> int:
        """All facts in the chain."""
        return sum(self.counts.values())

    @property
    def standing(self) -> Standing:
        """The proof in a word or a few."""
        if self.found:
            return Standing.BROKEN
        if self.pruned:
            return Standing.PRUNED
        return Standing.UNCHAINED if self.unchained else Standing.UNTOUCHED

    def add(self, findings: Sequence[Finding], found: int | None = None) -> None:
        """Keep findings, the first of them word for word. `found`: how many they stand for, where there are more."""
        self.findings.extend(findings[: SHOWN - len(self.findings)])
        self.found += len(findings) if found is None else found


def spoken_counts(counts: Mapping[str, int]) -> str:
    """`1 run header, 4 states, 200 plan rows`."""
    told = []
    for kind, count in counts.items():
        many = EVERY_FACT[Kind(kind)].many
        told.append(f"{count:,} {many.removesuffix('s') if count == 1 else many}")
    return ", ".join(told)


def printable(text: str) -> str:
    """Text that no terminal and no encoding trips over, for any content of the database."""
    safe = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in safe)
