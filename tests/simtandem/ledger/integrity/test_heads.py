"""What of the ledger's end can be taken away, changed or forged, and who finds it."""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from simtandem.errors import InputError, LedgerError
from simtandem.ledger import inserts
from simtandem.ledger.database import Database
from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.canonical import canonical, digest
from simtandem.ledger.integrity.chain import content_hash, link_hash, refs_text
from simtandem.ledger.integrity.facts import RUNS
from simtandem.ledger.integrity.head_checks import HeadsProof, check_chain, verify_heads, witnesses
from simtandem.ledger.integrity.kept_heads import Kept, by_subject, line, read
from simtandem.ledger.integrity.proof import Proof
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.records import RunRecord, RunState
from simtandem.ledger.store import Ledger

MakeRun = Callable[..., RunRecord]
OF_A_RUN = ("links", "explained", "verdicts", "outcomes", "run_states", "rejections", "plan_rows")


def entries_of(ledger: Ledger) -> list[heads.Entry]:
    with ledger.database.snapshot() as connection:
        return list(heads.entries(connection))


def heads_of(ledger: Ledger, kept: list[Kept] | None = None) -> HeadsProof:
    with ledger.database.snapshot() as connection:
        return verify_heads(connection, kept or [])


def proof_of(ledger: Ledger, run_id: str, kept: list[Kept] | None = None) -> Proof:
    with ledger.database.snapshot() as connection:
        entries = heads.of_chain(connection, run_id)
        proof = verify_chain(run_id, Recorded(connection, run_id), witnesses(entries))
        check_chain(connection, proof, entries, by_subject(kept or [])["run", run_id])
    return proof


def found(proof: Proof | HeadsProof) -> list[str]:
    return [str(each) for each in proof.findings]


def tamper(ledger: Ledger, *statements: str) -> None:
    with ledger.database.write() as connection:
        for each in statements:
            connection.execute(text(each))


def delete_run(ledger: Ledger, run_id: str) -> None:
    answers = f"DELETE FROM answers WHERE call_id IN (SELECT call_id FROM calls WHERE run_id = '{run_id}')"  # noqa: S608
    tamper(ledger, answers, *(f"DELETE FROM {each} WHERE run_id = '{run_id}'" for each in (*OF_A_RUN, "calls", "runs")))  # noqa: S608


@pytest.fixture
def two_runs(ledger: Ledger, a_run: MakeRun) -> Ledger:
    for run_id in ("one", "two"):
        ledger.start_run(a_run(run_id))
        ledger.record_state(run_id, RunState.FINISHED, {"exit_code": 0}, sealed=True)
    return ledger


def test_a_run_has_an_entry_for_its_header_each_state_and_what_comes_later(whole_run: Ledger, tmp_path: Path) -> None:
    prune_run(whole_run, "another", tmp_path, "ada")
    told = [(each.id, each.why) for each in entries_of(whole_run)]
    run = ["run", "state", "explained", "state"]
    expected = [("", "begun"), *(("another", why) for why in run), *(("20260131-a", why) for why in run)]
    assert told == [*expected, ("another", "pruning")]
    assert found(heads_of(whole_run)) == []
    for run_id in ("another", "20260131-a"):
        assert found(proof_of(whole_run, run_id)) == []


def test_an_entry_says_which_head_a_run_had_and_how_many_facts_it_covers(whole_run: Ledger) -> None:
    head = whole_run.head("20260131-a")
    entry = whole_run.entry("20260131-a")
    assert head is not None
    assert entry is not None
    assert (entry.head, entry.facts) == (head.hash, head.facts)
    assert entry == entries_of(whole_run)[-1] == whole_run.entry() == whole_run.entry("nobody")
    assert entry.hash == entry.expected_hash


def test_the_newest_run_deleted_whole_is_found_without_its_folder(two_runs: Ledger) -> None:
    delete_run(two_runs, "two")
    assert found(proof_of(two_runs, "two"))[0] == "link 1 of the chain is missing: the run has no chain"
    assert found(proof_of(two_runs, "one")) == []


def test_a_tail_that_was_cut_is_found(two_runs: Ledger) -> None:
    tamper(
        two_runs, "DELETE FROM run_states WHERE run_id = 'two'", "DELETE FROM links WHERE run_id = 'two' AND seq = 2"
    )
    problem = "is not in the chain: facts were taken from its end, or all of it was written anew"
    newest = entries_of(two_runs)[-1].seq
    assert found(proof_of(two_runs, "two")) == [f"the head in entry {newest} of the ledger's heads {problem}"]


def test_a_run_deleted_with_its_entries_is_found_by_the_heads_kept_elsewhere_alone(
    two_runs: Ledger, tmp_path: Path
) -> None:
    kept_file = tmp_path / "kept"
    kept_file.write_text("".join(f"{line(each)}\n" for each in entries_of(two_runs)))
    kept = list(read(kept_file))
    assert found(heads_of(two_runs, kept)) == []
    delete_run(two_runs, "two")
    tamper(two_runs, "DELETE FROM heads WHERE id = 'two'")
    assert found(heads_of(two_runs)) == []
    told = found(heads_of(two_runs, kept))
    assert len(told) == 2
    assert told[1].startswith(f"entry 5 of the ledger's heads is missing: {kept_file} remembers it (run two).")
    assert [each.partition(":")[0] for each in found(proof_of(two_runs, "two", kept))][1:] == [
        "entry 4 of the ledger's heads is missing, or not the one recorded",
        "entry 5 of the ledger's heads is missing, or not the one recorded",
    ]


def test_entries_deleted_while_their_run_stays_are_found(two_runs: Ledger) -> None:
    tamper(two_runs, "DELETE FROM heads WHERE seq = 5")
    assert found(proof_of(two_runs, "two")) == ["link 2 of the chain has no entry in the ledger's heads"]
    tamper(two_runs, "DELETE FROM heads WHERE seq = 4")
    assert found(proof_of(two_runs, "two")) == ["the head in the ledger's heads is missing: the run has no entry there"]


def test_a_later_run_in_the_place_of_one_that_was_deleted_is_told_from_it(two_runs: Ledger, a_run: MakeRun) -> None:
    kept = [Kept("the mail", each.ledger, each.seq, each.hash, f"run {each.id}") for each in entries_of(two_runs)[1:]]
    delete_run(two_runs, "two")
    tamper(two_runs, "DELETE FROM heads WHERE id = 'two'")
    two_runs.start_run(a_run("three"))
    assert found(heads_of(two_runs)) == []
    told = found(heads_of(two_runs, kept))
    assert told[0].startswith(
        "entry 4 of the ledger's heads is not the one that was recorded: the mail remembers it (run"
    )
    assert told[1].startswith("entry 5 of the ledger's heads is missing: the mail remembers it (run two)")


COLUMNS = ("at", "kind", "id", "why", "link", "facts", "head", "hash")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_in_any_column_of_an_entry_is_found(two_runs: Ledger, column: str) -> None:
    value = "77" if column in ("link", "facts") else "'x'"
    tamper(two_runs, f"UPDATE heads SET {column} = {value} WHERE seq = 3")  # noqa: S608 - our own names
    assert found(heads_of(two_runs))[0].startswith("entry 3 of the ledger's heads was changed or moved")


def test_entries_that_changed_places_or_are_gone_from_the_middle_are_found(two_runs: Ledger) -> None:
    tamper(two_runs, *(f"UPDATE heads SET seq = {new} WHERE seq = {old}" for old, new in ((3, 9), (4, 3), (9, 4))))  # noqa: S608
    assert len(found(heads_of(two_runs))) == 3
    tamper(two_runs, "DELETE FROM heads WHERE seq IN (2, 3)")
    assert found(heads_of(two_runs))[0] == "entry 2 to 3 of the ledger's heads is missing"


def test_a_beginning_that_is_gone_or_made_anew_is_found(two_runs: Ledger, a_run: MakeRun) -> None:
    kept = [Kept("the log", each.ledger, each.seq, each.hash) for each in entries_of(two_runs)]
    tamper(two_runs, "DELETE FROM heads")
    assert found(heads_of(two_runs)) == ["entry 1 of the ledger's heads is missing: the ledger has no heads"]
    two_runs.start_run(a_run("three"))  # a ledger somebody tampered with is still written to
    told = found(heads_of(two_runs, kept))
    assert told[0].startswith(f"ledger {kept[0].ledger} is not this one")
    assert "the log remembers 5 entries of it" in told[0]
    assert told[1] == "entry 1 of the ledger's heads is not what a ledger has in this place"


def test_a_forged_entry_fits_the_chain_and_not_the_one_that_was_kept(two_runs: Ledger) -> None:
    kept = [Kept("the mail", each.ledger, each.seq, each.hash) for each in entries_of(two_runs)[-1:]]
    delete_run(two_runs, "two")
    tamper(two_runs, "DELETE FROM heads WHERE seq > 3")
    with two_runs.database.write() as connection:
        for _ in range(2):
            heads.add(connection, RUNS, "one", "state", 2, entries_of(two_runs)[-1].head)
    assert found(heads_of(two_runs)) == []
    assert found(heads_of(two_runs, kept))[0].startswith(
        "entry 5 of the ledger's heads is not the one that was recorded"
    )


def test_of_kept_heads_it_is_told_how_many_are_there_and_how_much_came_later(two_runs: Ledger) -> None:
    kept = [Kept("the mail", each.ledger, each.seq, each.hash) for each in entries_of(two_runs)[1:3]]
    proof = heads_of(two_runs, kept)
    assert (proof.confirmed, proof.since, proof.entries) == ({"the mail": 2}, 2, 5)


def test_a_run_that_is_killed_has_the_entry_of_its_beginning(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run("killed"))
    assert [each.id for each in entries_of(ledger)] == ["", "killed"]
    delete_run(ledger, "killed")
    assert found(proof_of(ledger, "killed")) != []


def test_a_pruning_refuses_a_run_whose_end_was_cut_off(two_runs: Ledger, tmp_path: Path) -> None:
    tamper(
        two_runs, "DELETE FROM run_states WHERE run_id = 'two'", "DELETE FROM links WHERE run_id = 'two' AND seq = 2"
    )
    with pytest.raises(LedgerError, match="is not as it was written"):
        prune_run(two_runs, "two", tmp_path, "ada")


def test_programs_that_record_at_once_make_one_chain(url: str, ledger: Ledger, a_run: MakeRun) -> None:
    names = [f"run-{number}" for number in range(6)]
    barrier = threading.Barrier(len(names))

    def work(run_id: str) -> None:
        with closing(Ledger.open(url)) as own:
            barrier.wait()
            own.start_run(a_run(run_id))
            for state in (RunState.PLANNED, RunState.APPLYING, RunState.FINISHED):
                own.record_state(run_id, state, {})

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    proof = heads_of(ledger)
    assert (proof.entries, found(proof)) == (1 + 4 * len(names), [])
    assert [found(proof_of(ledger, name)) for name in names] == [[]] * len(names)


def make_one_of_before_heads(url: str, a_run: MakeRun) -> None:
    """A ledger of the revision before, with two runs; one of them was under way."""
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    with closing(Database(url, 5)) as database, database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        for number, run_id in enumerate(("later", "early")):
            row = inserts.run_row(a_run(run_id, started_at=datetime(2026, 1, 2 - number, tzinfo=UTC)))
            _insert_chained(connection, run_id, row)


def _insert_chained(connection: Connection, run_id: str, row: inserts.Row) -> None:
    names, values = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO runs ({names}) VALUES ({values})"), row)  # noqa: S608 - our own names
    refs, digests = refs_text([run_id]), digest(canonical(row))
    content = content_hash(refs, digests)
    link = {"run_id": run_id, "content": content, "hash": link_hash(run_id, 1, "run", 1, content, "")}
    insert = "INSERT INTO links VALUES (:run_id, 1, 'run', 1, :content, :hash, :refs, :digests)"
    connection.execute(text(insert), {**link, "refs": refs, "digests": digests})


def test_runs_recorded_before_heads_were_are_taken_in_with_words_that_say_so(url: str, a_run: MakeRun) -> None:
    make_one_of_before_heads(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        told = [(each.id, each.why, each.link, each.facts) for each in entries_of(ledger)]
        assert told == [("", "begun", 0, 0), ("early", heads.TAKEN_IN, 1, 1), ("later", heads.TAKEN_IN, 1, 1)]
        assert found(heads_of(ledger)) == []
        ledger.record_state("early", RunState.FAILED, {}, sealed=True)
        assert [each.facts for each in entries_of(ledger)] == [0, 1, 1, 2]
        assert found(proof_of(ledger, "early")) == []
        delete_run(ledger, "later")
        assert found(proof_of(ledger, "later")) != []


def test_what_an_older_program_recorded_of_a_run_that_was_under_way_is_no_finding(url: str, a_run: MakeRun) -> None:
    make_one_of_before_heads(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        ledger.record_state("early", RunState.FAILED, {})
        tamper(ledger, "DELETE FROM heads WHERE seq = 4")  # as if an older program had recorded the state
        assert found(proof_of(ledger, "early")) == []


def test_no_two_ledgers_begin_alike(new_url: Callable[[], str]) -> None:
    ids = set()
    for _ in range(2):
        with closing(Ledger.open(new_url())) as ledger:
            ids.add(entries_of(ledger)[0].ledger)
    assert len(ids) == 2


def test_the_home_s_file_remembers_what_is_recorded_from_there_and_no_more(
    url: str, tmp_path: Path, a_run: MakeRun
) -> None:
    files = [tmp_path / "one" / "ledger.heads", tmp_path / "two" / "ledger.heads"]
    with closing(Ledger.open(url, heads_file=files[0])) as one, closing(Ledger.open(url, heads_file=files[1])) as two:
        one.start_run(a_run("one"))
        two.start_run(a_run("two"))
        one.record_state("one", RunState.FINISHED, {})
        for ledger, count in ((one, 2), (two, 1)):
            assert ledger.heads_file is not None
            kept = ledger.heads_file.kept()
            assert (len(kept), {each.place for each in kept}) == (count, {ledger.database.place})
            assert found(heads_of(ledger, kept)) == []
        assert files[0].stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_kill_tore_keeps_no_later_one_from_being_read(
    sqlite_url: str, tmp_path: Path, a_run: MakeRun
) -> None:
    file = tmp_path / "ledger.heads"
    file.write_text('{"ledger": "12')
    with closing(Ledger.open(sqlite_url, heads_file=file)) as ledger:
        ledger.start_run(a_run("one"))
        assert [each.about for each in read(file)] == ["run one"]


def test_a_file_that_can_not_be_written_stops_nothing(
    sqlite_url: str, tmp_path: Path, a_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledger.heads").mkdir()
    with closing(Ledger.open(sqlite_url, heads_file=tmp_path / "ledger.heads")) as ledger:
        ledger.start_run(a_run("one"))
        assert len(entries_of(ledger)) == 2
        with pytest.raises(InputError, match="can't be read"):
            list(read(tmp_path / "ledger.heads"))
    assert "can't be kept in" in caplog.text


def test_a_head_is_read_from_messages_and_logs(two_runs: Ledger, tmp_path: Path) -> None:
    entry = two_runs.entry("two")
    assert entry is not None
    spoken = f"12:00:01 INFO  2 of 2 rows in sync. {entry.spoken} And more."
    (tmp_path / "log").write_text(f"nothing here\n{{}}\n[1]\n{spoken}\n{json.dumps({'text': spoken})}\n")
    kept = Kept(str(tmp_path / "log"), entry.ledger, entry.seq, entry.hash, "run two")
    assert list(read(tmp_path / "log")) == [kept, kept]
    assert found(heads_of(two_runs, [kept])) == []


def test_the_last_state_of_a_run_is_logged_with_its_head_and_count(
    two_runs: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="simtandem"):
        two_runs.record_state("one", RunState.FINISHED, {}, sealed=True)
    entry = two_runs.entry("one")
    assert entry is not None
    assert f"Record: run one has 3 facts, ledger {entry.ledger} entry {entry.seq} head {entry.hash}." in caplog.text


def test_what_sqlite_lets_stand_anywhere_is_found(sqlite_url: str, a_run: MakeRun) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        ledger.start_run(a_run("one"))
        with closing(sqlite3.connect(ledger.database.place)) as database:
            database.execute("UPDATE heads SET facts = 'many', head = x'00', id = x'ff' WHERE seq = 2")
            database.commit()
        assert found(heads_of(ledger))[0].startswith("entry 2 of the ledger's heads was changed")
