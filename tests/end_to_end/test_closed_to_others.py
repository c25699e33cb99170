"""Nobody gets in: what lies where an operator types has no say, and what is written is the operator's alone."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.end_to_end.operator_desk import Desk
from tests.hostile_folder import HostileFolder, open_to_others

FLEET = Group(6, SimStatus.ISSUED, EndpointStatus.DISABLED)


def test_a_run_with_its_own_server_uses_nothing_that_lies_where_it_was_typed(tmp_path: Path, carrier: Emulator) -> None:
    """Nor what the user's own Prefect is told; and its relative paths are those of where it was typed."""
    carrier.reset()
    carrier.refill([FLEET])
    desk, hostile = Desk(tmp_path / "desk", carrier, None), HostileFolder(tmp_path / "downloads")
    desk.cold, desk.types_in = True, hostile.path  # where modules come from is decided when it is started
    mine = desk.folder / ".prefect"
    mine.mkdir()
    hostile.profiles(mine / "profiles.toml", "profile of the user")
    settings = hostile.log_configuration(tmp_path / "mine.yml", "variable of the user")
    other = hostile.log_configuration(tmp_path / "other.yml", "variable in lower case")
    file = desk.file(4, status="activated")
    done = desk.run(
        *("apply", os.path.relpath(file, hostile.path), "--yes", "--json"),
        SIMTANDEM_HOME="../desk/home",
        SIMTANDEM_LEDGER_URL="sqlite:///../desk/record.sqlite",
        PREFECT_HOME=str(mine),
        PREFECT_PROFILES_PATH=str(mine / "profiles.toml"),
        PREFECT_LOGGING_SETTINGS_PATH=str(settings),
        prefect_logging_config_path=str(other),
        PREFECT_SERVER_DATABASE_CONNECTION_URL=f"sqlite+aiosqlite:///{mine}/other.db",
    )
    assert done.code == 0, done.err
    assert hostile.harm() == []
    assert sorted(path.name for path in mine.iterdir()) == ["profiles.toml", "profiles.toml.yml"]
    assert open_to_others(desk.home) == []
    assert (desk.home / "prefect" / "prefect.db").exists()
    with closing(sqlite3.connect(desk.folder / "record.sqlite")) as record:
        [(state,)] = record.execute("SELECT state FROM run_states ORDER BY rowid DESC LIMIT 1").fetchall()
    assert state == "finished"
    assert open_to_others(desk.folder / "record.sqlite") == []
    assert all(Path(path).is_absolute() and Path(path).exists() for path in done.document()["files"].values())


def test_no_command_uses_what_lies_where_it_was_typed_or_leaves_anything_open(
    tmp_path: Path, look: Callable[..., Desk]
) -> None:
    desk, hostile = look(FLEET), HostileFolder(tmp_path / "downloads")
    desk.cold, desk.types_in = True, hostile.path  # where modules come from is decided when it is started
    desk.home.rmdir()
    file, later = os.path.relpath(desk.file(4), hostile.path), datetime.now(UTC) + timedelta(days=30)
    for command in (
        ["plan", file, "--to", "activated"],
        ["audit"],
        ["schedule", "add", file, "--to", "activated", "--at", f"{later:%Y-%m-%d}"],
        ["report", "--since", "2020-01-01", "--format", "xlsx"],
        ["report", "--since", "2020-01-01", "--format", "parquet"],
        ["prune", "--before", "2999-01-01", "--yes"],
        ["verify"],
    ):
        done = desk.run(*command)
        assert done.code in (0, 1), (command, done.err)
        assert hostile.harm() == [], command
        assert open_to_others(desk.home) == [], command


def test_what_was_open_is_closed_and_told_once(look: Callable[..., Desk]) -> None:
    desk = look(FLEET)
    (desk.home / "runs" / "20260101T000000-abcdef").mkdir(parents=True)
    (desk.home / "runs" / "20260101T000000-abcdef" / "plan.csv").touch()
    desk.home.chmod(0o755)
    done = desk.run("runs", "--json")
    assert done.code == 0
    assert "access 4 of the files and folders of SIMTANDEM_HOME" in done.err
    assert open_to_others(desk.home) == []
    assert desk.run("runs").err == ""


def test_a_home_of_somebody_else_is_refused(look: Callable[..., Desk]) -> None:
    desk = look(FLEET)
    theirs = desk.home if os.geteuid() == 0 else Path("/usr")
    if os.geteuid() == 0:
        os.chown(theirs, 54_321, 54_321)
    done = desk.run("plan", desk.file(2), "--to", "activated", SIMTANDEM_HOME=str(theirs))
    assert done.code == 2
    assert f"({theirs}) belongs to " in done.err
    assert "Nothing was sent" in done.err
