"""Logging in: from the application token to a bearer token, without ever locking the account.

Three failed logins in a row lock an account for five minutes, for everybody who uses it. So a token that was refused is
tried by nobody again: not by this process, not by one that starts later, and of several that start together one alone
tries. What is no word about the token is not remembered: an outage, a 429, a wrong address, a page of the edge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.refused_tokens import LOCKED_S, Refusal, RefusedTokens
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from simtandem.host.file_lock import lock_file, taken

_LOCKED = 1105  # too many requests: what an account answers that is locked after failed attempts
_LOOK_S = 0.1

LogIn = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets logins through one at a time, and none with a token that was refused before."""

    refused: RefusedTokens
    token: str
    halted: Callable[[], bool]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def log_in(self, once_let_through: LogIn) -> str:
        """What the login returns. Raises `AuthenticationFailed` without a call where this token is known as refused."""
        lock = lock_file(self.refused.lock_file)
        try:
            while not taken(lock):
                if self.halted():
                    raise Interrupted("Stopped while another process logs in; nothing was sent.")
                await self.sleep(_LOOK_S)
            known = await asyncio.to_thread(self.refused.refusal_of, self.token)
            if known:
                raise AuthenticationFailed(_known(known))
            return await once_let_through()
        finally:
            lock.release()

    async def turned_away(self, reply: Reply) -> AuthenticationFailed:
        """What to raise where the carrier answered a login so; what it says of the token is remembered."""
        said = f"HTTP {reply.status}" if reply.kind is Kind.UNAUTHORIZED else reply.sentence or f"HTTP {reply.status}"
        if reply.code == _LOCKED:
            await asyncio.to_thread(self.refused.remember, self.token, said, lasts_s=LOCKED_S)
            return AuthenticationFailed(
                "The carrier has locked the account after failed attempts: wait five minutes, check the token, "
                "run again. Until then nothing is sent."
            )
        if not of_the_token(reply):
            return AuthenticationFailed(
                f"The carrier does not let simtandem in ({said}). It was tried once only, because three failures lock "
                f"the account.\nCheck {_ADDRESS_SETTING} and {_LOGIN_SETTING}, then run again."
            )
        await asyncio.to_thread(self.refused.remember, self.token, said)
        return AuthenticationFailed(
            f"The carrier does not accept the application token ({said}). It was tried once only, because three "
            "failures lock the account; this token is not tried again.\n" + _NEXT
        )


_LOGIN_SETTING = "the token (SIMTANDEM_EMNIFY_TOKEN, or `token` of the named account)"
_ADDRESS_SETTING = "the address (SIMTANDEM_EMNIFY_URL, or `url` of the named account)"
_NEXT = (
    f"Check {_LOGIN_SETTING} and {_ADDRESS_SETTING} and set a token that is accepted, then run again. To try "
    "the same token once more, run `simtandem retry-token` first."
)


def of_the_token(reply: Reply) -> bool:
    """Whether this answer to a login refuses the token: a 401, or another refusal in the API's own words.

    A login names nothing but the token. Without an error code it may be anybody who refuses: a gateway that does not
    know the path, a proxy, the edge's firewall.
    """
    return reply.kind is Kind.UNAUTHORIZED or (reply.kind.refused and reply.code is not None)


def unreachable(reply: Reply) -> CarrierUnavailable:
    """What to raise where no login was answered within the attempts."""
    return CarrierUnavailable(f"The carrier can't be reached to authenticate: {reply.sentence}.", status=reply.status)


def _known(refusal: Refusal) -> str:
    at = refusal.when
    if refusal.until is not None:
        until = f"{datetime.fromtimestamp(refusal.until, UTC):%H:%M:%S} UTC"
        return f"The carrier locked the account at {at} ({refusal.said}). Nothing was sent. Run again after {until}."
    return f"The carrier refused this application token at {at} ({refusal.said}). Nothing was sent.\n" + _NEXT
