"""The bearer token: made from the application token when needed, renewed before it ends, by one call at a time."""

import asyncio
import base64
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from simtandem.errors import AuthenticationFailed
from simtandem.host import clock

_EARLY_S = 60.0  # renew this long before the end, or in the last tenth of a short life


class Tokens:
    """Hands out the bearer token of the moment.

    `authenticate` makes a new one, once for all callers that wait. If the carrier refuses the login, every later
    caller gets that error without another call: three failures in a row lock the account for five minutes.
    """

    def __init__(
        self, authenticate: Callable[[], Awaitable[str]], *, clock: Callable[[], float] = clock.seconds
    ) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._refused: AuthenticationFailed | None = None

    async def current(self, *, rejected: str = "") -> str:
        """A token to use now. `rejected` is one the carrier just answered 401 to, if any."""
        if self._good(rejected):
            return self._token
        async with self._one_at_a_time:
            if self._refused:
                raise self._refused
            if not self._good(rejected):
                try:
                    token = await self._authenticate()
                except AuthenticationFailed as error:
                    self._refused, self._token = error, ""
                    raise
                self._token, self._renew_at = token, self._end_of_use(token)
        return self._token

    def _good(self, rejected: str) -> bool:
        return bool(self._token) and self._token != rejected and self._clock() < self._renew_at

    def _end_of_use(self, token: str) -> float:
        """When to renew, by the token's own `exp`. One that can't be read is used until the carrier rejects it."""
        now = self._clock()
        try:
            exp = float(_claims(token)["exp"])
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return float("inf")
        left = exp - now
        if not math.isfinite(exp) or left <= 0:  # no moment, or clocks that differ: only a 401 shows it
            return float("inf")
        return exp - min(_EARLY_S, left / 10)


def _claims(token: str) -> Any:
    """What a JWT says of itself; only the carrier can check the signature. A whole library would take longer to import.

    Raises ValueError for what can't be read.
    """
    _, payload, _ = token.split(".")
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
