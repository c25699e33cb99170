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
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, max=2000, help="Pairs in a batch.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, and show tracebacks.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask. Needed where there is no terminal.")]
AcceptLarge = Annotated[bool, typer.Option("--accept-large", help="Go on beyond the safety limits.")]
ChangeOwners = Annotated[
    bool, typer.Option("--change-owners", help="Let the file's *_org_id columns give SIMs other owners.")
]
Digest = Annotated[str | None, typer.Option("--plan", metavar="DIGEST", help="Apply only the plan with this digest.")]
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


def request_for(file: Path, to: str | None, batch_size: int = 500, **others: Any) -> Any:
    """What a command asks for, as a `BulkUpdate`."""
    from schemas.parameters import BulkUpdate, Mode, Wish
    from simtandem.runs.input_file import address

    target = target_of(to)
    wish = Wish(target.value) if target else Wish.AS_IN_FILE
    return BulkUpdate(file=address(file), to=wish, mode=Mode.APPLY, batch_size=batch_size, **others)


def output_for(as_json: bool, quiet: bool, verbose: bool) -> Any:  # noqa: FBT001 - see bulk_commands.Output
    """How a command speaks, as an `Output`."""
    from simtandem.cli.bulk_commands import Output

    return Output(as_json=as_json, quiet=quiet, verbose=verbose)


def end(exit_code: int) -> None:
    """End the command with this exit code."""
    raise typer.Exit(exit_code)
