"""Take the details of old runs out of the ledger, once they are archived and the archive is proved.

What stays of a run: its header, its states (with the report's counts), its chain without the lists of facts, where it
put the devices that no later run put elsewhere, and a note, chained as well, of where its details went.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, delete, func, select, update

from schemas.statuses import Half
from simtandem.errors import LedgerError
from simtandem.host.processes import process_may_run
from simtandem.ledger import inserts, last_known, last_known_rebuild, run_summaries
from simtandem.ledger.accounts import account_of
from simtandem.ledger.integrity import head_checks, heads
from simtandem.ledger.integrity.archive import Archived, archive_hash, archive_name, write_archive
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import FACTS, FactTable, Kind
from simtandem.ledger.integrity.proof import Proof
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import Source, verify_chain
from simtandem.ledger.records import ProcessProbe, PruningRecord, RunSummary, has_ended
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import baselines, calls, links, prunings

Writer = Callable[[Path, Source, Proof], str]
"""Writes a run to a file and returns the file's SHA-256."""

_AT_ONCE = 5_000
_LINKS_AT_ONCE = 500
_BREATH_S = 0.02
_DETAILS = [fact for fact in FACTS.values() if not fact.kept]


@dataclass(frozen=True, slots=True)
class Prunable:
    """A run that may go: when it ended, how many details it has, and what its archive is or would be called."""

    run: RunSummary
    ended: datetime
    facts: int
    archive: str


def prunable(ledger: Ledger, before: datetime, *, may_run: ProcessProbe = process_may_run) -> list[Prunable]:
    """The runs that ended before a moment and still have details, oldest first; also those half pruned."""
    with ledger.database.read() as connection:
        gone = set(connection.scalars(select(prunings.c.run_id)))
        every = run_summaries.read_runs(connection, None, may_run)
        old = [(run, run.at or run.record.started_at) for run in reversed(every) if has_ended(run)]
        return [
            Prunable(run, ended, _count(connection, run.record.run_id), archive_name(run.record.run_id))
            for run, ended in old
            if ended < before and (run.record.run_id not in gone or _has_details(connection, run.record.run_id))
        ]


def prune_run(
    ledger: Ledger,
    run_id: str,
    folder: Path,
    os_user: str,
    *,
    write: Writer = write_archive,
    keep: Callable[[Path, str], object] = lambda _path, _sha256: None,
    pause: Callable[[float], None] = time.sleep,
    at_once: int = _AT_ONCE,
) -> Proof:
    """Archive a run into a folder, prove the archive, then take its details out of the ledger. Returns what was proved.

    Nothing is locked for longer than it takes to write `at_once` facts or one link's, and others get the lock in
    between. Where it is killed on the way, the record still verifies, and pruning again continues from there.
    `keep` is given the archive and its SHA-256 before its run is noted as pruned, and once more before details are
    taken: only then is it known that what it put somewhere is referred to.
    Raises `LedgerError` and takes nothing where the record doesn't verify, the archive isn't equal to it, or someone
    still writes to the run.
    """
    path = folder / archive_name(run_id)
    begun = ledger.pruning(run_id)
    if begun is None:
        proof, sha256 = _archive(ledger, run_id, path, write)
        keep(path, sha256)
        head = _keep_baseline(ledger, run_id, proof.head, pause, at_once)
        _note(ledger, run_id, head, pruning=(os_user, path.name, sha256))
    else:
        proof, sha256 = _resume(ledger, run_id, path, begun), begun.archive_sha256
    keep(path, sha256)
    began = time.monotonic()
    for _ in _take(ledger, run_id, at_once):
        pause(max(_BREATH_S, time.monotonic() - began))  # other writers get the lock half of the time
        began = time.monotonic()
    return proof


def _proved(connection: Connection, run_id: str) -> Proof:
    source = Recorded(connection, run_id)
    entries = heads.of_chain(connection, run_id)
    proof = verify_chain(run_id, source, [*source.witness(), *head_checks.witnesses(entries)])
    head_checks.check_chain(connection, proof, entries, ())
    if proof.found:
        raise LedgerError(
            f"The record of run {run_id} is not as it was written ({proof.findings[0]}), so it is left alone. "
            f"`simtandem verify {run_id}` shows all."
        )
    return proof


def _archive(ledger: Ledger, run_id: str, path: Path, write: Writer) -> tuple[Proof, str]:
    """Write the archive and compare it with the record; returns what was proved, and the archive's SHA-256."""
    with ledger.database.snapshot() as connection:
        proof = _proved(connection, run_id)
        sha256 = write(path, Recorded(connection, run_id), proof)
    again = verify_chain(run_id, Archived(path))
    if again.found or (again.head, again.counts, again.uncovered) != (proof.head, proof.counts, proof.uncovered):
        raise LedgerError(f"The archive {path} isn't equal to the record of run {run_id}. Nothing was taken.")
    return proof, sha256


def _resume(ledger: Ledger, run_id: str, path: Path, begun: PruningRecord) -> Proof:
    """What is left of a run whose pruning was begun and not ended, once its archive is seen to be there."""
    with ledger.database.snapshot() as connection:
        if not _has_details(connection, run_id):
            raise LedgerError(f"Run {run_id} was pruned already.")
        proof = _proved(connection, run_id)
    if not path.exists() or archive_hash(path) != begun.archive_sha256:
        raise LedgerError(
            f"Pruning run {run_id} was begun and not ended, and its archive is not at {path} as it was made. "
            "Nothing more was taken. Put the archive back there, then run again."
        )
    return proof


def _keep_baseline(ledger: Ledger, run_id: str, head: str, pause: Callable[[float], None], at_once: int) -> str:
    """Keep, as facts, where the run put the devices that no later run has put elsewhere. Returns the chain's head."""
    with ledger.database.read() as connection:
        left = _baseline(connection, run_id)
    for some in left.iter_slices(at_once):
        if some.is_empty():
            break
        with ledger.database.write() as connection, Chain(connection, run_id) as chain:
            _unchanged(chain, head)
            inserts.add_frame(chain, Kind.BASELINE, some)
            head = chain.head
        pause(_BREATH_S)
    return head


def _baseline(connection: Connection, run_id: str) -> pl.DataFrame:
    """What the run did to its devices, as far as that is the last known of them and is not kept yet."""
    there = last_known.read(connection, account_of(connection, run_id)).select(
        "sim_id", "run_id", "sim_at", "endpoint_at"
    )
    kept = connection.scalars(select(baselines.c.sim_id).where(baselines.c.run_id == run_id)).all()
    put = last_known_rebuild.put_by(connection, run_id).join(there, on="sim_id", how="left", suffix="_known")
    last = [pl.col("run_id_known").is_null() | (pl.col("run_id_known") == run_id)]
    last += [(pl.col(f"{half}_at") == pl.col(f"{half}_at_known")).fill_null(value=False) for half in Half]
    return (
        put.filter(pl.any_horizontal(last), ~pl.col("sim_id").is_in(kept))
        .select(list(last_known.COLUMNS))
        .drop("run_id")
    )


def _note(ledger: Ledger, run_id: str, head: str, pruning: tuple[str, str, str]) -> None:
    """Note that the run is pruned: from now on its archive has its details."""
    with ledger.database.write() as connection, Chain(connection, run_id) as chain:
        _unchanged(chain, head)
        row = inserts.pruning_row(run_id, ledger.clock(), *pruning, _count(connection, run_id))
        inserts.add_facts(chain, Kind.PRUNING, [row])
    ledger.keep(chain.entry)


def _unchanged(chain: Chain, head: str) -> None:
    if chain.head != head:
        raise LedgerError(
            f"Run {chain.run_id} was written to while it was archived. Nothing was taken; try again later."
        )


def _has_details(connection: Connection, run_id: str) -> bool:
    tables = [fact.table for fact in _DETAILS if fact.kind is not Kind.ANSWER]  # they go before their calls
    return any(connection.execute(select(1).where(each.c.run_id == run_id).limit(1)).first() for each in tables)


def _count(connection: Connection, run_id: str) -> int:
    return sum(connection.scalar(select(func.count()).where(_of(fact, run_id))) or 0 for fact in _DETAILS)


def _take(ledger: Ledger, run_id: str, at_once: int) -> Iterator[None]:
    """Take the details away, link by link, each with the facts it covers; then what no link covers."""
    answers_first: list[list[Kind]] = [[Kind.ANSWER], [fact.kind for fact in _DETAILS if fact.kind is not Kind.ANSWER]]
    for kinds in answers_first:  # an answer refers to its call
        after: int | None = 0
        while after is not None:
            with ledger.database.write() as connection:
                after = _take_links(connection, run_id, kinds, after, at_once)
            if after is not None:
                yield
    for fact in sorted(_DETAILS, key=lambda fact: fact.kind is not Kind.ANSWER):
        taken = at_once
        while taken == at_once:
            with ledger.database.write() as connection:
                key = fact.table.c[fact.key]
                some = select(key).where(_of(fact, run_id)).limit(at_once)
                taken = connection.execute(delete(fact.table).where(_of(fact, run_id), key.in_(some))).rowcount
            if taken:
                yield


def _take_links(connection: Connection, run_id: str, kinds: list[Kind], after: int, at_once: int) -> int | None:
    """Empty some links behind one and take their facts; returns the last of them, None where there are no more."""
    query = (
        select(links.c.seq, links.c.kind, links.c.facts, links.c.refs)
        .where(links.c.run_id == run_id, links.c.seq > after, links.c.kind.in_(kinds), links.c.refs.is_not(None))
        .order_by(links.c.seq)
        .limit(_LINKS_AT_ONCE)
    )
    taken, last = 0, None
    with connection.execute(query, execution_options={"yield_per": 10}) as found:
        some = []
        for link in found:
            some.append(link)
            taken += link.facts
            if taken >= at_once:
                break
    for link in some:
        _take_facts(connection, run_id, FACTS[Kind(link.kind)], json.loads(link.refs))
        last = link.seq
    if last is not None:
        emptied = (links.c.run_id == run_id, links.c.seq.in_([link.seq for link in some]))
        connection.execute(update(links).where(*emptied).values(refs=None, digests=None))
    return last


def _take_facts(connection: Connection, run_id: str, fact: FactTable, refs: list[str | int]) -> None:
    place = "%s" if connection.dialect.name == "postgresql" else "?"
    number = isinstance(fact.table.c[fact.key].type, Integer | BigInteger)
    keys = [int(fact.key_of(ref)) if number else fact.key_of(ref) for ref in refs]
    of_run = "" if fact.kind is Kind.ANSWER else f" AND run_id = {place}"
    statement = f'DELETE FROM {fact.table.name} WHERE "{fact.key}" = {place}{of_run}'  # noqa: S608 - fixed names
    connection.exec_driver_sql(statement, [(key, run_id) if of_run else (key,) for key in keys])


def _of(fact: FactTable, run_id: str) -> ColumnElement[bool]:
    if fact.kind is Kind.ANSWER:
        return fact.table.c.call_id.in_(select(calls.c.call_id).where(calls.c.run_id == run_id))
    return fact.table.c.run_id == run_id
