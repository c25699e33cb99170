import json
import re
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from simtandem import __version__
from simtandem.cli import app
from simtandem.cli.commands import COMMANDS
from simtandem.errors import (
    AuthenticationFailed,
    CarrierRefused,
    CarrierUnavailable,
    InputError,
    Interrupted,
    LedgerError,
    OrchestrationError,
    PlanRefused,
)

README = Path(__file__).parents[3] / "README.md"
OPERATORS = {"demo", "plan", "apply", "reconcile", "runs", "report", "retry", "undo", "emulator", "audit", "verify"}


def test_the_operators_commands_are_all_there() -> None:
    assert set(COMMANDS) >= OPERATORS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_and_each_of_its_options(command: str) -> None:
    done = CliRunner().invoke(app.app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0
    assert re.search(rf"Usage: .*{command}", done.stdout)
    described = cli_command(command)
    assert described.help
    for parameter in described.params:
        assert getattr(parameter, "help", None), f"{parameter.name} is not explained"


def cli_command(name: str) -> typer.core.TyperCommand | typer.core.TyperGroup:
    group = typer.main.get_command(app.app)
    assert isinstance(group, typer.core.TyperGroup)
    command = group.commands[name]
    assert isinstance(command, typer.core.TyperCommand | typer.core.TyperGroup)
    return command


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_named_in_the_readme(command: str) -> None:
    assert re.search(rf"`?simtandem {command}\b", README.read_text(encoding="utf-8"))


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["simtandem", *arguments])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("asking", ["--help", "-h"])
def test_help_is_found_with_either_spelling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asking: str
) -> None:
    assert run_main(monkeypatch, asking) == 0
    assert "Exit codes" in capsys.readouterr().out


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"simtandem {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("what"), 2),
        (PlanRefused("what"), 3),
        (CarrierRefused("what"), 1),
        (CarrierUnavailable("what"), 4),
        (AuthenticationFailed("what"), 4),
        (LedgerError("what"), 1),
        (OrchestrationError("what"), 1),
        (Interrupted("what"), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("what"), 1),
    ],
)
def test_every_error_is_a_message_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def ends(**settings: object) -> int:
        raise error

    monkeypatch.setattr(app, "app", ends)
    assert run_main(monkeypatch, "plan", "file.csv") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "what" in said.err or isinstance(error, KeyboardInterrupt)

    assert run_main(monkeypatch, "plan", "file.csv", "--json") == code
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == code
    assert told["message"]


def test_what_a_message_quotes_is_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(**settings: object) -> int:
        raise InputError("column [bold]x[/bold] [/] is unknown")

    monkeypatch.setattr(app, "app", ends)
    run_main(monkeypatch)
    assert "[bold]x[/bold] [/] is unknown" in capsys.readouterr().err


@pytest.mark.parametrize("asking", ["-v", "--verbose"])
def test_whoever_asks_for_it_sees_where_a_mistake_of_ours_is(monkeypatch: pytest.MonkeyPatch, asking: str) -> None:
    def ends(**settings: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "app", ends)
    monkeypatch.setattr(sys, "argv", ["simtandem", "plan", asking])
    with pytest.raises(ZeroDivisionError):
        app.main()


@pytest.mark.parametrize(
    ("arguments", "message", "help_of"),
    [
        (["plna", "x.csv"], "No such command 'plna'. Did you mean 'plan'?", "simtandem"),
        (["schedule", "ad"], "No such command 'ad'. Did you mean 'add'?", "simtandem schedule"),
        (
            ["plan", "--acept-large", "x.csv"],
            "No such option: --acept-large. Did you mean --accept-large?",
            "simtandem plan",
        ),
        (["reconcile"], "Give a device list (FILE), or select devices with --where, or both.", "simtandem reconcile"),
        (["plan"], "Give a device list (FILE), or select devices with --where, or both.", "simtandem plan"),
        (
            ["schedule", "add"],
            "Give a device list (FILE), or select devices with --where, or both.",
            "simtandem schedule add",
        ),
        (["report"], "Give a run, or a period", "simtandem report"),
        (["audit", "--account"], "Option '--account' requires an argument.", "simtandem audit"),
        (["plan", "x.csv", "--to"], "Option '--to' requires an argument.", "simtandem plan"),
        (["schedule", "add", "--account"], "Option '--account' requires an argument.", "simtandem schedule add"),
        (["prune", "--before"], "Option '--before' requires an argument.", "simtandem prune"),
    ],
)
def test_a_mistyped_command_line_is_answered_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    help_of: str,
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert f"Try `{help_of} --help`." in said


@pytest.mark.parametrize("arguments", [[], ["schedule"]])
def test_without_a_command_its_help_is_all_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert "Usage: simtandem" in told.out
    assert told.err == ""


@pytest.mark.parametrize("command", ["", *sorted(COMMANDS)])
def test_help_shows_no_type_of_options_without_a_value(command: str) -> None:
    done = CliRunner().invoke(app.app, [*([command] if command else []), "--help"], env={"TERM": "dumb"})
    assert "<bool>" not in done.stdout


def test_every_command_stands_under_a_heading_with_its_line() -> None:
    shown = CliRunner().invoke(app.app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).stdout
    for name, line in COMMANDS.items():
        assert line.panel in shown
        assert re.search(rf"{name} +{re.escape(line.text)}", shown)
