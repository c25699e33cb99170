import pickle
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import quote

import polars as pl
import psycopg
import pytest

from simtandem.errors import InputError, LedgerError
from simtandem.ledger.database import Database
from simtandem.ledger.records import RunRecord, RunState
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]
Lock = Callable[[str], AbstractContextManager[None]]


def refusal(url: str, busy_timeout: float = 0.1) -> str:
    """What an operator reads when the ledger can't be opened; no password anywhere, not in the trace either."""
    with pytest.raises((LedgerError, InputError)) as raised:
        Ledger.open(url, busy_timeout=busy_timeout)
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301 - our own
    return str(raised.value)


def sqlite_setting(ledger: Ledger, name: str) -> object:
    with ledger.database.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_is_set_up_to_survive_a_kill_and_to_wait_its_turn(sqlite_url: str) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        assert sqlite_setting(ledger, "journal_mode") == "wal"
        assert sqlite_setting(ledger, "synchronous") == 1
        assert sqlite_setting(ledger, "foreign_keys") == 1
        assert sqlite_setting(ledger, "busy_timeout") == 2_000, "then the operator is told, and it waits on"


@pytest.mark.parametrize(
    "url",
    [
        "not a url, but s3cret",
        "mysql://ada:s3cret@db/ledger",
        "sqlite+aiosqlite:////tmp/ledger.db",
        "postgresql+psycopg://ada:s3cret@db:port/ledger",
        "postgresql+psycopg://ada:p@s3cret@db/ledger",
        "postgresql+psycopg://ada:p@ss:s3cret@db/ledger",
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_an_example(url: str) -> None:
    assert "Write sqlite:////folder/ledger.db or postgresql+psycopg://user" in refusal(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    assert "names no file" in refusal(url)


def test_postgresql_may_be_named_without_its_driver(new_schema: Callable[[], str]) -> None:
    with closing(Ledger.open(new_schema().replace("+psycopg", "", 1))) as ledger:
        assert ledger.runs() == []


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal(f"sqlite:///{tmp_path}/file/deeper/ledger.db")
    assert message.startswith(f"The ledger's folder {tmp_path}/file/deeper can't be made: Not a directory.")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    assert f"The ledger {tmp_path} can't be opened." in refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("sim_id,status\n" * 100)
    assert f"The ledger {path} is damaged or not a ledger." in refusal(f"sqlite:///{path}")
    assert path.read_text() == "sim_id,status\n" * 100


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    message = refusal("postgresql+psycopg://ada:s3cret@127.0.0.1:1/ledger")
    assert message.startswith("The ledger 127.0.0.1:1/ledger can't be reached. Check host, port and network")


def test_a_database_that_does_not_exist_is_named(postgres_server: str) -> None:
    url = postgres_server.rpartition("/")[0] + "/no_such_database"
    assert "/no_such_database doesn't exist on that server. Create the database" in refusal(url)


def test_a_server_that_knows_no_such_user_keeps_us_out(postgres_server: str) -> None:
    host = postgres_server.rpartition("@")[2]
    assert "refuses the login" in refusal(f"postgresql+psycopg://nobody_at_all:s3cret@{host}")


def test_a_user_who_may_not_write_is_told_so(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    as_somebody_else = url + quote(" -crole=pg_monitor")
    patient = 60  # upgrades of other ledgers in the same database are waited for
    assert "has no schema this user may use." in refusal(as_somebody_else, patient)
    with psycopg.connect(url.replace("+psycopg", "", 1)) as server:
        server.execute("DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO pg_monitor', current_schema()); END $$")
    assert "may not be written. Give this user the right" in refusal(as_somebody_else, patient)


def test_a_sqlite_file_that_may_not_be_written_is_reported(sqlite_url: str, a_run: MakeRun) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        with ledger.database.read() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(LedgerError, match=r"may not be written\. Give this user"):
            ledger.start_run(a_run())


def test_a_locked_ledger_is_reported_after_the_timeout_and_usable_again_later(
    url: str, lock: Lock, a_run: MakeRun
) -> None:
    with closing(Ledger.open(url, busy_timeout=0.1)) as ledger:
        with lock(url), pytest.raises(LedgerError, match=r"is locked by another program\. Wait until that is done"):
            ledger.start_run(a_run())
        ledger.start_run(a_run())
        ledger.record_state(RUN, RunState.PLANNED, {})


def test_a_new_file_locked_by_another_program_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert f"The ledger {path} is locked by another program." in refusal(f"sqlite:///{path}")


def test_a_full_disk_is_reported_and_what_was_recorded_is_kept(
    sqlite_url: str, a_run: MakeRun, plan: pl.DataFrame
) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        ledger.start_run(a_run())
        pages = sqlite_setting(ledger, "page_count")
        assert isinstance(pages, int)
        sqlite_setting(ledger, f"max_page_count = {pages + 5}")
        large = pl.concat([plan.head(1).with_columns(row=pl.lit(row, pl.Int64)) for row in range(2, 2000)])
        with pytest.raises(LedgerError, match=r"the disk is full\. Free some space, then run again"):
            ledger.record_plan(RUN, large)
        assert ledger.plan(RUN).is_empty()
        assert ledger.run(RUN).record.run_id == RUN


def test_a_postgresql_connection_that_was_cut_is_replaced(new_schema: Callable[[], str], a_run: MakeRun) -> None:
    with closing(Ledger.open(new_schema())) as ledger, closing(Ledger.open(new_schema())) as other:
        with ledger.database.read() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with other.database.read() as connection:
            assert connection.exec_driver_sql(f"SELECT pg_terminate_backend({backend})").scalar()
        ledger.start_run(a_run())
        assert ledger.run(RUN).record.run_id == RUN


def test_a_postgresql_connection_cut_while_writing_is_reported(new_schema: Callable[[], str]) -> None:
    def write_and_be_cut_off(database: Database) -> None:
        with database.write() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with closing(Ledger.open(new_schema())) as ledger, pytest.raises(LedgerError, match="can't be reached"):
        write_and_be_cut_off(ledger.database)


def test_a_path_with_spaces_and_signs_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "50 % SIMs" / "my ledger.db"
    Ledger.open(f"sqlite:///{path}").close()
    assert path.exists()


@pytest.mark.parametrize("change", ["state = 'done'", "detail = '{'", "at = 'yesterday'"])
def test_what_nobody_could_have_recorded_is_an_error_that_leads_to_verify(
    ledger: Ledger, a_run: MakeRun, change: str
) -> None:
    ledger.start_run(a_run())
    ledger.record_state(RUN, RunState.PLANNED, {})
    with ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE run_states SET {change}")  # noqa: S608 - our own words
    with pytest.raises(LedgerError, match=r"holds what simtandem didn't write there .* `simtandem verify` says which"):
        ledger.runs()
