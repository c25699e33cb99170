"""`simtandem deploy`."""

import asyncio

from simtandem.errors import InputError
from simtandem.prefect_server.flow_start import Orchestration
from simtandem.settings import load, prefect_api_url
from simtandem.text.terminal import results


def deploy() -> None:
    """Create or update deployments, work pool and automations on the Prefect server of PREFECT_API_URL.

    It can be repeated.
    """
    if not prefect_api_url():
        raise InputError(
            "PREFECT_API_URL is not set: there is no server to deploy to. `simtandem up` starts a server of its own."
        )
    asyncio.run(_deploy())


async def _deploy() -> None:
    settings = load()
    async with Orchestration(settings) as prefect:
        url = await prefect.ready()
        from simtandem.prefect_server.deployments import deploy as deploy_to

        deployed = await deploy_to(settings)
    console = results()
    for name in (*deployed.deployments, *deployed.automations):
        console.print(f"  {name}")
    console.print(
        f"Deployed to {url.removesuffix('/api')}. Runs need a worker: prefect worker start --pool simtandem",
        soft_wrap=True,
    )
