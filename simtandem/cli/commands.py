"""The commands of simtandem: their names, their lines in `simtandem --help`, and how one is imported when it is called.

`simtandem NAME` is the function of that name in the module of that name. `simtandem --help` imports none of them.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

_CHANGE, _LOOK = "Change SIMs and endpoints", "Look at runs and the fleet"
_SERVICE, _TRY = "Run as a service", "Try it without a carrier"


@dataclass(frozen=True, slots=True)
class Line:
    """A command's line in `simtandem --help`, under the heading `panel`."""

    panel: str
    text: str


COMMANDS = {
    "plan": Line(_CHANGE, "Compare FILE with the carrier and write the plan. Changes nothing."),
    "apply": Line(_CHANGE, "Plan, check the safety limits, send the changes, reconcile, report."),
    "reconcile": Line(_CHANGE, "Compare FILE with the carrier. Changes nothing."),
    "retry": Line(_CHANGE, "Apply the rows that RUN left open."),
    "undo": Line(_CHANGE, "Plan the inverse of RUN; with --yes, apply it."),
    "runs": Line(_LOOK, "List the latest runs and their results."),
    "report": Line(_LOOK, "Write the report of RUN or of a period."),
    "show": Line(_LOOK, "Show the history of DEVICE over all runs and audits."),
    "compare": Line(_LOOK, "Show which devices differ between two runs."),
    "audit": Line(_LOOK, "Check the whole fleet: split pairs, wasted cost, drift. Changes nothing."),
    "verify": Line(_LOOK, "Check that the record of the runs is intact."),
    "heads": Line(_LOOK, "Print the heads of the ledger, to keep elsewhere."),
    "prune": Line(_LOOK, "Archive the details of old runs and remove them from the ledger."),
    "init": Line(_SERVICE, "Add an account to the settings file, after one login."),
    "doctor": Line(_LOOK, "Check settings, tokens, ledger and disk, and say what to do."),
    "up": Line(_SERVICE, "Run a Prefect server, the deployments and a worker on this machine."),
    "ui": Line(_SERVICE, "Log a browser in to the Prefect server of `simtandem up`."),
    "people": Line(_SERVICE, "List, add and remove people with credentials of their own."),
    "deploy": Line(_SERVICE, "Create the deployments on the Prefect server."),
    "worker": Line(_SERVICE, "Run what the Prefect server has for a worker."),
    "schedule": Line(_SERVICE, "List, add and cancel scheduled changes."),
    "retry-token": Line(_SERVICE, "Allow one more attempt with a token that the carrier refused."),
    "demo": Line(_TRY, "Run plan and apply against the built-in emulator."),
    "emulator": Line(_TRY, "Emulate the carrier's API on this machine."),
}


class _PlainFlags(TyperCommand):
    """A command whose `--help` shows no type for options that take no value."""

    def get_params(self, ctx: Any) -> Any:
        """All parameters, the help option included."""
        params = super().get_params(ctx)
        for each in params:
            if getattr(each, "is_flag", False):
                each.metavar = ""
        return params


class HomeCommand(_PlainFlags):
    """A command that uses SIMTANDEM_HOME: before it starts, no other user can read that folder."""

    def invoke(self, ctx: Any) -> Any:
        """Run it, after notes on what other users could do in SIMTANDEM_HOME."""
        from simtandem.host import private_home, standard_streams
        from simtandem.settings import load_home

        private_home.keep_private()
        private_home.import_nothing_from_here()
        for sentence in private_home.close_to_others(load_home().home):
            standard_streams.note(sentence)
        return super().invoke(ctx)


class AccountCommand(HomeCommand):
    """A command that is about one account of the settings file: `--account` names it, for all that it starts."""

    def get_params(self, ctx: Any) -> Any:
        """All parameters, `--account` before the help option."""
        *own, last = super().get_params(ctx)
        return [*own, _account_option(), last]


def _choose(name: str) -> str:
    from simtandem.settings import choose_account

    if name:
        choose_account(name)
    return name


def _asks(
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=_choose,
            help="Account of the settings file, where it has several.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Only what Typer makes of the option is used."""


@cache
def _account_option() -> Any:
    """The option, which every such command has without having to hand it on."""
    alone = typer.Typer(add_completion=False)
    alone.command("asks")(_asks)
    option = typer.main.get_command(alone).params[0]
    option.expose_value = False
    return option


_CLASSES = {
    "emulator": _PlainFlags,
    **dict.fromkeys(
        ("compare", "verify", "heads", "prune", "up", "deploy", "worker", "ui", "people", "demo", "init"), HomeCommand
    ),
}
"""Of commands that are not about an account."""


def load_command(name: str) -> Any:
    """The command, its module imported."""
    word = name.replace("-", "_")
    found = getattr(import_module(f"simtandem.cli.{word}"), word)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name, group.rich_help_panel = name, COMMANDS[name].panel
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=_CLASSES.get(name, AccountCommand), rich_help_panel=COMMANDS[name].panel)(found)
    return typer.main.get_command(alone)


class _Loaded(MutableMapping[str, Any]):
    """Every command by its name; one is imported when it is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = load_command(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _listed() -> dict[str, Any]:
    return {
        name: TyperCommand(name, help=line.text, rich_help_panel=line.panel, callback=None)
        for name, line in COMMANDS.items()
    }


class CommandGroup(TyperGroup, _PlainFlags):
    """A group of commands."""


class Commands(CommandGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Loaded()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        loaded, self.commands = self.commands, _listed()
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = loaded

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete a command's name without importing the commands."""
        loaded, self.commands = self.commands, _listed()
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self.commands = loaded
