"""What can be foreseen is told in a sentence by every command, with exit code 1 or 2, never as something unexpected."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.cli import app
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

NOBODY = "20200101T000000-abcdef"
COMMANDS = [
    ["plan", "devices.csv"],
    ["reconcile", "devices.csv"],
    ["apply", "devices.csv", "--yes"],
    ["runs"],
    ["report", NOBODY],
    ["report", NOBODY, "--format", "xlsx"],
    ["report", NOBODY, "--events"],
    ["report", "--since", "2026-01-01"],
    ["retry", NOBODY, "--yes"],
    ["undo", NOBODY],
    ["compare", NOBODY, NOBODY],
    ["verify"],
    ["verify", NOBODY],
    ["prune", "--before", "2026-01-01"],
    ["audit"],
    ["schedule", "list"],
    ["schedule", "add", "devices.csv", "--at", "now"],
    ["schedule", "cancel", NOBODY],
]


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator([Group(2, SimStatus.SUSPENDED, EndpointStatus.DISABLED)], path_limits=False) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: Emulator) -> Path:
    """Where the commands are given; the home is `home` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices.csv").write_text("sim_id,status\n10000001,suspended\n10000002,suspended\n")
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", carrier.token)
    return tmp_path


class Teller:
    """Runs commands in this process; notes what they say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["simtandem", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        self.out, self.err = self._capsys.readouterr()
        assert "Unexpected" not in self.err, self.err
        return int(end.value.code or 0)


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Teller:
    return Teller(monkeypatch, capsys)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("home", "code"),
    [
        pytest.param("taken", 2, id="the home is a file"),
        pytest.param("taken/below", 2, id="the home is below a file"),
        pytest.param("/proc/simtandem", 2, id="nothing can be written there"),
        pytest.param("x" * 300, 2, id="a name too long for a folder"),
        pytest.param("~no-such-user-of-this-machine/home", 2, id="nobody has that home"),
    ],
)
def test_a_home_that_can_not_be_used_is_told(
    teller: Teller, monkeypatch: pytest.MonkeyPatch, command: list[str], home: str, code: int
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", home)
    assert teller.run(*command) == code
    assert len(teller.err.strip().splitlines()) < 10


@pytest.mark.parametrize("run", [NOBODY, "", "../../x", "'; drop table runs", "\x1b[31m", "x" * 5000])
@pytest.mark.parametrize("command", ["report", "retry", "undo", "compare", "verify"])
def test_a_run_that_does_not_exist_is_told(teller: Teller, command: str, run: str) -> None:
    assert teller.run("runs") == 0
    others = [run] if command == "compare" else []
    assert teller.run(command, run, *others, "--json") == 2
    told = json.loads(teller.out)
    assert (told["exit_code"], told["error"]) == (2, "InputError")
    assert "no run" in told["message"]


def compared(teller: Teller) -> str:
    assert teller.run("reconcile", "devices.csv", "--json") == 0
    return str(json.loads(teller.out)["run_id"])


def test_a_run_whose_folder_is_gone_is_reported_compared_and_verified_from_the_ledger(
    teller: Teller, desk: Path
) -> None:
    run_id = compared(teller)
    for command, code in (
        (["report", run_id], 0),
        (["report", run_id, "--format", "xlsx"], 0),
        (["compare", run_id, run_id], 0),
        (["verify", run_id], 0),
        (["retry", run_id, "--yes"], 2),
        (["undo", run_id], 2),
    ):
        shutil.rmtree(desk / "home" / "runs")
        assert teller.run(*command) == code, command
        (desk / "home" / "runs").mkdir(exist_ok=True)


def test_a_folder_that_can_not_be_made_is_told(teller: Teller, desk: Path) -> None:
    run_id = compared(teller)
    shutil.rmtree(desk / "home" / "runs")
    (desk / "home" / "runs").write_text("a file")
    for command in (["report", run_id], ["report", run_id, "--format", "json"], ["plan", "devices.csv"], ["audit"]):
        assert teller.run(*command) == 1
        assert str(desk / "home" / "runs") in teller.err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["plan", "/dev/zero"], "this is a device"),
        (["plan", ""], "this is a directory"),
        (["plan", "taken/x.csv"], "can't be read"),
        (["schedule", "add", "/dev/zero", "--at", "now"], "this is a device"),
        (["schedule", "add", "devices.csv", "--at", "0001-01-01T00:00:00+14:00"], "edge of the calendar"),
        (["schedule", "add", "devices.csv", "--at", "tomorrow"], "not an ISO date"),
        (["runs", "--limit", "99999999999999999999"], "--limit"),
        (["report"], "Give a run"),
        (["report", "--since", "yesterday"], "not a day"),
        (["report", NOBODY, "--format", "pdf"], "not a format"),
        (["prune", "--before", "soon"], "soon"),
        (["verify", NOBODY, "--head", "zz"], "not a head"),
        (["emulator", "--port", "99999"], "--port"),
        (["up", "--port", "0"], "--port"),
        (["up", "--host", "192.0.2.1"], "Nothing was started"),
        (["deploy"], "PREFECT_API_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_arguments_that_can_not_be_used_are_told(teller: Teller, command: list[str], says: str) -> None:
    assert teller.run(*command) == 2
    assert says in teller.err
