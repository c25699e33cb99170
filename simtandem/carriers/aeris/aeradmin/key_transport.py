"""The API key, added to a call below the client.

AerAdmin wants its key in the query of every call. A client keeps the address of a call in log lines and exceptions, so
the key must not be in it: it is added where the call leaves, and nothing above ever sees it.
"""

import httpx


class KeyTransport(httpx.AsyncBaseTransport):
    """Sends through `below`, with the key in the query."""

    def __init__(self, below: httpx.AsyncBaseTransport, api_key: str) -> None:
        self._below = below
        self._api_key = api_key

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the call with its key."""
        keyed = httpx.Request(
            request.method,
            request.url.copy_set_param("apiKey", self._api_key),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await self._below.handle_async_request(keyed)

    async def aclose(self) -> None:
        """Close the connections below."""
        await self._below.aclose()
