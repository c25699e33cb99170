import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from polars.testing import assert_frame_equal
from sqlalchemy import insert, inspect

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Half, Outcome
from simtandem.errors import LedgerError
from simtandem.ledger import inserts, store
from simtandem.ledger.database import Database
from simtandem.ledger.integrity.archive import Archived
from simtandem.ledger.integrity.canonical import canonical
from simtandem.ledger.integrity.proof import Proof, Standing
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.last_known_rebuild import differences
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import REVISION, last_known, metadata, runs
from simtandem.ledger.upgrade import upgrade
from tests.new_ledgers import as_the_ledger_does

RUN = "20260131-a"
BEFORE_ACCOUNTS = "0010"
MakeRun = Callable[..., RunRecord]

OPEN_WHEN_TOLD = """
import sys
from simtandem.ledger import upgrade
from simtandem.ledger.store import Ledger
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger.open(sys.argv[1])
print(len(ledger.runs()), flush=True)
ledger.close()
"""


@pytest.fixture(autouse=True)
def _through_every_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_bring_up_to_date", as_the_ledger_does)


def tables_of(database: Database) -> set[str]:
    with database.read() as connection:
        return set(inspect(connection).get_table_names())


def test_the_code_knows_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_an_upgrade_needs_nothing_from_the_working_directory_and_leaves_logging_alone(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    loggers = [
        logging.getLogger(),
        logging.getLogger("alembic"),
        logging.getLogger("sqlalchemy"),
        logging.getLogger("ours"),
    ]
    before = [(each.level, each.disabled, list(each.handlers)) for each in loggers]
    Ledger.open(url).close()
    assert [(each.level, each.disabled, list(each.handlers)) for each in loggers] == before
    assert list(empty.iterdir()) == []


def test_an_upgrade_that_fails_leaves_nothing_behind(url: str) -> None:
    with closing(Database(url, 5)) as database:
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE verdicts (run_id TEXT)")
        with pytest.raises(LedgerError, match="already exists"):
            Ledger.open(url)
        assert tables_of(database) == {"verdicts"}
        with database.write() as connection:
            connection.exec_driver_sql("DROP TABLE verdicts")
        Ledger.open(url).close()
        assert tables_of(database) == {*metadata.tables, "alembic_version"}


def test_an_upgrade_of_a_ledger_that_is_up_to_date_changes_nothing(url: str) -> None:
    Ledger.open(url).close()
    with closing(Database(url, 5)) as database:
        upgrade(database)
        assert tables_of(database) == {*metadata.tables, "alembic_version"}


def test_a_ledger_of_a_newer_version_is_refused(url: str) -> None:
    with closing(Ledger.open(url)) as ledger, ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match=r"was written by a newer version of simtandem\. Use that version"):
        Ledger.open(url)


def test_programs_that_open_a_new_ledger_at_the_same_time_all_succeed(url: str) -> None:
    command = [sys.executable, "-c", OPEN_WHEN_TOLD, url]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, err = child.communicate(timeout=60)
        assert (out, err, child.returncode) == ("0\n", "", 0)


def make_one_of_before_chains(url: str, a_run: MakeRun) -> None:
    """A ledger of the first revision, with a run that recorded a little."""
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    with closing(Database(url, 5)) as database, database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = inserts.run_row(a_run()) | {"started_at": datetime(2026, 1, 1, tzinfo=UTC)}
        connection.execute(insert(runs), {name: value for name, value in row.items() if name != "process"})
        connection.exec_driver_sql(f"INSERT INTO rejections VALUES ('{RUN}', 5, 'iccid', '', 'empty')")  # noqa: S608


def proof_of(ledger: Ledger) -> Proof:
    with ledger.database.snapshot() as connection:
        return verify_chain(RUN, Recorded(connection, RUN))


def test_runs_recorded_before_processes_were_keep_their_hashes(a_run: MakeRun) -> None:
    row = inserts.run_row(a_run(RUN, process=None))
    assert canonical(row) == canonical({name: value for name, value in row.items() if name != "process"})
    assert canonical(row) != canonical(inserts.run_row(a_run(RUN, process="boot/1")))


def test_a_run_of_before_chains_is_told_from_one_whose_chain_is_gone(url: str, a_run: MakeRun) -> None:
    make_one_of_before_chains(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        proof = proof_of(ledger)
        assert (proof.standing, proof.uncovered, proof.facts) == (Standing.UNCHAINED, 2, 0)
        assert proof.standing.value == "recorded before chains existed"
        with ledger.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM links")
        assert proof_of(ledger).standing is Standing.BROKEN


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)  # PostgreSQL lets only bytes stand among bytes
def test_a_first_link_that_covers_nothing_can_not_be_changed_either(url: str, a_run: MakeRun) -> None:
    make_one_of_before_chains(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        with ledger.database.write() as connection:
            connection.exec_driver_sql("UPDATE links SET digests = 'x'")
        assert [(each.kind, each.ref) for each in proof_of(ledger).findings] == [("link", "1")]


def test_what_a_run_of_before_chains_records_from_now_on_is_covered(url: str, a_run: MakeRun, tmp_path: Path) -> None:
    make_one_of_before_chains(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        ledger.record_state(RUN, RunState.FAILED, {}, sealed=True)
        proof = proof_of(ledger)
        assert (proof.standing, proof.uncovered, proof.counts) == (Standing.UNCHAINED, 2, {"state": 1})
        with ledger.database.write() as connection:
            connection.exec_driver_sql("UPDATE run_states SET detail = '{}'")
        assert [str(each) for each in proof_of(ledger).findings] == ["state 1 (failed) was changed"]


def test_a_run_of_before_chains_is_archived_with_all_it_recorded(url: str, a_run: MakeRun, tmp_path: Path) -> None:
    make_one_of_before_chains(url, a_run)
    with closing(Ledger.open(url)) as ledger:
        prune_run(ledger, RUN, tmp_path, "ada")
        archived = verify_chain(RUN, Archived(tmp_path / f"{RUN}.jsonl.gz"))
        assert (archived.findings, archived.uncovered) == ([], 2)
        assert proof_of(ledger).standing is Standing.PRUNED


FILES = ("run_files", "flow_runs", "store_marks")


def test_a_ledger_of_before_accounts_is_all_of_the_account_default(
    url: str, a_run: MakeRun, plan: pl.DataFrame
) -> None:
    here, depot = AccountKey(DEFAULT, "cdn.emnify.net"), AccountKey("depot", "cdn.emnify.net")
    with closing(Ledger.open(url)) as ledger:
        ledger.start_run(a_run(RUN))
        ledger.record_plan(RUN, plan)
        ledger.record_outcomes(RUN, [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half])
        before = ledger.last_known(here)
    assert before.height == 1
    with closing(Database(url, 5)) as database, database.write() as connection:
        known = ", ".join(f'"{column.name}"' for column in last_known.columns if column.name != "account")
        keys = "PRIMARY KEY (carrier_host, sim_id)"
        for statement in (
            f"CREATE TABLE older AS SELECT {known} FROM last_known",  # noqa: S608 - our own names
            "DROP TABLE last_known",
            (
                'CREATE TABLE last_known (carrier_host TEXT, sim_id TEXT, run_id TEXT, "row" INTEGER, '
                "endpoint_id TEXT, "
                "desired TEXT, sim_status TEXT, endpoint_status TEXT, at TEXT, sim_run TEXT, sim_at TEXT, "
                f"endpoint_run TEXT, endpoint_at TEXT, CONSTRAINT pk_last_known {keys})"
            ),
            f"INSERT INTO last_known ({known}) SELECT {known} FROM older",  # noqa: S608 - our own names
            "DROP TABLE older",
            "ALTER TABLE runs DROP COLUMN account",
            "ALTER TABLE arrivals DROP COLUMN account",
            *(
                f"DROP TABLE {name}"
                for name in ("call_slots", "call_gates", "call_waiters", "leases", "claims", "claim_turns", *FILES)
            ),
            "ALTER TABLE plan_rows DROP COLUMN named_as",
            "ALTER TABLE verdicts DROP COLUMN named_as",
            "ALTER TABLE outcomes DROP COLUMN turn",
            *(f"DROP TABLE action_{each}" for each in ("rows", "outcomes", "verdicts")),
            "ALTER TABLE schedule_rows DROP COLUMN own",
            "ALTER TABLE schedules DROP COLUMN selection",
            "DROP TABLE own_cells",
            f"UPDATE alembic_version SET version_num = '{BEFORE_ACCOUNTS}'",  # noqa: S608 - our own names
        ):
            connection.exec_driver_sql(statement)

    with closing(Ledger.open(url)) as upgraded:
        assert upgraded.run(RUN).record.account == DEFAULT
        assert upgraded.run(RUN).record.account_key == here
        assert_frame_equal(upgraded.last_known(here), before)
        assert upgraded.last_known(depot).is_empty()
        with upgraded.database.snapshot() as connection:
            assert verify_chain(RUN, Recorded(connection, RUN)).findings == []
            assert differences(connection) == []


def test_two_accounts_at_one_host_know_nothing_of_each_other(url: str, a_run: MakeRun, plan: pl.DataFrame) -> None:
    here, depot = AccountKey(DEFAULT, "cdn.emnify.net"), AccountKey("depot", "cdn.emnify.net")
    with closing(Ledger.open(url)) as ledger:
        for run_id, account in (("one", DEFAULT), ("two", "depot")):
            ledger.start_run(a_run(run_id, account=account))
            ledger.record_plan(run_id, plan)
            ledger.record_outcomes(run_id, [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half])
        assert [ledger.last_known(each)["run_id"].to_list() for each in (here, depot)] == [["one"], ["two"]]
        assert ledger.last_known(AccountKey("depot", "elsewhere.test")).is_empty()
        assert [run.record.run_id for run in ledger.runs(account="depot")] == ["two"]
        assert ledger.run("latest", account=DEFAULT).record.run_id == "one"
        with ledger.database.snapshot() as connection:
            assert differences(connection) == []
