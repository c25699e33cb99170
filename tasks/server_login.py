"""What the login of the Prefect server that simtandem started knows of who began a run and who answered it."""

from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

PATH = "/simtandem/people"
"""Where that server says so, below its API; another server has nothing there, and vouches for nobody."""


class ServerLogin:
    """See `simtandem.runs.four_eyes.Login`."""

    async def asked(self, flow_run: UUID) -> str | None:
        """Who began this flow run."""
        return (await _deeds(flow_run)).get("")

    async def answered(self, flow_run: UUID, key: str) -> str | None:
        """Who answered what this flow run asked under that key."""
        return (await _deeds(flow_run)).get(key) if key else None


async def _deeds(flow_run: UUID) -> dict[str, str]:
    async with get_client() as client:
        try:
            answer = await client.request("GET", cast("Any", f"{PATH}/{flow_run}"))
        except PrefectHTTPStatusError as error:
            if error.response.status_code in (404, 405):
                return {}
            raise
    told: dict[str, str] = answer.json()
    return told
