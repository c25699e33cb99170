"""`simtandem people add`, `list` and `remove`: who logs in to the home's Prefect server under a name of their own."""

from typing import Annotated

import typer

from simtandem.cli.commands import CommandGroup, HomeCommand
from simtandem.cli.options import AsJson
from simtandem.prefect_server.people import People
from simtandem.settings import load_home
from simtandem.text.terminal import print_json, results

Name = Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9, `.`, `_`, `-`.", show_default=False)]

people = typer.Typer(
    cls=CommandGroup, help="Give people credentials of their own for the Prefect server.", no_args_is_help=True
)


@people.command("add", cls=HomeCommand)
def people_add(name: Name) -> None:
    """Show a new credential of NAME, once. It replaces the one that NAME had."""
    credential = _people().add(name)
    console = results()
    console.print(credential, soft_wrap=True, markup=False, highlight=False)
    console.print(
        "Type it into the login of the UI, or set PREFECT_API_AUTH_STRING. It is not shown again.", style="dim"
    )


@people.command("list", cls=HomeCommand)
def people_list(*, as_json: AsJson = False) -> None:
    """List the names."""
    names = _people().names()
    if as_json:
        print_json({"people": names})
        return
    for name in names:
        results().print(name, markup=False, highlight=False)


@people.command("remove", cls=HomeCommand)
def people_remove(name: Name) -> None:
    """Remove NAME: the credential is refused from now on."""
    _people().remove(name)


def _people() -> People:
    return People(load_home().home / "prefect")
