import gzip
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from simtandem.errors import InputError, LedgerError
from simtandem.ledger.integrity.archive import Archived, archive_hash, archive_name, write_archive
from simtandem.ledger.integrity.facts import FACTS, Kind
from simtandem.ledger.integrity.proof import Proof, Standing, Witness
from simtandem.ledger.integrity.prune import prunable, prune_run
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import Source, verify_chain
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
FOREVER = datetime(2030, 1, 1, tzinfo=UTC)
MakeRun = Callable[..., RunRecord]


def proof_of(ledger: Ledger, run_id: str = RUN, *witnesses: Witness) -> Proof:
    with ledger.database.snapshot() as connection:
        source = Recorded(connection, run_id)
        return verify_chain(run_id, source, [*source.witness(), *witnesses])


def counts(ledger: Ledger, run_id: str) -> dict[str, int]:
    with ledger.database.snapshot() as connection:
        source = Recorded(connection, run_id)
        return {fact.kind.value: sum(1 for _ in source.rows(fact)) for fact in FACTS.values()}


def nothing_runs(host: str, pid: int, process: str | None) -> bool:
    return False


def everything_runs(host: str, pid: int, process: str | None) -> bool:
    return True


def test_a_pruned_run_keeps_its_head_and_states_and_its_details_are_in_the_archive(
    whole_run: Ledger, tmp_path: Path
) -> None:
    before, states = proof_of(whole_run), whole_run.states(RUN)
    other = counts(whole_run, "another")
    prune_run(whole_run, RUN, tmp_path / "archive", "ada")

    path = tmp_path / "archive" / f"{RUN}.jsonl.gz"
    archived = verify_chain(RUN, Archived(path), [Witness("the ledger", before.head)])
    assert (archived.findings, archived.counts, archived.head) == ([], before.counts, before.head)

    left = {"run": 1, "state": 2, "baseline": 1, "pruning": 1}
    assert counts(whole_run, RUN) == dict.fromkeys(before.counts, 0) | left
    assert counts(whole_run, "another") == other
    assert proof_of(whole_run, "another").standing is Standing.UNTOUCHED
    assert whole_run.states(RUN) == states
    assert whole_run.run(RUN, may_run=everything_runs).state is RunState.FINISHED
    pruned = whole_run.pruning(RUN)
    assert pruned is not None
    assert (pruned.os_user, pruned.archive, pruned.facts) == ("ada", path.name, 21)
    assert pruned.archive_sha256 == archive_hash(path)

    proof = proof_of(whole_run, RUN, Witness("the report", before.head))
    assert proof.standing is Standing.PRUNED
    assert proof.counts == before.counts | {"baseline": 1, "pruning": 1}
    assert [(each.source, since) for each, since in proof.confirmed] == [("the run's last state", 3), ("the report", 2)]


def test_an_archive_is_lines_of_json_whose_rows_are_what_was_hashed(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    with gzip.open(tmp_path / f"{RUN}.jsonl.gz", "rt", encoding="utf-8") as lines:
        head, *entries = [json.loads(line) for line in lines]
    newest = [each["link"] for each in entries if "link" in each][-1]
    assert (head["run_id"], head["head"]) == (RUN, newest["hash"])
    assert {"run_id": RUN, "row": 7, "column": "", "value": "", "reason": "empty"} in [
        each["rejection"] for each in entries if "rejection" in each
    ]


def test_what_pruning_took_is_an_error_to_ask_for(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    for ask in (whole_run.plan, whole_run.results, whole_run.rejected, whole_run.outcomes, whole_run.calls):
        with pytest.raises(InputError, match=rf"was pruned on 2026-01-31: its 21 details .* archive {RUN}\.jsonl\.gz"):
            ask(RUN)
    assert whole_run.plan("another").height == 3
    assert whole_run.pruning("another") is None


@pytest.mark.parametrize("kind", [Kind.RUN, Kind.STATE, Kind.PRUNING])
def test_a_change_of_what_pruning_left_is_found(whole_run: Ledger, tmp_path: Path, kind: Kind) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    column = {Kind.RUN: "file", Kind.STATE: "detail", Kind.PRUNING: "archive_sha256"}[kind]
    table = FACTS[kind].table.name
    with whole_run.database.write() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = {column} || '1' WHERE run_id = '{RUN}'"))  # noqa: S608
    proof = proof_of(whole_run)
    assert {each.kind for each in proof.findings} >= {kind.value}
    assert proof.standing is Standing.BROKEN


def test_details_added_to_a_pruned_run_are_found(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    with whole_run.database.write() as connection:
        connection.execute(
            text(f"INSERT INTO rejections VALUES ('{RUN}', 5, 'iccid', '', 'because')")  # noqa: S608
        )
    assert [str(each) for each in proof_of(whole_run).findings] == ["rejected row 5 was added"]


def test_a_record_that_was_changed_is_neither_archived_nor_pruned(whole_run: Ledger, tmp_path: Path) -> None:
    with whole_run.database.write() as connection:
        connection.execute(text("UPDATE verdicts SET verdict = 'in_sync'"))
    before = counts(whole_run, RUN)
    with pytest.raises(LedgerError, match=r"not as it was written \(the verdict on row 5 was changed\), so it is left"):
        prune_run(whole_run, RUN, tmp_path, "ada")
    assert counts(whole_run, RUN) == before
    assert list(tmp_path.glob("*.gz*")) == []


def test_nothing_is_taken_where_the_archive_can_not_be_written(whole_run: Ledger, tmp_path: Path) -> None:
    (tmp_path / "archive").touch()
    with pytest.raises(LedgerError, match=r"can't be written or read: .* Nothing was taken from the ledger"):
        prune_run(whole_run, RUN, tmp_path / "archive", "ada")
    assert proof_of(whole_run).standing is Standing.UNTOUCHED


def test_nothing_is_taken_where_the_archive_lacks_something(whole_run: Ledger, tmp_path: Path) -> None:
    def lose_a_line(path: Path, source: Source, proof: Proof) -> str:
        sha256 = write_archive(path, source, proof)
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        path.write_bytes(gzip.compress(b"".join(lines[:-1])))
        return sha256

    with pytest.raises(LedgerError, match=r"isn't equal to the record of run .*\. Nothing was taken\."):
        prune_run(whole_run, RUN, tmp_path, "ada", write=lose_a_line)
    assert proof_of(whole_run).standing is Standing.UNTOUCHED


def test_nothing_is_taken_of_a_run_that_is_written_to_meanwhile(whole_run: Ledger, tmp_path: Path) -> None:
    def be_interrupted(path: Path, source: Source, proof: Proof) -> str:
        whole_run.record_state(RUN, RunState.INTERRUPTED, {})
        return write_archive(path, source, proof)

    with pytest.raises(LedgerError, match=r"was written to while it was archived\. Nothing was taken"):
        prune_run(whole_run, RUN, tmp_path, "ada", write=be_interrupted)
    assert whole_run.pruning(RUN) is None
    assert proof_of(whole_run).counts["state"] == 3


def test_a_run_is_pruned_once(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    archive = (tmp_path / f"{RUN}.jsonl.gz").read_bytes()
    with pytest.raises(LedgerError, match="was pruned already"):
        prune_run(whole_run, RUN, tmp_path, "ada")
    assert (tmp_path / f"{RUN}.jsonl.gz").read_bytes() == archive


def test_a_changed_byte_in_an_archive_is_found(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, RUN, tmp_path, "ada")
    path = tmp_path / f"{RUN}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).replace(b'"reason":"empty"', b'"reason":"emptz"')
    path.write_bytes(gzip.compress(lines))
    assert [str(each) for each in verify_chain(RUN, Archived(path)).findings] == ["rejected row 7 was changed"]
    path.write_bytes(gzip.compress(lines)[:-20])
    with pytest.raises(LedgerError, match="can't be written or read"):
        verify_chain(RUN, Archived(path))


def test_only_runs_that_ended_before_the_date_and_are_not_pruned_yet_may_go(
    ledger: Ledger, a_run: MakeRun, tmp_path: Path
) -> None:
    ended = datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)  # the clock of these tests
    for run_id, kind, state in (
        ("finished", RunKind.APPLY, RunState.FINISHED),
        ("failed", RunKind.APPLY, RunState.FAILED),
        ("planned", RunKind.PLAN, RunState.PLANNED),
        ("waiting", RunKind.APPLY, RunState.WAITING),
        ("applying", RunKind.APPLY, RunState.APPLYING),
    ):
        ledger.start_run(a_run(run_id, kind=kind))
        ledger.record_state(run_id, state, {})
    later = ended + timedelta(milliseconds=1)

    def names(before: datetime, may_run: Callable[[str, int, str | None], bool] = everything_runs) -> set[str]:
        return {each.run.record.run_id for each in prunable(ledger, before, may_run=may_run)}

    assert names(ended) == set()
    assert names(later) == {"finished", "failed", "planned"}
    assert names(later, nothing_runs) == {"finished", "failed", "planned", "applying"}
    prune_run(ledger, "failed", tmp_path, "ada")
    assert names(later) == {"finished", "planned"}


def test_what_would_go_is_counted(whole_run: Ledger) -> None:
    found = {each.run.record.run_id: (each.facts, each.archive) for each in prunable(whole_run, FOREVER)}
    assert found == {RUN: (21, f"{RUN}.jsonl.gz"), "another": (21, "another.jsonl.gz")}


def test_a_run_id_can_not_lead_out_of_the_archive_folder() -> None:
    assert archive_name("../a b/ä") == ".._a_b_ä.jsonl.gz"


class Killed(Exception):
    """Ends a pruning between two of its transactions."""


def killed_after(transactions: int) -> Callable[[float], None]:
    """A pause that doesn't return from its so-manieth call."""
    left = iter(range(transactions))

    def pause(_seconds: float) -> None:
        if next(left, None) is None:
            raise Killed

    return pause


@pytest.mark.parametrize("transactions", [0, 1, 4, 7])
def test_a_pruning_killed_between_its_transactions_verifies_and_can_be_done_again(
    whole_run: Ledger, tmp_path: Path, transactions: int
) -> None:
    before = proof_of(whole_run).head
    with pytest.raises(Killed):
        prune_run(whole_run, RUN, tmp_path, "ada", pause=killed_after(transactions), at_once=1)
    assert proof_of(whole_run, RUN, Witness("the report", before)).findings == []
    assert {each.run.record.run_id for each in prunable(whole_run, FOREVER)} == {"another", RUN}

    prune_run(whole_run, RUN, tmp_path, "ada", at_once=1)

    proof = proof_of(whole_run, RUN, Witness("the report", before))
    assert (proof.standing, proof.findings) == (Standing.PRUNED, [])
    assert [each.run.record.run_id for each in prunable(whole_run, FOREVER)] == ["another"]
    assert verify_chain(RUN, Archived(tmp_path / f"{RUN}.jsonl.gz")).findings == []
    kept = {"run": 1, "state": 2, "baseline": 1, "pruning": 1}
    assert counts(whole_run, RUN) == dict.fromkeys(FACTS, 0) | kept


def test_a_pruning_that_was_begun_goes_on_only_beside_its_archive(whole_run: Ledger, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        prune_run(whole_run, RUN, tmp_path, "ada", pause=killed_after(4), at_once=1)
    left = counts(whole_run, RUN)
    archive = tmp_path / f"{RUN}.jsonl.gz"
    archive.rename(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match=r"its archive is not at .* Put the archive back there, then run again"):
        prune_run(whole_run, RUN, tmp_path, "ada")
    assert counts(whole_run, RUN) == left


def test_others_write_between_the_transactions_of_a_pruning(whole_run: Ledger, tmp_path: Path, url: str) -> None:
    written: list[float] = []
    with closing(Ledger.open(url, busy_timeout=0)) as other:

        def write(seconds: float) -> None:
            other.record_state("another", RunState.APPLYING, {})
            written.append(seconds)

        prune_run(whole_run, RUN, tmp_path, "ada", pause=write, at_once=1)

    assert len(written) > 10, "every link of the run is a transaction of its own"
    assert min(written) > 0
    assert proof_of(whole_run, "another").standing is Standing.UNTOUCHED
