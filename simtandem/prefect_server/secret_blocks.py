"""Secret blocks of Prefect's that hold a carrier's token: what is in one, and a program that reads one for a command.

A block holds the token as a text, which is for the carrier's own host, or `{"token": …, "host": …}`.
"""

import asyncio
import json
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from schemas.hosts import plain_host
from simtandem.errors import InputError, SimtandemError
from simtandem.prefect_server.prefect_settings import address_of_server, prepare_client
from simtandem.settings import Settings, load_home

LEDGER_BLOCK = "simtandem-ledger-url"
"""Stands for SIMTANDEM_LEDGER_URL in runs that Prefect starts, where nothing sets that."""

_WITHIN_S = 60.0


async def secret_in(client: Any, block: str, url_name: str) -> tuple[str, str] | None:
    """The token in this block, and the host that it is for; None where there is no such block.

    `url_name` is the setting whose default names the carrier's own host. Raises `InputError` for any other content.
    """
    from prefect.blocks.system import Secret

    try:
        loaded: Secret[Any] = await Secret.aload(block, client=client)
    except ValueError:  # there is no such block
        return None
    value, host = loaded.get(), Settings.model_fields[url_name].default
    if isinstance(value, dict) and value.keys() == {"token", "host"}:
        value, host = value["token"], value["host"]
    if not isinstance(value, str) or not value.strip() or not isinstance(host, str):
        raise InputError(
            f'Prefect\'s Secret block {block} does not hold a text, nor {{"token": …, "host": …}}. Nothing was sent.'
        )
    return value.strip(), plain_host(host.rpartition("://")[2].partition("/")[0])


def main() -> None:
    """Print what is in the block that the arguments name, as JSON, for the process that started this one."""
    block, url_name = sys.argv[1:]
    with redirect_stdout(sys.stderr):
        said = _said(block, url_name)
    os.write(1, json.dumps(said).encode())  # what people read is redacted; this is for the process that asked


def _said(block: str, url_name: str) -> dict[str, str]:
    try:
        settings = load_home()
        prepare_client(settings, address_of_server(settings), own=False)
        found = asyncio.run(_asked(block, url_name))
    except SimtandemError as error:
        return {"error": str(error).partition("\n")[0].removesuffix(" Nothing was sent.")}
    except Exception as error:  # noqa: BLE001 - its text may show how Prefect is logged in to
        return {"error": f"Prefect does not answer ({type(error).__name__})."}
    return {"error": "there is no such block."} if found is None else {"token": found[0], "host": found[1]}


async def _asked(block: str, url_name: str) -> tuple[str, str] | None:
    from prefect.client.orchestration import get_client

    async with asyncio.timeout(_WITHIN_S), get_client() as client:
        return await secret_in(client, block, url_name)


if __name__ == "__main__":
    main()
