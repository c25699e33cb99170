"""The history of changes: asked for by a request, then read page by page. Pure.

A page may be empty and have another behind it. Here alone the platform spells states with hyphens; they are handed on
with underscores, as everywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simtandem.carriers.aeris.iot_accelerator.response_mapping import read_reply
from simtandem.carriers.http_call import Kind, Received, Reply


@dataclass(frozen=True, slots=True)
class HistoryTicket:
    """The id of an accepted question; empty where the reply is not `OK`."""

    reply: Reply
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A change of a state that has happened. `by` and `ticket` are empty where the platform names none."""

    at: datetime
    imsi: str
    operation: str
    by: str
    ticket: str
    state_word: str


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """Changes of states on a page, and the key of the next page; empty where there is none."""

    reply: Reply
    changes: tuple[StateChanged, ...] = ()
    page: str = ""


def read_asked(received: Received) -> Reply:
    """The reply to a question for the history. A good one has no body, only where to read on."""
    if received.status != 201:
        return read_reply(received)
    return Reply(Kind.OK, received.status, headers=received.headers)


def read_history_ticket(reply: Reply) -> HistoryTicket:
    """The id at the end of `Location`. The address itself is never called: it might lead anywhere."""
    request_id = reply.headers.get("location", "").partition("?")[0].rstrip("/").rpartition("/")[2]
    if reply.kind is Kind.OK and not (request_id.isascii() and request_id.isalnum()):
        return HistoryTicket(_useless(reply, "it does not say where the history is"))
    return HistoryTicket(reply, request_id if reply.kind is Kind.OK else "")


def read_history(reply: Reply, next_query: Mapping[str, str]) -> HistoryAnswer:
    """A page of changes of states. `next_query` is the query of its `next`, already taken apart."""
    if reply.kind is not Kind.OK:
        return HistoryAnswer(reply)
    items = reply.data.get("changes") if isinstance(reply.data, dict) else None
    if not isinstance(items, list):
        return HistoryAnswer(_useless(reply, "it has no changes"))
    of_states = [each for each in items if not isinstance(each, dict) or _state(each)]
    changes = [_change(each) for each in of_states if isinstance(each, dict)]
    whole = [each for each in changes if each is not None]
    if len(whole) < len(of_states):
        return HistoryAnswer(_useless(reply, "a change has no time or no IMSI"))
    return HistoryAnswer(reply, tuple(whole), next_query.get("page", ""))


def _state(item: Mapping[str, Any]) -> str:
    values = item.get("new_values")
    word = values.get("subscription_state") if isinstance(values, dict) else None
    return word.upper().replace("-", "_") if isinstance(word, str) else ""


def _change(item: Mapping[str, Any]) -> StateChanged | None:
    names = ("imsi", "change", "initiated_by", "subscription_request_id")
    imsi, operation, by, ticket = (item[name] if isinstance(item.get(name), str) else "" for name in names)
    try:
        at = datetime.fromisoformat(str(item.get("occured_at")))  # spelled so
    except ValueError:
        return None
    return StateChanged(at.astimezone(UTC), imsi, operation, by, ticket, _state(item)) if imsi and at.tzinfo else None


def _useless(reply: Reply, why: str) -> Reply:
    return Reply(Kind.UNANSWERED, reply.status, f"the carrier's answer can't be used: {why}")
