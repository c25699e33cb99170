"""Take the details of old runs out of the ledger, once they are archived and the archive is proved.

What stays of a run: its header, its states (with the report's counts), its chain without the lists of facts, and a
note, chained as well, of where its details went.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from simtandem.errors import LedgerError
from simtandem.ledger import reading, recording
from simtandem.ledger.archiving import Archived, archive_name, write_archive
from simtandem.ledger.chaining import Chain
from simtandem.ledger.facts import FACTS, FactTable, Kind
from simtandem.ledger.processes import process_may_run
from simtandem.ledger.proof import Proof
from simtandem.ledger.recorded import Recorded
from simtandem.ledger.records import ProcessProbe, RunSummary, has_ended
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import calls, links, prunings
from simtandem.ledger.verifying import Source, verify

Writer = Callable[[Path, Source, Proof], str]
"""Writes a run to a file and returns the file's SHA-256."""

_DETAILS = [fact for fact in FACTS.values() if not fact.kept]


@dataclass(frozen=True, slots=True)
class Prunable:
    """A run that may go: when it ended, how many details it has, and what its archive is or would be called."""

    run: RunSummary
    ended: datetime
    facts: int
    archive: str


def prunable(ledger: Ledger, before: datetime, *, may_run: ProcessProbe = process_may_run) -> list[Prunable]:
    """The runs that ended before a moment and still have their details, oldest first."""
    with ledger.database.read() as connection:
        gone = set(connection.scalars(select(prunings.c.run_id)))
        every = reading.read_runs(connection, None, may_run)
        old = [(run, run.at or run.record.started_at) for run in reversed(every) if has_ended(run)]
        return [
            Prunable(run, ended, _count(connection, run.record.run_id), archive_name(run.record.run_id))
            for run, ended in old
            if ended < before and run.record.run_id not in gone
        ]


def prune(ledger: Ledger, run_id: str, folder: Path, os_user: str, *, write: Writer = write_archive) -> Proof:
    """Archive a run into a folder, prove the archive, then take its details out of the ledger. Returns what was proved.

    Raises `LedgerError` and takes nothing where the record doesn't verify, the archive isn't equal to it, or somebody
    still writes to the run.
    """
    path = folder / archive_name(run_id)
    with ledger.database.snapshot() as connection:
        source = Recorded(connection, run_id)
        proof = verify(run_id, source, source.witness())
        if proof.pruned:
            raise LedgerError(f"Run {run_id} was pruned already.")
        if proof.found:
            raise LedgerError(
                f"The record of run {run_id} is not as it was written ({proof.findings[0]}), so it is left alone. "
                f"`simtandem verify {run_id}` tells all."
            )
        sha256 = write(path, source, proof)
    again = verify(run_id, Archived(path))
    if again.found or (again.head, again.counts, again.uncovered) != (proof.head, proof.counts, proof.uncovered):
        raise LedgerError(f"The archive {path} isn't equal to the record of run {run_id}. Nothing was taken.")
    with ledger.database.write() as connection, Chain(connection, run_id) as chain:
        if chain.head != proof.head:
            raise LedgerError(f"Run {run_id} was written to while it was archived. Nothing was taken; try again later.")
        recording.add_facts(
            chain,
            Kind.PRUNING,
            [recording.pruning_row(run_id, ledger.clock(), os_user, path.name, sha256, _count(connection, run_id))],
        )
        _take(connection, run_id)
    return proof


def _count(connection: Connection, run_id: str) -> int:
    return sum(connection.scalar(select(func.count()).where(_of(fact, run_id))) or 0 for fact in _DETAILS)


def _take(connection: Connection, run_id: str) -> None:
    for fact in sorted(_DETAILS, key=lambda fact: fact.kind is not Kind.ANSWER):  # an answer refers to its call
        connection.execute(delete(fact.table).where(_of(fact, run_id)))
    emptied = links.c.kind.in_([fact.kind.value for fact in _DETAILS])
    connection.execute(update(links).where(links.c.run_id == run_id, emptied).values(refs=None, digests=None))


def _of(fact: FactTable, run_id: str) -> ColumnElement[bool]:
    if fact.kind is Kind.ANSWER:
        return fact.table.c.call_id.in_(select(calls.c.call_id).where(calls.c.run_id == run_id))
    return fact.table.c.run_id == run_id
