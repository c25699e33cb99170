"""Arguments and options that several groups of commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

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
