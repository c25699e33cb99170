"""Arguments and options that several groups of commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.models import CommandFunctionType

File = Annotated[Path, typer.Argument(metavar="FILE", help="The device CSV.", show_default=False)]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="STATUS", help="activated, suspended or factory_test, for rows without a status."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]


def target_of(to: str | None) -> Any:
    """The status that --to names, as a `Target`; None where it is not given. Raises `InputError`."""
    from simtandem.errors import InputError
    from simtandem.intake import parse_target

    target = parse_target(to) if to is not None else None
    if to is not None and target is None:
        raise InputError(f"--to {to}: not a status. Use activated, suspended or factory_test. Nothing was sent.")
    return target


class InHome(TyperCommand):
    """A command that uses SIMTANDEM_HOME: before it does anything, nobody else gets in there any more."""

    def invoke(self, ctx: Any) -> Any:
        """Run it, after notes on what others could do in the home."""
        from simtandem.host import private_home, standard_streams
        from simtandem.settings import load

        private_home.keep_private()
        private_home.import_nothing_from_here()
        for sentence in private_home.close_to_others(load().home):
            standard_streams.note(sentence)
        return super().invoke(ctx)


class Commands(typer.Typer):
    """Commands that use SIMTANDEM_HOME, unless they say another class."""

    def command(self, *args: Any, **kwargs: Any) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """As Typer's."""
        return super().command(*args, **{"cls": InHome, **kwargs})
