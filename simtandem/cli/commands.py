"""The commands of simtandem: their names, their lines in `simtandem --help`, and how one is imported when it is called.

`simtandem NAME` is the function of that name in the module of that name. `simtandem --help` imports none of them.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from simtandem.host.importing import without_collecting

_CHANGE, _LOOK = "Change SIMs and endpoints", "Look at runs and the fleet"
_SERVICE, _TRY = "Run as a service", "Try it without a carrier"


@dataclass(frozen=True, slots=True)
class Line:
    """A command's line in `simtandem --help`, under the heading `panel`."""

    panel: str
    text: str


COMMANDS = {
    "plan": Line(_CHANGE, "Compare FILE with the carrier and write the plan. Changes nothing."),
    "rehearse": Line(_CHANGE, "Carry the plan out on an emulated carrier: how long, what fails, what it costs."),
    "apply": Line(_CHANGE, "Plan, check the safety limits, send the changes, reconcile, report."),
    "reconcile": Line(_CHANGE, "Compare FILE with the carrier. Changes nothing."),
    "pause": Line(_CHANGE, "Let RUN pause: it sends nothing, and other runs may."),
    "resume": Line(_CHANGE, "Let RUN continue, or begin its next wave."),
    "action": Line(_CHANGE, "Assign SIMs to endpoints, release them, register batches."),
    "register-batch": Line(_CHANGE, "Register batches of SIMs by their codes (BIC)."),
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
    "copy-ledger": Line(_SERVICE, "Copy the ledger from a file to PostgreSQL, for several hosts."),
    "init": Line(_SERVICE, "Add an account to the settings file, after one login."),
    "doctor": Line(_LOOK, "Check settings, tokens, ledger and disk, and say what to do."),
    "up": Line(_SERVICE, "Run a Prefect server, the deployments and a worker on this machine."),
    "ui": Line(_SERVICE, "Log a browser in to the Prefect server of `simtandem up`."),
    "people": Line(_SERVICE, "List, add and remove people with credentials of their own."),
    "deploy": Line(_SERVICE, "Create the deployments on the Prefect server."),
    "worker": Line(_SERVICE, "Run what the Prefect server has for a worker."),
    "schedule": Line(_SERVICE, "List, add and cancel scheduled changes."),
    "retry-token": Line(_SERVICE, "Allow one more attempt with a token, key or password that was refused."),
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

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """As ever. What is wrong with an option is known to be about this command, also where its value is missing."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise


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
    """A command that is about one account of the settings file: `--account` names it, for all that it starts.

    Its messages have the format that `--log-format` names.
    """

    def get_params(self, ctx: Any) -> Any:
        """All parameters, those that such commands share before the help option."""
        *own, last = super().get_params(ctx)
        return [*own, *_shared_options(), last]


def _choose(name: str) -> str:
    from simtandem.settings import choose_account

    if name:
        choose_account(name)
    return name


class LogFormat(StrEnum):
    """How messages on stderr are written."""

    TEXT = "text"
    JSON = "json"


def _format(name: LogFormat | None) -> LogFormat | None:
    from simtandem.settings import choose_log_format
    from simtandem.text import json_logs

    if name:
        choose_log_format(name)
    if name is LogFormat.JSON:
        json_logs.switch_on()
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
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            metavar="FORMAT",
            callback=_format,
            is_eager=True,
            help="Messages on stderr as text, or as json: one object a line.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Only what Typer makes of the options is used."""


@cache
def _shared_options() -> list[Any]:
    """The options, which every such command has without having to hand them on."""
    alone = typer.Typer(add_completion=False)
    alone.command("asks")(_asks)
    options = typer.main.get_command(alone).params[:2]
    for option in options:
        option.expose_value = False
    return options


class FieldsCommand(AccountCommand):
    """A command with `--json` that also takes `--json FIELDS`, as gh does: then it prints these fields alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """As ever, after `--json a,b` has become `--json --fields a,b`. A word that names no field is an argument."""
        from simtandem.cli.json_fields import spelled_out

        takes_arguments = any(each.param_type_name == "argument" for each in self.params)
        return super().parse_args(ctx, spelled_out(args, str(ctx.info_name), takes_arguments=takes_arguments))


_CLASSES = {
    "emulator": _PlainFlags,
    "runs": FieldsCommand,
    "show": FieldsCommand,
    **dict.fromkeys(
        (
            *("compare", "verify", "heads", "prune", "copy-ledger"),
            *("up", "deploy", "worker", "ui", "people", "demo", "init"),
        ),
        HomeCommand,
    ),
}
"""Of commands that are not about an account."""


def load_command(name: str) -> Any:
    """The command, its module imported."""
    word = name.replace("-", "_")
    with without_collecting():
        found = getattr(import_module(f"simtandem.cli.{word}"), word)
        use_log_format()
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name, group.rich_help_panel = name, COMMANDS[name].panel
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=_CLASSES.get(name, AccountCommand), rich_help_panel=COMMANDS[name].panel)(found)
    return typer.main.get_command(alone)


def use_log_format() -> None:
    """Write messages from here on as the environment or the settings file say. `--help` reads neither."""
    from simtandem.settings import logs_are_json
    from simtandem.text import json_logs

    if logs_are_json():
        json_logs.switch_on()


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
