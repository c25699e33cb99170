"""The settings of a run that Prefect starts: the worker's environment first, then what Prefect keeps for it.

Secret block `simtandem-emnify-token` stands for SIMTANDEM_EMNIFY_TOKEN where that is not set, and Variables for a few
settings that harm nobody (`simtandem.settings.VARIABLES`). Where the carrier is, how much may be sent, what is safe and
where files lie is said by the worker's environment alone: people who may edit Variables must not redirect the token.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient, get_client

from schemas.hosts import plain_host
from simtandem.errors import InputError, OrchestrationError
from simtandem.host.private_home import close_to_others, keep_private
from simtandem.prefect_server.prefect_settings import keep_to_own_server
from simtandem.runs.run_account import account_of_run
from simtandem.settings import PREFIX, Settings, chosen_account, load, load_home, secret_names
from simtandem.settings.model import VARIABLES

log = logging.getLogger("simtandem.settings")

_MANY = 200
_PATIENCE_S = 90.0
_TOKEN = "emnify_token"  # noqa: S105 - the name of a setting
_CONCURRENCY = "sim_concurrency"


async def settings_of_run(account: str = "", *, run_id: str = "") -> Settings:
    """The settings for a run of this account; without a name, of the one that is chosen or the only one.

    With the id of an earlier run, of the account that it was of.

    Raises `InputError` naming what can't be used, never its value; `OrchestrationError` where Prefect does not answer.
    """
    keep_private()  # a worker of Prefect's own has not done that
    keep_to_own_server(load_home())
    if run_id:
        account = account_of_run(await _filled(load_home(), load_home), run_id, account or chosen_account())
    settings = await _filled(load(account), partial(load, account))
    for sentence in close_to_others(settings.home):
        log.warning("%s", sentence)
    return settings


async def _filled(settings: Settings, again: Callable[..., Settings]) -> Settings:
    """The settings with what Prefect keeps of those that nothing sets."""
    try:
        async with asyncio.timeout(_PATIENCE_S), get_client() as client:
            kept = await variables(client, settings)
            token_host = ""
            for name, (secret, host) in (await secrets(client, settings)).items():
                kept[name], token_host = secret, host if name == _TOKEN else token_host
    except TimeoutError as error:
        raise OrchestrationError(
            "The Prefect server does not answer, so the settings that it keeps can't be read. Nothing was sent.\n"
            "Look after the server, then run again."
        ) from error
    return _bound(again(**kept), token_host)


async def variables(client: PrefectClient, settings: Settings) -> dict[str, Any]:
    """What Variables say of the settings that environment and settings file leave open.

    Raises `InputError` for one that names any other setting, also where that is set: someone expects it to count.
    """
    unset, kept = _unset(settings), {}
    for variable in await client.read_variables(limit=_MANY):
        name = variable.name.removeprefix("simtandem_")
        if name == variable.name or name not in Settings.model_fields:
            continue
        if name not in VARIABLES:
            raise _not_from_a_variable(name)
        if name not in unset:
            log.warning("The Prefect Variable %s is not used: %s%s is set.", variable.name, PREFIX, name.upper())
        else:
            kept[name] = variable.value
    if _CONCURRENCY in kept:
        kept[_CONCURRENCY] = _lower(kept[_CONCURRENCY])
    return kept


async def secrets(client: PrefectClient, settings: Settings) -> dict[str, tuple[str, str]]:
    """What Secret blocks say of the settings that are left open, each with the host that it is for.

    An account of the settings file has its token from the block that the file names for it, and from no other.
    """
    found = {}
    blocks = {name: f"simtandem-{name.replace('_', '-')}" for name in _unset(settings) & secret_names()}
    if settings.token_block:
        blocks[_TOKEN] = settings.token_block
    for name, block in sorted(blocks.items()):
        secret = await _secret(client, block)
        if secret is not None:
            found[name] = secret
        elif block == settings.token_block:
            raise InputError(f"Account {settings.account}: Prefect has no Secret block {block}. Nothing was sent.")
    return found


def _unset(settings: Settings) -> set[str]:
    """Settings, by the name of their field, that nothing sets."""
    return Settings.model_fields.keys() - settings.model_fields_set


def _not_from_a_variable(name: str) -> InputError:
    where = "the worker's environment"
    if name in secret_names():
        where += f", or in the Secret block simtandem-{name.replace('_', '-')}"
    may = ", ".join(f"simtandem_{each}" for each in VARIABLES)
    return InputError(
        f"The Prefect Variable simtandem_{name} can't set {PREFIX}{name.upper()}: people who edit Variables must not "
        f"decide that. Nothing was sent.\nSet {PREFIX}{name.upper()} in {where}, and delete the Variable. "
        f"Variables may set {may}."
    )


def _lower(value: Any) -> Any:
    """At most as many calls at once as without the Variable."""
    most = int(Settings.model_fields[_CONCURRENCY].default)
    if str(value).strip().isdecimal() and int(str(value)) > most:
        raise InputError(
            f"The Prefect Variable simtandem_{_CONCURRENCY} may lower {PREFIX}{_CONCURRENCY.upper()}, not raise it "
            f"above {most}. Nothing was sent.\nSet {PREFIX}{_CONCURRENCY.upper()} in the worker's environment."
        )
    return value


async def _secret(client: PrefectClient, block: str) -> tuple[str, str] | None:
    try:
        loaded: Secret[Any] = await Secret.aload(block, client=client)
    except ValueError:  # there is no such block
        return None
    value, host = loaded.get(), Settings.model_fields["emnify_url"].default
    if isinstance(value, dict) and value.keys() == {"token", "host"}:
        value, host = value["token"], value["host"]
    if not isinstance(value, str) or not value.strip() or not isinstance(host, str):
        raise InputError(
            f'Prefect\'s Secret block {block} does not hold a text, nor {{"token": …, "host": …}}. Nothing was sent.'
        )
    return value.strip(), plain_host(host.rpartition("://")[2].partition("/")[0])


def _bound(settings: Settings, token_host: str) -> Settings:
    """The settings, if the token that Prefect keeps is for the carrier that the environment names."""
    if token_host and token_host != settings.carrier_host:
        raise InputError(
            f"The token in Prefect's Secret block is for {token_host}, and {PREFIX}EMNIFY_URL names "
            f"{settings.carrier_host}. Nothing was sent.\nIf it is for that host, write the block as "
            f'{{"token": "…", "host": "{settings.carrier_host}"}}, or set {PREFIX}EMNIFY_TOKEN beside the address.'
        )
    return settings
