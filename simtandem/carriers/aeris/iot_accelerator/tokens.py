"""A token of the moment: made when needed, renewed before it ends, by one call at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from simtandem.errors import AuthenticationFailed
from simtandem.host.clock import steady

_EARLY_S = 60.0  # renew this long before the end, or in the last tenth of a short life


class Tokens:
    """Hands out one kind of token. `log_in` makes a new one, and says for how many seconds it lives.

    If the platform refuses the password, every later caller gets that refusal without another call.
    """

    def __init__(self, log_in: Callable[[], Awaitable[tuple[str, float]]], clock: Callable[[], float] = steady) -> None:
        self._log_in = log_in
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._refused: AuthenticationFailed | None = None

    async def current(self, *, rejected: str = "") -> str:
        """A token to use now. `rejected` is one that was just answered with 401, if any."""
        async with self._one_at_a_time:
            if self._refused:
                raise self._refused
            if not self._token or self._token == rejected or self._clock() >= self._renew_at:
                try:
                    self._token, life_s = await self._log_in()
                except AuthenticationFailed as error:
                    self._refused = error
                    raise
                self._renew_at = self._clock() + life_s - min(_EARLY_S, life_s / 10)
        return self._token
