"""Stored files of all runs, and a store that is accepted in place of one that was lost."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simtandem.cli.stored_files import accept_store
from simtandem.cli.verify import show_proof
from simtandem.errors import InputError, StoreError
from simtandem.ledger.object_store import MARK
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import share
from simtandem.settings import load_home
from tests.simtandem.ledger.conftest import a_run

__all__ = ["a_run"]


@pytest.fixture
def store(tmp_path: Path, a_run: Callable[..., RunRecord], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two files of a run of this home."""
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIMTANDEM_STORE", str(tmp_path / "store"))
    settings = load_home()
    settings.home.mkdir()
    with Ledger.open(settings.ledger()) as ledger:
        ledger.start_run(a_run("a-run"))
        folder = RunFolder(settings.runs_folder / "a-run")
        folder.save("intake.json", {"file": "list.csv"})
        folder.save_bytes("plan.csv", b"row,sim_id\n2,11\n")
        share(settings, ledger, folder)
    return tmp_path / "store"


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Types a line."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda line: os.close(writing) if os.write(writing, line.encode()) else None


def changed(store: Path) -> None:
    """Another content of the same size."""
    path = next(each for each in store.rglob("*") if each.is_file() and each.read_bytes().startswith(b"row,"))
    path.write_bytes(b"row,sim_id\n2,12\n")


def test_all_runs_files_are_read_where_that_is_asked_for(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_proof(None, None, as_json=False) == 0
    assert "2 stored files: presence and size were looked at; --contents reads them" in capsys.readouterr().out
    changed(store)
    assert show_proof(None, None, as_json=False) == 0
    assert show_proof(None, None, as_json=False, contents=True) == 1
    told = capsys.readouterr().out
    assert "stored file plan.csv was changed in the store: its SHA-256 is another one" in told
    assert "2 stored files: read and compared" in told


def test_of_a_store_that_is_not_named_here_it_is_said_that_nothing_was_looked_at(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIMTANDEM_STORE")
    assert show_proof(None, None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)["stored_files"]
    assert told == "2 stored files: not looked at, as SIMTANDEM_STORE names no store here"


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_store_that_was_emptied_is_accepted_after_a_question(
    store: Path, capsys: pytest.CaptureFixture[str], types: Callable[[str], None], answer: str
) -> None:
    shutil.rmtree(store)
    types(f"{answer}\n")
    agreed = answer == "y"
    assert accept_store(as_json=False) == (0 if agreed else 1)
    told = capsys.readouterr().out
    assert "The ledger has 2 files of 1 run in a store; 2 of them are not there" in told
    assert (store / MARK).exists() is agreed
    assert ("simtandem verify RUN --restore" in told) is agreed
    if agreed:
        assert show_proof("a-run", None, as_json=False, restore=True) == 0
        assert accept_store(as_json=False) == 0
        assert "is the store of this ledger already" in capsys.readouterr().out


def test_a_store_of_another_ledger_is_never_accepted(store: Path, types: Callable[[str], None]) -> None:
    (store / MARK).write_text("another\n")
    types("y\n")
    with pytest.raises(StoreError, match="files of another ledger"):
        accept_store(as_json=False)
    assert (store / MARK).read_text() == "another\n"


def test_what_asks_prints_no_json(store: Path) -> None:
    with pytest.raises(InputError, match="asks a question"):
        accept_store(as_json=True)
