"""`simtandem init`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.audit import audit_fleet
from simtandem.cli.console import Output
from simtandem.domain.abilities import Ability
from simtandem.errors import InputError
from simtandem.host.settings_writer import added_account
from simtandem.runs.setup_checks import check_account
from simtandem.settings import Settings, choose_account
from simtandem.text.terminal import results

_EMNIFY = "emnify"
_COMPANY = "iot_accelerator_company"


@dataclass(frozen=True, slots=True)
class Asks:
    """What a carrier is opened with: its secret, as a question, the setting of its address, and what else is asked."""

    secret: str
    url: str
    others: tuple[tuple[str, str], ...] = ()


_ASKS = {
    _EMNIFY: Asks("Application token", "emnify_url"),
    "aeradmin": Asks(
        "API key, made in AerPort",
        "aeradmin_url",
        (("aeradmin_account_id", "Account id"), ("aeradmin_email", "E-mail address of who asks")),
    ),
    "iot-accelerator": Asks(
        "Password",
        "iot_accelerator_url",
        (("iot_accelerator_username", "User name, an e-mail address"), (_COMPANY, "Company, whose fleet is listed")),
    ),
}


def init(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call the account.")] = "",
    carrier: Annotated[
        str, typer.Option("--carrier", metavar="CARRIER", help="emnify, aeradmin or iot-accelerator.")
    ] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Address of the carrier's API.")] = "",
    token: Annotated[
        str, typer.Option("--token", metavar="WHERE", help="env:NAME or file:/path, instead of typing the token.")
    ] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting of the account, such as aeradmin_email=…"),
    ] = None,
    iccid: Annotated[
        str, typer.Option("--try", metavar="ICCID", help="At AerAdmin, which lists no fleet: a SIM to read once.")
    ] = "",
) -> None:
    """Add an account to settings.toml, after one call with its token. Asks for what is not given. Changes nothing.

    A token, key or password that is refused is tried once, and nothing is kept.
    """
    raise typer.Exit(set_up(name, carrier, url, token, setting or (), iccid))


def set_up(name: str, carrier: str, url: str, where: str, more: Sequence[str] = (), iccid: str = "") -> int:
    """Ask, try the token once, and keep the account where it was accepted. Returns the exit code."""
    carrier = carrier or _asked(f"Carrier ({', '.join(_ASKS)})", _EMNIFY)
    asks = _ASKS.get(carrier)
    if asks is None:
        raise InputError(f"{carrier}: there is no such carrier; use {', '.join(_ASKS)}. Nothing was written.")
    given = _given(more, asks)
    name = name or _asked("Name of the account, such as depot-eu")
    url = url or _asked("Address", str(Settings.model_fields[asks.url].default))
    others = {key: given.get(key) or _asked(what) for key, what in asks.others}
    lists = not lifecycle_of(carrier).lacks(Ability.LIST_FLEET, "")
    if not lists and not iccid and _terminal():
        iccid = _asked("ICCID of a SIM to read once, which tries the key (empty: none)", "")
    typed = "" if where else _asked(f"{asks.secret} (not shown)", hidden=True)
    section = {"carrier": carrier, "url": url, **others, **({"token": where} if where else {})}
    with added_account(name, section, typed) as path:
        choose_account(name)
        check = check_account(name, iccid)
        if check.remedy:
            raise InputError(f"{check.found}\n{check.remedy}\nThe account was not added.")
    first = "audit" if lists else "plan FILE --to STATUS"
    results().print(f"{check.found}\nKept in {path}. Next: simtandem {first} --account {name}", markup=False)
    if lists and _terminal() and typer.confirm("Audit the fleet now? It changes nothing.", err=True):
        return audit_fleet(Output())
    return 0


def _given(more: Sequence[str], asks: Asks) -> dict[str, str]:
    """The settings of --set, by name. Raises `InputError` for one that this carrier does not ask for."""
    known, found = dict(asks.others), {}
    for each in more:
        key, equals, value = (part.strip() for part in each.partition("="))
        if key not in known or not equals or not value:
            may = ", ".join(f"{each}=…" for each in known) or "none here"
            raise InputError(f"--set {key}: not a setting that is asked for; they are {may}. Nothing was written.")
        found[key] = value
    return found


def _asked(what: str, otherwise: str | None = None, *, hidden: bool = False) -> str:
    if not _terminal():
        raise InputError(
            f"{what}: there is no terminal to ask on. Use --name, --url, --token and --set. Nothing was written."
        )
    return str(typer.prompt(what, default=otherwise, hide_input=hidden, err=True)).strip()


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
