"""What time it is for the Prefect server: scheduled times and deadlines are by its clock, not by that of this host."""

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prefect.client.orchestration import PrefectClient


async def server_time(client: PrefectClient) -> datetime:
    """In UTC, to the second, as an answer of the server says; by this host's clock where no answer says it.

    Raises what the client raises where the server does not answer.
    """
    answer = await client.request("GET", "/health")
    with suppress(ValueError):
        told = parsedate_to_datetime(answer.headers.get("Date", ""))
        if told.tzinfo is not None:
            return told.astimezone(UTC)
    return datetime.now(UTC)
