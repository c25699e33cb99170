"""Logging in, in the platform's two ways: a bearer token for `/iot/api`, an access token for all below `/dcpapi`."""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.iot_accelerator.response_mapping import read_reply
from simtandem.carriers.aeris.paced import known_refused, login_refused, pause
from simtandem.carriers.http_call import Content, Kind, Reply, Sender
from simtandem.carriers.protocol import Call
from simtandem.carriers.refused_tokens import RefusedTokens
from simtandem.errors import CarrierUnavailable
from simtandem.host import clock
from simtandem.host.file_lock import lock_file, taken
from simtandem.text.redaction import learn, learn_passing

BEARER = "/iot/api/auth/token"
ACCESS = "/dcpapi/rest/subscriptionManagement/v1/login"
CLIENT_ID = "cm-public-api-client"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where and as whom to call."""

    base_url: str
    username: str
    password: str = field(repr=False)


class Logins:
    """Makes tokens. Each method returns one with the seconds that it lives.

    They raise `AuthenticationFailed` where the platform refuses the password, which is not tried again, and
    `CarrierUnavailable` where there was no usable answer.
    """

    def __init__(
        self,
        credentials: Credentials,
        sender: Sender,
        rates: Rates,
        now: Callable[[], float] = clock.seconds,
        refused: RefusedTokens | None = None,
    ) -> None:
        learn(credentials.password)
        self._credentials = credentials
        self._sender = sender
        self._rates = rates
        self._now = now
        self._refused = refused
        self._secret = f"{credentials.username}\n{credentials.password}"
        self._one_at_a_time = asyncio.Lock()

    async def bearer(self) -> tuple[str, float]:
        """A bearer token."""
        form = {
            "grant_type": "password",
            "client_id": CLIENT_ID,
            "username": self._credentials.username,
            "password": self._credentials.password,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        reply = await self._log_in(BEARER, Content(headers, body=urlencode(form).encode()))
        return _token(reply, "access_token"), _seconds(reply, "expires_in")

    async def access(self) -> tuple[str, float]:
        """An access token. Its `expirationTime` is in milliseconds, of the day or left: both are understood."""
        given = {"email": self._credentials.username, "password": self._credentials.password}
        headers = {"Content-Type": "application/json", "Accept": "application/vnd.dcp-v1+json, application/json"}
        reply = await self._log_in(ACCESS, Content(headers, body=json.dumps(given).encode()))
        ends, now = _seconds(reply, "expirationTime") / 1000, self._now()
        left = ends - now if ends > now / 2 else ends
        return _token(reply, "token"), left if left > 0 else math.inf  # clocks that differ: only a 401 shows it

    async def _log_in(self, path: str, content: Content) -> Reply:
        """One of many processes finds out whether the password is refused, and the others read what it found."""
        if self._refused is None:
            return await self._once(path, content)
        lock = lock_file(self._refused.lock_file)
        async with self._one_at_a_time:
            try:
                while not taken(lock):
                    await pause(1)
                if known := await asyncio.to_thread(self._refused.refusal_of, self._secret):
                    raise known_refused(known, "this user name and password")
                return await self._once(path, content)
            finally:
                lock.release()

    async def _once(self, path: str, content: Content) -> Reply:
        reply = await self._sender.send(
            Call("POST", path, "authenticate"), content, self._rates.windows(path), read_reply
        )
        if reply.kind is Kind.OK:
            return reply
        if reply.kind is Kind.UNAUTHORIZED and self._refused is not None:
            await asyncio.to_thread(self._refused.remember, self._secret, f"HTTP {reply.status}")
        if reply.kind in (Kind.UNAUTHORIZED, Kind.REFUSED):
            raise login_refused(reply)
        raise CarrierUnavailable(f"Aeris can't be reached to log in: {reply.sentence}.", status=reply.status)


def _token(reply: Reply, name: str) -> str:
    token = reply.data.get(name) if isinstance(reply.data, dict) else None
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and token.strip()):
        raise CarrierUnavailable("Aeris answered a login without a token.", status=reply.status)
    learn_passing(token)
    return token


def _seconds(reply: Reply, name: str) -> float:
    """A number of the answer; one that is none, or not of use, is taken for a token that lives until it is rejected."""
    value = reply.data.get(name) if isinstance(reply.data, dict) else None
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if good and value is not None else math.inf
