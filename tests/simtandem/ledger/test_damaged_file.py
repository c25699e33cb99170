"""A ledger file that was damaged: every command says what it is and what to do, and nothing is unexpected."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from simtandem.cli import app
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
COMMANDS = [
    ["runs"],
    ["report", RUN],
    ["report", "--since", "2026-01-01"],
    ["verify"],
    ["verify", RUN],
    ["verify", "--rebuild"],
    ["prune", "--before", "2030-01-01", "--yes"],
    ["compare", RUN, "another"],
    ["retry", RUN, "--yes"],
    ["undo", RUN, "--yes"],
    ["audit"],
    ["schedule", "list"],
    ["apply", "devices.csv", "--to", "activated", "--yes"],
]
Damage = Callable[[Path], None]


def header_overwritten(file: Path) -> None:
    file.write_bytes(b"sim_id,status\n" + file.read_bytes()[14:])


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * 4096])


def pages_zeroed(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))


def table_gone(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("ALTER TABLE runs RENAME TO walks")


def values_of_another_kind(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE runs SET parameters = '[', started_at = 'yesterday'")
        database.execute("UPDATE run_states SET detail = 'null', at = X'ff'")


DAMAGES: list[Damage] = [header_overwritten, cut_short, pages_zeroed, table_gone, values_of_another_kind]


@pytest.fixture
def home(tmp_path: Path, whole_run: Ledger, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    file = Path(whole_run.database.place)
    whole_run.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    folder.mkdir(exist_ok=True)
    (folder / "ledger.sqlite").write_bytes(file.read_bytes())
    (folder / "devices.csv").write_text("sim_id\n11\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SIMTANDEM_HOME", str(folder))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "token")
    return folder


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_command_says_what_is_wrong(
    home: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "ledger.sqlite"
    damage(file)
    damaged = file.read_bytes()
    unharmed: dict[Damage, list[str]] = {
        table_gone: ["schedule"],
        values_of_another_kind: ["schedule", "audit", "apply", "retry", "undo"],
    }
    for command in [each for each in COMMANDS if each[0] not in unharmed.get(damage, [])]:
        for each in home.glob("ledger.sqlite-*"):
            each.unlink()
        file.write_bytes(damaged)
        monkeypatch.setattr(sys, "argv", ["simtandem", *command, "--json"])
        with pytest.raises(SystemExit) as ended:
            app.main()
        told = capsys.readouterr()
        assert ended.value.code in (1, 2), (command, told)
        assert "Unexpected" not in told.out + told.err, (command, told)
        if damage is not values_of_another_kind:
            assert "is damaged or not a ledger. Move it away, restore it" in told.err, (command, told)
            assert json.loads(told.out)["exit_code"] == ended.value.code
