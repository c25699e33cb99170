"""One call to emnify, from its place in the budget to an answer that means something.

Which fault is handled where: the budget waits (rate limits, 429). This module renews tokens and repeats what certainly
was not processed, and reads, which may be repeated freely. An unanswered write is handed back: only its caller knows
how to read it back.
"""

import asyncio
import math
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TypeGuard

import httpx

from simtandem import progress
from simtandem.carriers.emnify.auth import Gate, unreachable
from simtandem.carriers.emnify.bearer_token import Tokens
from simtandem.carriers.emnify.patience import ONE_WITHIN_S
from simtandem.carriers.emnify.response_mapping import REDIRECTS, Kind, Reply, read, unusable_reply
from simtandem.carriers.http_call import TOO_LATE
from simtandem.carriers.patience import MANY_WITHIN_S
from simtandem.carriers.protocol import Answer, Call, Journal, Outdated
from simtandem.carriers.rate_limit import CallBudget, Spacing, Window
from simtandem.carriers.refused_tokens import RefusedTokens
from simtandem.carriers.response_body import OF_A_PAGE, OF_AN_ITEM, Unusable, read_body
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable
from simtandem.host import clock
from simtandem.text.redaction import learn, learn_passing, redacted

ATTEMPTS = 6
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 8.0
_LOOK_AGAIN_S = 1.0  # whether someone has halted everything meanwhile
_RENEWALS = 3  # of the token, for one call
_ONE = httpx.Timeout(15.0, connect=10.0, pool=None)
_MANY = httpx.Timeout(60.0, connect=10.0, pool=None)  # a page of thousands, or as many endpoints in one PATCH
_PATIENCE_S = 60.0  # with 429s, for one call: so long beyond a window in which nothing was sent
_LEFT_FOR_LOOKING, _LEFT_SHARE = 20, 100
"""Slots of the window that changes leave free: so many, or one in so many where that is less.

A run that is stopped while it waits can look afterwards, and the listings of others continue.
"""
_AUTHENTICATE = "/api/v1/authenticate"
_TOKEN = re.compile(r"[!-~]{1,8192}")  # what can be in a header
_LONGEST_HEADER = 4096
_LONGEST_WAIT_S = 1e9
_REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")

# Rates of the carrier's documentation, kept a tenth below: calls may arrive closer together than they were sent.
SPACINGS = {
    "list_sims": Spacing("list_sims", 1.1 / 10),
    "list_endpoints": Spacing("list_endpoints", 1.1 / 10),
    "list_events": Spacing("list_events", 1.1 / 10),
    "sim": Spacing("sim", 1.1 / 100),
    "endpoint": Spacing("endpoint", 1.1 / 50),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The windows every call counts in, and the one of authenticating."""

    every_call: Window
    authenticating: Window


class Transport:
    """Sends calls. `sleep` and `rng` are there for tests."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        budget: CallBudget,
        journal: Journal,
        limits: Limits,
        application_token: str,
        refused: RefusedTokens,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._http = http
        self._budget = budget
        self._journal = journal
        self._limits = limits
        self._application_token = application_token
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._changes_halted = False
        self.unknown_statuses: dict[tuple[str, str], str] = {}
        """What the carrier shows as the status of halves whose status nobody knows, by kind of id and id."""
        self.unsorted: set[str] = set()
        """Listings of which the carrier refuses the order asked for: they are read as they come."""
        learn(application_token)
        self._gate = Gate(refused, application_token, lambda: budget.halted)
        self.tokens = Tokens(self._authenticate)

    def halt_changes(self) -> None:
        """Send no more changes: those that still wait raise `Interrupted`. All other calls continue."""
        self._changes_halted = True

    def allow_changes(self) -> None:
        """Undo `halt_changes`."""
        self._changes_halted = False

    async def get(self, path: str, *, spacing: str, purpose: str, query: dict[str, str] | None = None) -> Reply:
        """Read, repeating what goes wrong on the way. The reply is `OK` or refused.

        Raises `CarrierUnavailable` when the attempts are used up.
        """
        call = Call("GET", path, purpose)
        for attempt in range(1, ATTEMPTS + 1):
            reply = await self.send(replace(call, attempt=attempt), spacing=SPACINGS[spacing], query=query)
            if reply.kind is not Kind.UNANSWERED:
                return reply
            if attempt < ATTEMPTS:
                await self.back_off(attempt)
        raise CarrierUnavailable(
            f"GET {path}: no answer in {ATTEMPTS} attempts; {reply.sentence}.", status=reply.status
        )

    async def send(self, call: Call, *, spacing: Spacing | None = None, query: dict[str, str] | None = None) -> Reply:
        """Send a call until it has a reply of its own: not a 429, a stale token or a connection that never stood.

        The reply may be `UNANSWERED`. Raises `CarrierUnavailable` and `AuthenticationFailed`.
        """
        token, unreached, renewals, throttled, throttled_s = await self.tokens.current(), 0, 0, 0, 0.0
        patience_s = self._limits.every_call.seconds + _PATIENCE_S
        while True:
            headers = {"Authorization": f"Bearer {token}"}
            reply = await self._send_once(call, (self._limits.every_call,), spacing, headers=headers, params=query)
            if reply.kind is Kind.UNAUTHORIZED:
                renewals += 1
                token = await self._renewed(token, call, reply, renewals)
            elif reply.kind is Kind.THROTTLED:
                throttled += 1
                pause_s = self._budget.throttled(retry_after(reply.headers), throttled)
                if throttled > 1 and throttled_s + pause_s > patience_s:
                    raise CarrierUnavailable(
                        f"The carrier rate-limits every call: {call.method} {call.path} was answered with HTTP 429 "
                        f"{throttled} times in {throttled_s:.0f} s. Something else may use the account's limit; run "
                        "again later.",
                        status=429,
                    )
                throttled_s += pause_s
            elif reply.kind is Kind.UNREACHED:
                unreached += 1
                if unreached >= ATTEMPTS:
                    raise CarrierUnavailable(f"{call.method} {call.path}: {reply.sentence}, {unreached} times.")
                await self.back_off(unreached)
            else:
                self._budget.answered()
                return reply
            call = replace(call, attempt=call.attempt + 1)

    async def _renewed(self, rejected: str, call: Call, reply: Reply, renewals: int) -> str:
        """Another token than the one that this reply rejects. Raises `AuthenticationFailed`."""
        try:
            if renewals > _RENEWALS:
                raise AuthenticationFailed("The carrier refuses tokens that it has just made; nothing more is sent.")
            return await self.tokens.current(rejected=rejected)
        except AuthenticationFailed as error:
            if call.purpose != "change":
                raise
            raise error.of_change(reply.status, call.attempt) from error

    async def back_off(self, attempt: int) -> None:
        """Wait before attempt number `attempt` + 1: longer each time, spread at random; not once all is halted."""
        longest = min(_FIRST_DELAY_S * 2.0**attempt, _LONGEST_DELAY_S)
        left = self._rng.uniform(longest / 2, longest)
        with progress.current().waits("no answer from the carrier, the call is repeated", left):
            while left > 0 and not self._budget.halted:
                part = min(left, _LOOK_AGAIN_S)
                await self._sleep(part)
                left -= part

    async def _send_once(
        self,
        call: Call,
        windows: tuple[Window, ...],
        spacing: Spacing | None = None,
        *,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        secret_body: dict[str, str] | None = None,
    ) -> Reply:
        """Send once: place in the budget, intent in the journal, call, answer in the journal."""
        many = call.purpose == "list" or call.path.endswith("/multi")
        request = self._http.build_request(
            call.method,
            call.path,
            params=params,
            headers={**(headers or {}), **({"Content-Type": "application/json"} if call.body else {})},
            content=call.body,
            json=secret_body,
            timeout=_MANY if many else _ONE,
        )
        self._require_own_host(request.url)
        async with self._budget.place(
            windows,
            spacing,
            lambda: self._may_not_go(call),
            left_free=_left_free(windows[0]) if call.purpose == "change" else 0,
            changes=call.method == "PATCH",
            follows_up=call.follows_up,
            tell=call.purpose != "change",  # while changes are sent, the progress shows the time they wait
        ) as slot:
            call_id = await self._journal.intent(call)
            begun = clock.steady()
            if await slot.confirmed():
                reply, fault, request_id = await self._exchange(request, wants_body=call.method != "PATCH", many=many)
            else:
                reply, fault, request_id = Reply(Kind.UNREACHED, None, TOO_LATE), TOO_LATE, ""
        seconds, last = clock.steady() - begun, call.purpose == "change" and reply.kind is Kind.OK
        await self._journal.answer(call_id, Answer(reply.status, seconds, reply.code, fault, request_id, last))
        return reply

    def _require_own_host(self, url: httpx.URL) -> None:
        """The token goes to the host that it was configured with, for any path."""
        own = self._http.base_url
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            raise CarrierRefused(f"A call would have left {own.host} with its token. It was not sent.", "misdirected")

    def _may_not_go(self, call: Call) -> bool:
        """Whether a call that waits must not be sent any more. Raises `Outdated` where it has waited too long."""
        if not call.fresh():
            raise Outdated(sent=False)
        return self._changes_halted and call.purpose == "change"

    def stopped(self, purpose: str) -> bool:
        """Whether changes for that are not sent any more."""
        return self._budget.stopped(follows_up=False) or (self._changes_halted and purpose == "change")

    async def _exchange(self, request: httpx.Request, *, wants_body: bool, many: bool) -> tuple[Reply, str, str]:
        """The reply, the fault's name where there was one, and the carrier's id of the request.

        Any answer, however slow, ends in time and takes a bounded part of the memory. Redirects are not
        followed: they would take the token somewhere else.
        """
        try:
            async with asyncio.timeout(MANY_WITHIN_S if many else ONE_WITHIN_S):
                response = await self._http.send(request, stream=True, follow_redirects=False)
                try:
                    body: bytes | Unusable = await read_body(response, OF_A_PAGE if many else OF_AN_ITEM)
                except Unusable as unusable:
                    body = unusable
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Reply(Kind.UNREACHED, None, f"no connection to {request.url.host}"), type(error).__name__, ""
        except httpx.InvalidURL as error:  # httpx looks where a redirect leads, also where it is not followed
            return Reply(Kind.FORBIDDEN, None, REDIRECTS), type(error).__name__, ""
        except (httpx.HTTPError, TimeoutError) as error:
            return Reply(Kind.UNANSWERED, None, "the connection broke before an answer"), type(error).__name__, ""
        reply = _reply(response, body, wants_body=wants_body)
        named = next((response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), "")
        request_id = redacted(named[:_LONGEST_HEADER])[:64]
        return reply, "" if reply.status and reply.kind is not Kind.UNANSWERED else reply.sentence, request_id

    async def _authenticate(self) -> str:
        return await self._gate.log_in(self._log_in)

    async def _log_in(self) -> str:
        windows = (self._limits.every_call, self._limits.authenticating)
        for attempt in range(1, ATTEMPTS + 1):
            call = Call("POST", _AUTHENTICATE, "authenticate", attempt)
            reply = await self._send_once(call, windows, secret_body={"application_token": self._application_token})
            token = reply.data.get("auth_token") if isinstance(reply.data, dict) else None
            if reply.kind is Kind.OK and _is_token(token):
                return token
            if reply.kind is Kind.THROTTLED:
                self._budget.throttled(retry_after(reply.headers), attempt)
            elif reply.kind in (Kind.UNANSWERED, Kind.UNREACHED):
                await self.back_off(attempt)
            else:
                raise await self._gate.turned_away(reply)
        raise unreachable(reply)


def _reply(response: httpx.Response, body: bytes | Unusable, *, wants_body: bool) -> Reply:
    """What a response means. Tokens in it are noted as secrets."""
    if isinstance(body, Unusable):
        if response.is_success:
            return unusable_reply(response.status_code, str(body))
        body = b""
    reply = read(response, wants_body=wants_body, body=body)
    if response.request.url.path.endswith(_AUTHENTICATE) and isinstance(reply.data, dict):
        learn_passing(*(each for name, each in reply.data.items() if "token" in name and _is_token(each)))
    return reply


def _left_free(window: Window) -> int:
    return min(_LEFT_FOR_LOOKING, max(window.calls // _LEFT_SHARE, min(1, window.calls // 10)))


def _is_token(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def retry_after(headers: httpx.Headers | None) -> float | None:
    """Seconds to wait by the Retry-After header, given in seconds or as a date; None where there is none to read.

    It may be 0, where the header says so or names a date in the past: the caller pauses as well.
    """
    text = headers.get("Retry-After", "").strip() if headers else ""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return min(max(0.0, seconds), _LONGEST_WAIT_S) if math.isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
