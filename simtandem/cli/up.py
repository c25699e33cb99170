"""`simtandem up`."""

import asyncio
from typing import Annotated

import typer

from simtandem.errors import InputError
from simtandem.prefect_server.up import serve
from simtandem.settings import load_home, prefect_api_url
from simtandem.text.terminal import results


def up(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on. One that other machines reach needs a credential of yours."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port of the UI and the API.")] = 4200,
    *,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Start no worker: it runs elsewhere, or as another user.")
    ] = False,
) -> None:
    """Run a Prefect server, the deployments with their schedules, and a worker on this machine until Ctrl-C."""
    if prefect_api_url():
        raise InputError(
            "PREFECT_API_URL is set, so there is a server already. Use `simtandem deploy` and `simtandem "
            "worker`, or unset it. Nothing was started."
        )
    asyncio.run(serve(load_home(), host, port, results(), with_worker=not no_worker))
