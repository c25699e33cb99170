"""A home's first Prefect database is a copy of one that is migrated already, and of nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simtandem.prefect_server.database_template import begin_with_template, make_template, template_folder

HEAD = "head-of-this-version"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir(mode=0o755)
    _database(folder / "prefect.db", HEAD)
    (folder / "memo_store.toml").write_text('blocks = "abc"\n')
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def _database(file: Path, head: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (head,))
        connection.commit()
    file.chmod(0o644)


def test_a_new_home_gets_a_private_copy_that_needs_no_migration(template: Path, home: Path) -> None:
    assert begin_with_template(home, template)
    assert (home / "prefect.db").read_bytes() == (template / "prefect.db").read_bytes()
    assert {file.name: file.stat().st_mode & 0o777 for file in home.iterdir()} == {
        "prefect.db": 0o600,
        "memo_store.toml": 0o600,
    }


@pytest.mark.parametrize(("head", "current"), [(HEAD, True), ("head-of-an-older-version", False)])
def test_a_database_that_is_there_stays_and_is_migrated_where_it_is_older(
    template: Path, home: Path, head: str, *, current: bool
) -> None:
    _database(home / "prefect.db", head)
    before = (home / "prefect.db").read_bytes()
    assert begin_with_template(home, template) is current
    assert (home / "prefect.db").read_bytes() == before


def test_what_is_no_database_is_left_to_prefect(template: Path, home: Path) -> None:
    (home / "prefect.db").write_bytes(b"not a database" * 100)
    assert not begin_with_template(home, template)
    assert (home / "prefect.db").read_bytes() == b"not a database" * 100


def test_without_a_template_prefect_migrates_an_empty_database(tmp_path: Path, home: Path) -> None:
    assert not begin_with_template(home, tmp_path / "none")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("which", [".", "prefect.db"])
def test_a_template_that_others_may_write_to_is_not_used(template: Path, home: Path, which: str) -> None:
    (template / which).chmod(0o777)
    assert not begin_with_template(home, template)
    assert list(home.iterdir()) == []


def test_the_template_of_an_installation_holds_nothing_but_tables_and_block_types(tmp_path: Path) -> None:
    folder = template_folder()
    if not (folder / "prefect.db").exists():
        folder = make_template(tmp_path / "made")
    with closing(sqlite3.connect(f"file:{folder / 'prefect.db'}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        filled = {name for name in tables if connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()}  # noqa: S608
    assert "flow_run" in tables
    assert "configuration" in tables, "where an encryption key would be"
    assert filled == {"alembic_version", "block_type", "block_schema", "block_schema_reference"}
