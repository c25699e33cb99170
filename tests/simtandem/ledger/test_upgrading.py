import logging
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from simtandem.errors import LedgerError
from simtandem.ledger.database import Database
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import REVISION, metadata
from simtandem.ledger.upgrading import upgrade

OPEN_WHEN_TOLD = """
import sys
from simtandem.ledger import upgrading
from simtandem.ledger.store import Ledger
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger.open(sys.argv[1])
print(len(ledger.runs()), flush=True)
ledger.close()
"""


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
