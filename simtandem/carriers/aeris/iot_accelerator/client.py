"""The platform's calls: read subscriptions, ask for changes, poll what became of them, find a request again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from simtandem import __version__
from simtandem.carriers.aeris.iot_accelerator.history import (
    HistoryAnswer,
    HistoryTicket,
    read_asked,
    read_history,
    read_history_ticket,
)
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials, Logins
from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.iot_accelerator.response_mapping import (
    SubscriptionsAnswer,
    TicketAnswer,
    TicketsAnswer,
    TicketState,
    read_polled,
    read_reply,
    read_submitted,
    read_subscriptions,
    read_ticket,
    read_ticket_state,
    read_tickets,
)
from simtandem.carriers.aeris.iot_accelerator.tokens import Tokens
from simtandem.carriers.aeris.paths import CHANGE_HISTORY as HISTORY
from simtandem.carriers.aeris.paths import REQUESTS
from simtandem.carriers.aeris.paths import STATE_CHANGES as CHANGES
from simtandem.carriers.aeris.paths import SUBSCRIPTION_DETAILS as DETAILS
from simtandem.carriers.http_call import Content, Kind, Reader, Reply, Sender, trusted
from simtandem.carriers.protocol import Call, Fresh, Journal, always_fresh
from simtandem.carriers.rate_limit import CallBudget
from simtandem.carriers.refused_tokens import RefusedTokens
from simtandem.carriers.response_body import ACCEPT_ENCODING
from simtandem.errors import AuthenticationFailed, CarrierRefused

_CHANGE_STATE = "CHANGE_SUBSCRIPTIONSTATE"
_TIMEOUT = httpx.Timeout(60.0, connect=10.0, pool=None)


class IotAcceleratorClient:
    """Sends each call once, once more with a new token where its token has ended, and says what the answer means.

    `transport` is there for tests. Use as an async context manager.
    """

    def __init__(
        self,
        credentials: Credentials,
        budget: CallBudget,
        journal: Journal,
        *,
        rates: Rates | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        refused: RefusedTokens | None = None,
    ) -> None:
        self._rates = rates or Rates()
        self._http = httpx.AsyncClient(
            base_url=credentials.base_url,
            transport=transport,
            verify=trusted(credentials.base_url),
            follow_redirects=False,  # the server must not choose who gets the token next
            trust_env=False,
            timeout=_TIMEOUT,
            headers={"User-Agent": f"simtandem/{__version__}", "Accept-Encoding": ACCEPT_ENCODING},
        )
        self._sender = Sender(self._http, budget, journal)
        logins = Logins(credentials, self._sender, self._rates, refused=refused)
        self._bearer, self._access = Tokens(logins.bearer), Tokens(logins.access)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def details(
        self, kind: str, idents: Sequence[str], *, purpose: str = "read", attempt: int = 1
    ) -> SubscriptionsAnswer:
        """Read subscriptions by `ICC`, `IMSI` or `MSISDN`, with their locks. Those not there may be missing."""
        body = {"identifierType": kind, "identifierValues": list(idents)}
        reply = await self._send(Call("POST", DETAILS, purpose, attempt), body, {"additionalFields": "LOCK_STATE"})
        return read_subscriptions(reply, {})

    async def page(
        self, company: str, cursor: str = "", *, limit: int = 10_000, attempt: int = 1
    ) -> SubscriptionsAnswer:
        """A page of all subscriptions of a company, by IMSI. No `cursor`: the first; none in the answer: the last."""
        query = {"q": f"COMPANY=={company}", "order": "IMSI", "limit": str(limit)} | (
            {"cursor": cursor} if cursor else {}
        )
        reply = await self._send(Call("GET", DETAILS, "list", attempt), query=query)
        return read_subscriptions(reply, _next_query(reply))

    async def submit(
        self, kind: str, idents: Sequence[str], state_word: str, *, attempt: int = 1, fresh: Fresh = always_fresh
    ) -> TicketAnswer:
        """Ask for a state. Where that is `UNANSWERED`, look with `find` before it is sent again."""
        body = {
            "subscriptions": {"identifier_type": kind, "identifiers": list(idents)},
            "change": {"state": state_word},
        }
        call = Call("POST", CHANGES, "change", attempt, json.dumps(body), fresh)
        return read_ticket(await self._send(call, body, read=read_submitted))

    async def poll(self, ticket: str, page: int = 0, *, per_page: int = 1000, attempt: int = 1) -> TicketState:
        """How far a request is, with a page of its subscriptions, counted from 0."""
        _require_id(ticket)
        query = {"page": str(page), "perPage": str(per_page)}
        call = Call("GET", f"{REQUESTS}/{ticket}", "read_back", attempt)
        reply = await self._send(call, query=query, read=partial(read_polled, ticket))
        return read_ticket_state(reply, ticket)

    async def find(self, created_by: str, since: datetime, *, limit: int = 1000, attempt: int = 1) -> TicketsAnswer:
        """Requests for changes of state by this user since then. They can't be found by subscription: poll each."""
        wanted = {
            "subscriptionRequestTypes": [_CHANGE_STATE],
            "createdBy": created_by,
            "timeCreatedAfter": _moment(since),
            "limit": limit,
        }
        return read_tickets(await self._send(Call("POST", f"{REQUESTS}/find", "read_back", attempt), wanted))

    async def ask_history(
        self, imsis: Sequence[str], since: datetime, until: datetime, *, attempt: int = 1
    ) -> HistoryTicket:
        """Ask for the changes of up to 1,000 subscriptions, at most three months back."""
        wanted = {
            "identifier_type": "imsi",
            "identifiers": list(imsis),
            "since": _moment(since),
            "until": _moment(until),
        }
        return read_history_ticket(await self._send(Call("POST", HISTORY, "list", attempt), wanted, read=read_asked))

    async def history(self, request_id: str, page: str = "", *, attempt: int = 1) -> HistoryAnswer:
        """A page of the changes asked for. Where its answer has a `page` there is another, also behind an empty one."""
        _require_id(request_id)
        call = Call("GET", f"{HISTORY}/{request_id}", "list", attempt)
        reply = await self._send(call, query={"page": page} if page else None)
        return read_history(reply, _next_query(reply))

    async def _send(
        self,
        call: Call,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        read: Reader = read_reply,
    ) -> Reply:
        content = Content({}, query or {}, None if body is None else json.dumps(body).encode())
        tokens = self._access if call.path.startswith(REQUESTS) else self._bearer
        token = await tokens.current()
        reply = await self._once(call, content, token, read)
        if reply.kind is Kind.UNAUTHORIZED:
            try:
                token = await tokens.current(rejected=token)
            except AuthenticationFailed as error:
                raise error.of_change(reply.status, call.attempt) if call.purpose == "change" else error from error
            reply = await self._once(replace(call, attempt=call.attempt + 1), content, token, read)
        return reply

    async def _once(self, call: Call, content: Content, token: str, read: Reader) -> Reply:
        if call.path.startswith(REQUESTS):
            headers = {"X-Access-Token": token, "Accept": "application/vnd.dcp-v1+json, application/json"}
        else:
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if content.body is not None:
            headers["Content-Type"] = "application/json"
        windows, counted = self._rates.windows(call.path), partial(self._rates.counted, call.path)
        reply = await self._sender.send(call, replace(content, headers=headers), windows, read, counted)
        self._rates = self._rates.lowered(call.path, reply.headers)
        return reply


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _next_query(reply: Reply) -> dict[str, str]:
    """The query of the next page's address, which is never called as it is: it might lead anywhere."""
    following = reply.data.get("next") if isinstance(reply.data, dict) else None
    return dict(parse_qsl(urlsplit(following).query)) if isinstance(following, str) else {}


def _require_id(request_id: str) -> None:
    if not (request_id.isascii() and request_id.isalnum()):
        raise CarrierRefused(f"{request_id!r} is not the id of a request. Nothing was sent.", "misdirected")
