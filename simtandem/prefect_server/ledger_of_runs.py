"""The ledger of the runs that workers start: the one of this home's settings, or of a Secret block."""

import asyncio

from prefect.client.orchestration import PrefectClient

from simtandem.ledger.store import Ledger
from simtandem.prefect_server.secret_blocks import LEDGER_BLOCK, secret_in
from simtandem.settings import load_home

_PATIENCE_S = 5.0
"""So long a look at the ledger waits for those who write it."""
_ANY_HOST = "emnify_url"
"""A block names a host where it holds a carrier's token; the ledger's address is its own."""


async def ledger_url_of_runs(client: PrefectClient) -> str:
    """Its address: where nothing sets it, a Secret block may name it."""
    home = load_home()
    if home.ledger_url is None and (found := await secret_in(client, LEDGER_BLOCK, _ANY_HOST)) is not None:
        return load_home(ledger_url=found[0]).ledger()
    return home.ledger()


async def opened_ledger(url: str) -> Ledger:
    """The ledger at that address, for a look. To be closed. Raises `LedgerError`."""
    heads = load_home().heads_file
    return await asyncio.to_thread(Ledger.open, url, busy_timeout=_PATIENCE_S, heads_file=heads)
