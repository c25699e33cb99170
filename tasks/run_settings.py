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

from prefect.client.orchestration import PrefectClient, get_client

from simtandem.carriers.block_tokens import BLOCKS, require_host
from simtandem.errors import InputError, OrchestrationError
from simtandem.host.private_home import close_to_others, keep_private
from simtandem.prefect_server.prefect_settings import keep_to_own_server
from simtandem.prefect_server.secret_blocks import secret_in
from simtandem.runs.run_account import account_of_run
from simtandem.settings import PREFIX, Settings, chosen_account, load, load_home, logs_are_json, secret_names
from simtandem.settings.accounts import TOKENS, URLS
from simtandem.settings.model import VARIABLES
from simtandem.text import json_logs
from tasks.ledger_wait import once_it_answers

log = logging.getLogger("simtandem.settings")

_MANY = 200
_PATIENCE_S = 90.0
_CONCURRENCY = "sim_concurrency"


async def settings_of_run(account: str = "", *, run_id: str = "") -> Settings:
    """The settings for a run of this account; without a name, of the one that is chosen or the only one.

    With the id of an earlier run, of the account that it was of.

    Raises `InputError` naming what can't be used, never its value; `OrchestrationError` where Prefect does not answer.
    """
    write_json_where_asked()
    keep_private()  # a worker of Prefect's own has not done that
    keep_to_own_server(load_home())
    if run_id:
        home, named = await _filled(load_home(), load_home), account or chosen_account()
        account = await once_it_answers(lambda: account_of_run(home, run_id, named))
    settings = await _filled(load(account), partial(load, account))
    for sentence in close_to_others(settings.home):
        log.warning("%s", sentence)
    return settings


def write_json_where_asked() -> None:
    """Have a flow run of a worker write its messages as JSON where that is set; a command has done so already."""
    if logs_are_json() and not json_logs.wanted():
        json_logs.switch_on()
        json_logs.attach(logging.INFO)


async def _filled(settings: Settings, again: Callable[..., Settings]) -> Settings:
    """The settings with what Prefect keeps of those that nothing sets."""
    try:
        async with asyncio.timeout(_PATIENCE_S), get_client() as client:
            kept = await variables(client, settings)
            token_host = ""
            for name, (secret, host) in (await secrets(client, settings)).items():
                kept[name], token_host = secret, host if name == TOKENS[settings.carrier] else token_host
    except TimeoutError as error:
        raise OrchestrationError(
            "The Prefect server does not answer, so the settings that it keeps can't be read. Nothing was sent.\n"
            "Look after the server, then run again."
        ) from error
    filled = again(**kept)
    if token_host:
        require_host(filled, token_host)
    return filled


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
        blocks[TOKENS[settings.carrier]] = settings.token_block
    held = BLOCKS.held(settings)
    for name, block in sorted(blocks.items()):
        read = held if held and block == settings.token_block else None
        secret = read or await secret_in(client, block, URLS[settings.carrier])
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
