"""The settings of a run that Prefect starts: the worker's environment first, then what Prefect keeps for it.

Secret block `simtandem-emnify-token` stands for SIMTANDEM_EMNIFY_TOKEN where that is not set, Variable
`simtandem_calls` for SIMTANDEM_CALLS, and so on for every other setting.
"""

import asyncio
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient, get_client

from simtandem.errors import InputError, OrchestrationError
from simtandem.settings import Settings, load, secret_names, unset_names

_MANY = 200
_PATIENCE_S = 90.0


async def settings_of_run() -> Settings:
    """The settings for this run.

    Raises `InputError` naming what can't be used, never its value; `OrchestrationError` where Prefect does not answer.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S), get_client() as client:
            return load(**await kept_by_prefect(client))
    except TimeoutError as error:
        raise OrchestrationError(
            "The Prefect server does not answer, so the settings that it keeps can't be read. Nothing was sent.\n"
            "Look after the server, then run again."
        ) from error


async def kept_by_prefect(client: PrefectClient) -> dict[str, Any]:
    """What Prefect keeps of the settings that the environment leaves open."""
    unset = unset_names()
    variables = {variable.name: variable.value for variable in await client.read_variables(limit=_MANY)}
    kept = {name: variables[f"simtandem_{name}"] for name in unset - secret_names() if f"simtandem_{name}" in variables}
    for name in sorted(unset & secret_names()):
        secret = await _secret(client, f"simtandem-{name.replace('_', '-')}")
        if secret is not None:
            kept[name] = secret
    return kept


async def _secret(client: PrefectClient, block: str) -> Any:
    try:
        loaded: Secret[Any] = await Secret.aload(block, client=client)
    except ValueError:  # there is no such block
        return None
    value = loaded.get()
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"Prefect's Secret block {block} does not hold a text. Nothing was sent.")
    return value.strip()
