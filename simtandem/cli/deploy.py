"""`simtandem deploy`."""

import asyncio

from simtandem.prefect_server.flow_start import Orchestration
from simtandem.prefect_server.prefect_settings import address_of_server
from simtandem.settings import Settings, load_home
from simtandem.text.terminal import results


def deploy() -> None:
    """Create or update deployments, work pool and automations on the Prefect server.

    The server is the one of PREFECT_API_URL, or the one of this home that `simtandem up` runs. It can be repeated.
    """
    settings = load_home()
    address_of_server(settings)
    asyncio.run(_deploy(settings))


async def _deploy(settings: Settings) -> None:
    async with Orchestration(settings) as prefect:
        url = await prefect.ready()
        from simtandem.prefect_server import deployments

        deployed = await deployments.deploy(settings)
    console = results()
    for name in (*deployed.deployments, *deployed.automations):
        console.print(f"  {name}")
    console.print(
        f"Deployed to {url.removesuffix('/api')}. Runs need a worker: `simtandem up` or `simtandem worker`.",
        soft_wrap=True,
    )
