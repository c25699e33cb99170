"""`simtandem init`."""

import sys
from typing import Annotated

import typer

from simtandem.cli.audit import audit_fleet
from simtandem.cli.console import Output
from simtandem.errors import InputError
from simtandem.host.settings_writer import added_account
from simtandem.runs.setup_checks import check_account
from simtandem.settings import Settings, choose_account
from simtandem.text.terminal import results

_EMNIFY = "emnify"


def init(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call the account.")] = "",
    carrier: Annotated[str, typer.Option("--carrier", metavar="CARRIER", help="emnify.")] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Address of the carrier's API.")] = "",
    token: Annotated[
        str, typer.Option("--token", metavar="WHERE", help="env:NAME or file:/path, instead of typing the token.")
    ] = "",
) -> None:
    """Add an account to settings.toml, after one login with its token. Asks for what is not given. Changes nothing."""
    raise typer.Exit(set_up(name, carrier, url, token))


def set_up(name: str, carrier: str, url: str, where: str) -> int:
    """Ask, try the token once, and keep the account where it was accepted. Returns the exit code."""
    carrier = carrier or _asked("Carrier", _EMNIFY)
    if carrier != _EMNIFY:
        raise InputError(
            f"init sets up {_EMNIFY} only. For {carrier}, write the section yourself: its settings are in "
            "docs/reference/settings.md. Nothing was written."
        )
    name = name or _asked("Name of the account, such as depot-eu")
    url = url or _asked("Address", str(Settings.model_fields["emnify_url"].default))
    typed = "" if where else _asked("Application token (not shown)", hidden=True)
    section = {"carrier": carrier, "url": url, **({"token": where} if where else {})}
    with added_account(name, section, typed) as path:
        choose_account(name)
        check = check_account(name)
        if check.remedy:
            raise InputError(f"{check.found}\n{check.remedy}\nThe account was not added.")
    results().print(f"{check.found}\nKept in {path}. Next: simtandem audit --account {name}", markup=False)
    if _terminal() and typer.confirm("Audit the fleet now? It changes nothing.", err=True):
        return audit_fleet(Output())
    return 0


def _asked(what: str, otherwise: str | None = None, *, hidden: bool = False) -> str:
    if not _terminal():
        raise InputError(f"{what}: there is no terminal to ask on. Use --name, --url and --token. Nothing was written.")
    return str(typer.prompt(what, default=otherwise, hide_input=hidden, err=True)).strip()


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
