"""What `simtandem up` and `simtandem deploy` do."""

import asyncio

from simtandem.errors import InputError
from simtandem.prefect_server.flow_start import Orchestration
from simtandem.prefect_server.up import up
from simtandem.settings import load, prefect_api_url
from simtandem.text.terminal import results


def serve(host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    if prefect_api_url():
        raise InputError(
            "PREFECT_API_URL is set, so there is a server already. Use `simtandem deploy` and a worker of the pool "
            "`simtandem` there, or unset it. Nothing was started."
        )
    asyncio.run(up(load(), host, port, results()))


def deploy_all() -> None:
    """Deploy to the operator's server."""
    if not prefect_api_url():
        raise InputError("PREFECT_API_URL is not set: there is no server to deploy to. `simtandem up` has its own.")
    asyncio.run(_deploy())


async def _deploy() -> None:
    settings = load()
    async with Orchestration(settings) as prefect:
        url = await prefect.ready()
        from simtandem.prefect_server.deployments import deploy

        deployed = await deploy(settings)
    console = results()
    for name in (*deployed.deployments, *deployed.automations):
        console.print(f"  {name}")
    console.print(
        f"All of it is on {url.removesuffix('/api')}. Runs need a worker: prefect worker start --pool simtandem"
    )
