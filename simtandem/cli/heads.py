"""`simtandem heads`: the ledger's heads, printed; and which of those that were kept concern the ledger at hand."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from simtandem.errors import InputError
from simtandem.ledger.integrity.head_checks import HeadsProof, verify_heads
from simtandem.ledger.integrity.heads import entries, ledger_of
from simtandem.ledger.integrity.kept_heads import Kept, line, read
from simtandem.ledger.integrity.proof import printable
from simtandem.ledger.store import Ledger
from simtandem.settings import load_home
from simtandem.text.terminal import print_line


class FindingText(TypedDict):
    """Something that isn't as it was recorded, in parts and as a sentence."""

    kind: str
    ref: str
    problem: str
    text: str


class KeptSource(TypedDict):
    """Where heads were kept, and how many of those are in the ledger."""

    source: str
    entries: int


class HeadsDocument(TypedDict):
    """What is known of the ledger's heads, as `verify --json` prints it. `more` findings are not shown."""

    ledger: str
    entries: int
    head: str
    findings: list[FindingText]
    more: int
    confirmed_by: list[KeptSource]
    entries_since: int | None


def heads(
    *,
    newest: Annotated[
        bool, typer.Option("--newest", help="Only the newest entry, which covers all entries before it.")
    ] = False,
) -> None:
    """Print the heads of the ledger, one JSON object per line, to keep elsewhere for `verify --against`."""
    raise typer.Exit(show_heads(newest=newest))


def show_heads(*, newest: bool) -> int:
    """Print the entries of the ledger's heads, oldest first, or the newest alone: a line of JSON each."""
    settings = load_home()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        entry = ledger.entry() if newest else None
        if entry is not None:
            print_line(line(entry))
            return 0
        with ledger.database.snapshot() as connection:
            for each in entries(connection):
                print_line(line(each))
    return 0


def kept_heads(ledger: Ledger, against: Path | None) -> list[Kept]:
    """The heads that this home remembers of this ledger or of one in its place, and those in the file `against`.

    Raises `InputError` where that file has none.
    """
    with ledger.database.read() as connection:
        own = ledger_of(connection)
    remembered = [] if ledger.heads_file is None else ledger.heads_file.kept()
    kept = [each for each in remembered if each.ledger == own or each.place == ledger.database.place]
    if against is None:
        return kept
    given = list(read(against))
    if not given:
        raise InputError(f"--against {against}: no head of a ledger in it. `simtandem heads` prints them.")
    return kept + given


def prove_heads(ledger: Ledger, kept: list[Kept]) -> HeadsProof:
    """Compare the ledger's heads with themselves and with those that were kept."""
    with ledger.database.snapshot() as connection:
        return verify_heads(connection, kept)


def told(proof: HeadsProof) -> HeadsDocument:
    """What is known of the ledger's heads, as `verify --json` prints it."""
    return {
        "ledger": proof.ledger,
        "entries": proof.entries,
        "head": printable(str(proof.head)),
        "findings": [
            {"kind": each.kind, "ref": printable(each.ref), "problem": printable(each.problem), "text": str(each)}
            for each in proof.findings
        ],
        "more": proof.found - len(proof.findings),
        "confirmed_by": [{"source": source, "entries": count} for source, count in proof.confirmed.items()],
        "entries_since": proof.since,
    }


def spoken(told: HeadsDocument) -> list[str]:
    """The same for people, line by line."""
    lines = [f"the ledger's heads: {each['text']}" for each in told["findings"]]
    lines += [f"… and {told['more']:,} more"] if told["more"] else []
    state = "BROKEN" if told["findings"] else "intact"
    chain = f"a chain of {told['entries']:,} head{'' if told['entries'] == 1 else 's'}"
    lines.append(f"Ledger {told['ledger'] or 'without a beginning'}: {chain}, {state}; newest {told['head'] or 'none'}")
    lines += [
        f"  {each['entries']:,} kept in {each['source']} {'are' if each['entries'] > 1 else 'is'} among them"
        for each in told["confirmed_by"]
    ]
    if told["entries_since"]:
        lines.append(f"  {told['entries_since']:,} came after the newest that is kept")
    if told["entries"] > 1 and not told["confirmed_by"]:
        lines.append("  nothing outside the ledger remembers one of them: see --against")
    return lines
