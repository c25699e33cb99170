"""What an answer of the IoT Accelerator means. Pure.

Below `/iot/api` errors are problems (`status`, `title`, `detail`, perhaps `code` and `type`); below `/dcpapi` they are
`{code, httpStatus, message, detailedMessage}`. States are handed on as the platform's words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simtandem.carriers.http_call import Kind, Received, Reply, by_status, shown, unusable
from simtandem.carriers.protocol import ticket_note

ENDED = ("CANCELED", "REJECTED", "COMPLETED", "COMPLETED_WITH_FAILURES")
"""The states of a request that nothing follows. UNKNOWN is none: the platform itself doesn't know."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A SIM as it is listed. `state_word` is the platform's, untranslated; `locked`: its state can't be changed."""

    iccid: str
    imsi: str
    msisdn: str
    state_word: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionsAnswer:
    """Subscriptions, and the cursor of the next page; empty where there is none."""

    reply: Reply
    subscriptions: tuple[Subscription, ...] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """The id of an accepted request; empty where the reply is not `OK`."""

    reply: Reply
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class TicketLine:
    """What became of one subscription of a request, so far. Ids that the answer does not have are empty."""

    iccid: str
    imsi: str
    msisdn: str
    state_word: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketState:
    """How far a request is. `lines` are those of the page that was asked for, of `size` in all."""

    reply: Reply
    state_word: str = ""
    size: int = 0
    lines: tuple[TicketLine, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketsAnswer:
    """The ids of requests that were found."""

    reply: Reply
    tickets: tuple[str, ...] = ()


def read_reply(received: Received) -> Reply:
    """The reply to any call that answers JSON."""
    data = received.data
    if not 200 <= received.status < 300:
        error = data if isinstance(data, dict) else {}
        message = shown(error.get("detail")) or shown(error.get("detailedMessage")) or shown(error.get("message"))
        return by_status(received, _code(error.get("code")), message or shown(error.get("title")))
    if received.flaw or not isinstance(data, dict | list):
        return unusable(received)
    return Reply(Kind.OK, received.status, data=data, headers=received.headers)


def read_submitted(received: Received) -> Reply:
    """The reply to a change, with its ticket as the record keeps it: before anybody polls it."""
    reply = read_reply(received)
    ticket = _text(_mapping(reply.data).get("subscription_request_id"))
    return replace(reply, ticket=ticket_note(ticket)) if ticket else reply


def read_polled(ticket: str, received: Received) -> Reply:
    """The reply to a poll, which says in the record whether the request has ended."""
    reply = read_reply(received)
    word = _mapping(reply.data).get("subscriptionRequestState")
    return replace(reply, ticket=ticket_note(ticket, ended=word in ENDED))


def read_ticket(reply: Reply) -> TicketAnswer:
    """The id in the answer to a change."""
    ticket = _text(_mapping(reply.data).get("subscription_request_id"))
    if reply.kind is Kind.OK and not ticket:
        return TicketAnswer(_useless(reply, "it has no subscription_request_id"))
    return TicketAnswer(reply, ticket)


def read_ticket_state(reply: Reply, ticket: str) -> TicketState:
    """How far the request is that was asked for."""
    if reply.kind is not Kind.OK:
        return TicketState(reply)
    data = _mapping(reply.data)
    word, resources, size = (
        _text(data.get("subscriptionRequestState")),
        data.get("subscriptionRequestResources"),
        data.get("size"),
    )
    if data.get("subscriptionRequestId") != ticket:
        return TicketState(_useless(reply, "it is about another request"))
    if not word or not isinstance(resources, list) or type(size) is not int:
        return TicketState(_useless(reply, "it does not show how far the request is"))
    return TicketState(reply, word, size, tuple(_line(_mapping(each)) for each in resources))


def read_tickets(reply: Reply) -> TicketsAnswer:
    """The ids of requests. How their list's items look is not documented: as texts, or as a request names its id."""
    if reply.kind is not Kind.OK:
        return TicketsAnswer(reply)
    items = reply.data if isinstance(reply.data, list) else [None]
    found = [_text(each) or _text(_mapping(each).get("subscriptionRequestId")) for each in items]
    if not all(found):
        return TicketsAnswer(_useless(reply, "it does not show the ids of requests"))
    return TicketsAnswer(reply, tuple(found))


def read_subscriptions(reply: Reply, cursor_of: Mapping[str, str]) -> SubscriptionsAnswer:
    """Subscriptions of an answer. `cursor_of` is the query of its `next`, already taken apart."""
    if reply.kind is not Kind.OK:
        return SubscriptionsAnswer(reply)
    items = _mapping(reply.data).get("subscriptions")
    found = [_subscription(_mapping(each)) for each in items] if isinstance(items, list) else [None]
    whole = [each for each in found if each is not None]
    if len(whole) < len(found):
        return SubscriptionsAnswer(_useless(reply, "it does not show the state of every subscription"))
    return SubscriptionsAnswer(reply, tuple(whole), cursor_of.get("cursor", ""))


def _subscription(item: Mapping[str, Any]) -> Subscription | None:
    iccid, imsi, msisdn = (_number(item.get(name)) for name in ("iccid", "imsi", "msisdn"))
    word = _text(item.get("state"))
    locked = item.get("subscriptionStateLocked") is True
    return Subscription(iccid, imsi, msisdn, word, locked) if word and (iccid or imsi) else None


def _line(item: Mapping[str, Any]) -> TicketLine:
    properties = [_mapping(each) for each in _sequence(item.get("resourceProperties"))]
    ids = {_text(each.get("type")): _text(each.get("value")) for each in properties}
    failures = [_mapping(each) for each in _sequence(item.get("resourceFailureInfos"))]
    reasons = tuple(filter(None, (_reason(each) for each in failures)))
    iccid, imsi, msisdn = (ids.get(kind, "") for kind in ("ICCID", "IMSI", "MSISDN"))
    return TicketLine(iccid, imsi, msisdn, _text(item.get("resourceState")), reasons)


def _reason(failure: Mapping[str, Any]) -> str:
    """What a failure says, from an object whose fields are not documented: all the texts in it."""
    texts = [shown(value) for value in _mapping(failure.get("errorObject")).values()]
    return ", ".join(filter(None, texts)) or shown(failure.get("getErrorType"))


def _useless(reply: Reply, why: str) -> Reply:
    return Reply(Kind.UNANSWERED, reply.status, f"the carrier's answer can't be used: {why}")


def _code(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else shown(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _number(value: object) -> str:
    """An id, which one of the published examples shows without quotes."""
    return str(value) if type(value) is int else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
