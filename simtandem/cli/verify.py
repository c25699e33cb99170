"""`simtandem verify`: whether the record of the runs is intact."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict, cast

import typer

from simtandem.cli import heads
from simtandem.cli.heads import FindingText, kept_heads
from simtandem.cli.options import AsJson
from simtandem.cli.stored_files import bring_heads, look_at_files, looked_at, restore_files
from simtandem.errors import InputError, LedgerError
from simtandem.ledger import last_known_rebuild
from simtandem.ledger.integrity import head_checks
from simtandem.ledger.integrity.facts import ARRIVALS
from simtandem.ledger.integrity.heads import TAKEN_IN_ARRIVAL, chain_ids, of_chain
from simtandem.ledger.integrity.kept_heads import Kept, by_subject
from simtandem.ledger.integrity.proof import Proof, Standing, Witness, printable, spoken_counts
from simtandem.ledger.integrity.recorded import Recorded, answers_to_nothing, arrival_ids, of_no_schedule, run_ids
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.run_summaries import LATEST
from simtandem.ledger.store import Ledger
from simtandem.runs.archiving import look_at_archive
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings, load_home
from simtandem.text.terminal import print_json, results

_HEAD = re.compile(r"[0-9a-f]{64}")
_IN_REPORT = re.compile(r'id="ledger-head"[^>]*>([0-9a-f]{64})<')


class Confirmation(TypedDict):
    """Where a head of the chain was kept, and how many facts were recorded after it."""

    source: str
    head: str
    facts_since: int


class ProofDocument(TypedDict):
    """What is known of the record of a run or an arrival, as `--json` prints it. `more` findings are not shown."""

    run_id: NotRequired[str]
    arrival_id: NotRequired[str]
    standing: str
    facts: int
    counts: dict[str, int]
    uncovered: int
    head: str
    findings: list[FindingText]
    more: int
    confirmed_by: list[Confirmation]
    notes: list[str]


def verify(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or: latest.", show_default="all runs"),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="A head of RUN's chain that you kept: is it in there?")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Heads kept elsewhere (lines of `simtandem heads`, messages, a log): are they in the ledger?",
        ),
    ] = None,
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First rebuild the table of last known statuses from the runs.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="First put RUN's files that are broken in the store there from this home.")
    ] = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read the stored files of all runs, as is done for RUN.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the record is intact; if not, name each fact that was changed, removed or added."""
    how = {"rebuild": rebuild, "restore": restore, "contents": contents}
    raise typer.Exit(show_proof(run, head, as_json=as_json, against=against, **how))


def show_proof(
    prefix: str | None,
    head: str | None,
    *,
    as_json: bool,
    rebuild: bool = False,
    restore: bool = False,
    contents: bool = False,
    against: Path | None = None,
) -> int:
    """Verify one run or all, and print what was found on stdout. Returns the exit code: 0, or 1 where anything was.

    With all runs, the table of last known statuses is compared with them, or with `rebuild` made anew, unless a run's
    record is broken. `contents`: stored files are read. Heads that this home or the file `against` has are looked for.
    """
    _require_fitting(prefix, rebuild=rebuild, restore=restore)
    given = None if head is None else _head(head, prefix)
    settings = load_home()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        kept = kept_heads(ledger, against)
        ids, strays = _asked(ledger, settings, prefix, kept)
        restore_files(ledger, settings, ids if restore else [])
        about = by_subject(kept)
        told, alone = [], prefix is not None
        for run_id in ids:
            proof = _prove(ledger, settings, run_id, given, about["run", run_id], alone=alone, read=alone or contents)
            told.append(_told(*proof))
            if not as_json:
                _show(told[-1], alone=alone)
        strays += [] if alone else _outside(ledger, rebuild=rebuild and not any(each["findings"] for each in told))
        arrivals = [] if prefix else [_told(*each, ARRIVALS.key) for each in _arrivals(ledger, about)]
        chained = None if prefix else heads.told(heads.prove_heads(ledger, kept))
        stored = "" if prefix else looked_at(ledger, settings, read=contents)
    exit_code = int(any([strays, chained and chained["findings"], *(each["findings"] for each in [*told, *arrivals])]))
    if as_json:
        of_all = {"arrivals": arrivals, "strays": strays, "stored_files": stored, "heads": chained}
        print_json({"exit_code": exit_code, "runs": told, **of_all})
    else:
        _conclude(told, strays, arrivals, filter(None, [stored, *(heads.spoken(chained) if chained else [])]))
    return exit_code


def _require_fitting(prefix: str | None, *, rebuild: bool, restore: bool) -> None:
    if rebuild and prefix is not None:
        raise InputError("--rebuild makes one table from all runs: name none. Nothing was changed.")
    if restore and prefix is None:
        raise InputError("--restore is for the files of one run: name the run as well. `simtandem runs` lists them.")


def _head(head: str, prefix: str | None) -> str:
    if prefix is None:
        raise InputError("--head is the head of one run: name the run as well. `simtandem runs` lists them.")
    if not _HEAD.fullmatch(head.strip().lower()):
        raise InputError(
            f"--head {head}: not a head. It has 64 digits from 0 to f; a run's report shows it at its end."
        )
    return head.strip().lower()


def _asked(ledger: Ledger, settings: Settings, prefix: str | None, kept: list[Kept]) -> tuple[list[str], list[str]]:
    """The runs to verify, and what belongs to no run: looked for where all runs are asked for."""
    if prefix == LATEST:
        prefix = ledger.run(LATEST).record.run_id
    with ledger.database.snapshot() as connection:
        recorded = set(run_ids(connection))
        every = sorted(recorded | chain_ids(connection))
        if prefix is None:
            answers = [f"the answer to call {printable(each)}" for each in answers_to_nothing(connection)]
            answers += [f"what is recorded of schedule {printable(each)}" for each in of_no_schedule(connection)]
            return every, answers + list(_lost_runs(settings.runs_folder, recorded))
    every = sorted({*every, *(ident for kind, ident in by_subject(kept) if kind == "run")})
    fitting = [prefix] if prefix in every else [each for each in every if prefix and each.startswith(prefix)]
    if not fitting:
        raise InputError(f"There is no run {prefix!r}. `simtandem runs` lists them.")
    if len(fitting) > 1:
        names = ", ".join(fitting[:3]) + (", …" if len(fitting) > 3 else "")
        raise InputError(f"More than one run begins with {prefix!r}: {names}. Write more of the id.")
    return fitting, []


def _arrivals(ledger: Ledger, about: Mapping[tuple[str, str], list[Kept]]) -> Iterator[tuple[Proof, list[str]]]:
    """What is known of each file that arrived and of what it schedules, and notes."""
    with ledger.database.snapshot() as connection:
        ids = {*arrival_ids(connection), *chain_ids(connection, ARRIVALS)}
    for arrival_id in sorted(ids):
        with ledger.database.snapshot() as connection:
            entries = of_chain(connection, arrival_id, ARRIVALS)
            chained = head_checks.witnesses(entries)
            proof = verify_chain(arrival_id, Recorded(connection, arrival_id, ARRIVALS), chained, ARRIVALS)
            kept = about.get((ARRIVALS.kind, arrival_id), [])
            head_checks.check_chain(connection, proof, entries, kept, ARRIVALS)
        proof.confirmed = proof.confirmed[-1:]
        yield proof, [entries[0].why] if entries and entries[0].why == TAKEN_IN_ARRIVAL else []


def _outside(ledger: Ledger, *, rebuild: bool) -> list[str]:
    """What of the ledger's file is damaged, or of the table of last known statuses not as the runs recorded it."""
    damage = [f"the ledger's file is damaged: {printable(each)}" for each in ledger.database.damage()]
    if rebuild:
        last_known_rebuild.rebuild(ledger)
    with ledger.database.snapshot() as connection:
        differences = last_known_rebuild.differences(connection)
        return damage + [f"{printable(str(each))}: see --rebuild" for each in differences]


def _prove(
    ledger: Ledger, settings: Settings, run_id: str, given: str | None, kept: list[Kept], *, alone: bool, read: bool
) -> tuple[Proof, list[str]]:
    """What is known of a run's record, and notes. `alone`: of it alone. `read`: its stored files are read."""
    if alone:
        bring_heads(ledger, settings, run_id)
    witnesses = list(_kept_heads(RunFolder(settings.runs_folder / run_id)))
    if given:
        witnesses.append(Witness("the argument --head", given))
    outside = bool(witnesses or kept)
    with ledger.database.snapshot() as connection:
        source, entries = Recorded(connection, run_id), of_chain(connection, run_id)
        chained = head_checks.witnesses(entries)
        proof = verify_chain(run_id, source, [*source.witness(), *witnesses, *chained])
        head_checks.check_chain(connection, proof, entries, kept)
    proof.confirmed = [each for each in proof.confirmed if each[0] not in chained[:-1]]  # the newest says it all
    notes = [] if outside or proof.unchained else ["nothing outside the ledger remembers its head: see --head"]
    if proof.pruned and not proof.found:
        notes.append(look_at_archive(settings, ledger, proof, read=read))
    notes.append(look_at_files(ledger, settings, proof, read=read))
    return proof, notes


def _kept_heads(folder: RunFolder) -> Iterator[Witness]:
    """The heads that the run's files remember."""
    if folder.has("document.json"):
        try:
            kept = folder.document().get("ledger_head")
        except LedgerError:
            kept = "unreadable"
        if kept is not None:  # a run of before has none
            yield Witness("the run's document.json", str(kept))
    for head in _shown_in(folder.file("report.html")):
        yield Witness("the run's report.html", head)


def _lost_runs(folder: Path, known: set[str]) -> Iterator[str]:
    """Runs that left a document with the head of a chain, and aren't in the ledger."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in known and any(_kept_heads(RunFolder(path))):
            yield f"the files in {path}: the ledger has no such run"


def _shown_in(report: Path) -> Iterable[str]:
    try:
        return _IN_REPORT.findall(report.read_text(encoding="utf-8", errors="replace"))[-1:]
    except OSError:
        return []


def _told(proof: Proof, notes: list[str], whose: str = "run_id") -> ProofDocument:
    document = {
        whose: printable(proof.run_id),
        "standing": proof.standing.value,
        "facts": proof.facts,
        "counts": proof.counts,
        "uncovered": proof.uncovered,
        "head": proof.head,
        "findings": [
            {"kind": each.kind, "ref": printable(each.ref), "problem": each.problem, "text": str(each)}
            for each in proof.findings
        ],
        "more": proof.found - len(proof.findings),
        "confirmed_by": [
            {"source": witness.source, "head": witness.head, "facts_since": since} for witness, since in proof.confirmed
        ],
        "notes": [note for note in notes if note],
    }
    return cast("ProofDocument", document)


def _show(told: ProofDocument, *, alone: bool) -> None:
    name = told["run_id"] if "run_id" in told else told["arrival_id"]
    standing = _in_words(told["standing"])
    lines = [f"{name}  {standing.upper() if told['findings'] else standing}"]
    lines[0] += f": {told['facts']:,} facts in its chain, head {told['head'] or 'none'}"
    lines += [f"  {finding['text']}" for finding in told["findings"]]
    if told["more"]:
        lines.append(f"  … and {told['more']:,} more")
    if told["uncovered"]:
        lines.append(f"  {told['uncovered']:,} facts were recorded before it had a chain: nothing can be said of them")
    if alone:
        lines += [f"  {spoken_counts(told['counts'])}"] if told["counts"] else []
        lines += [f"  {_confirmation(each)}" for each in told["confirmed_by"]]
    if alone or told["standing"] == Standing.PRUNED:
        lines += [f"  {note}" for note in told["notes"]]
    results().print("\n".join(lines), markup=False, soft_wrap=True)


def _in_words(standing: str) -> str:
    return "intact" if standing == Standing.UNTOUCHED else standing


def _confirmation(told: Confirmation) -> str:
    since = told["facts_since"]
    later = "" if not since else f"; recorded after it: {since:,} fact{'' if since == 1 else 's'}"
    return f"the head in {told['source']} is in the chain{later}"


def _conclude(
    told: list[ProofDocument], strays: list[str], arrivals: list[ProofDocument], of_heads: Iterable[str]
) -> None:
    for each in arrivals:
        if each["findings"]:
            _show(each, alone=False)
    _sum_up(told, strays)
    _count_arrivals(arrivals)
    for line in of_heads:
        results().print(line, markup=False, soft_wrap=True)


def _sum_up(told: list[ProofDocument], strays: list[str]) -> None:
    console = results()
    for stray in strays[:20]:
        console.print(f"outside the runs: {stray}", markup=False, soft_wrap=True)
    if len(strays) > 20:
        console.print(f"… and {len(strays) - 20:,} more")
    if len(told) == 1 and not strays:
        return
    standings = [each["standing"] for each in told]
    counted = ", ".join(f"{standings.count(each):,} {_in_words(each)}" for each in Standing if each in standings)
    console.print(f"{len(told):,} runs: {counted}" if told else "No runs yet.")


def _count_arrivals(told: list[ProofDocument]) -> None:
    if told:
        broken = sum(bool(each["findings"]) for each in told)
        each = "it" if len(told) == 1 else "them"
        counted = f"{broken:,} BROKEN, {len(told) - broken:,} intact" if broken else "intact"
        results().print(
            f"{len(told):,} arrival{'' if len(told) == 1 else 's'} and the schedules of {each}: {counted}", markup=False
        )
