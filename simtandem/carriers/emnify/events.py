"""The carrier's event log, a window of it at a time, with the fewest calls.

A query takes up to six types and up to six ICCIDs. Where only a few SIMs are of interest and the window is long, asking
for the SIMs costs less than reading the window; the window's first page shows which.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.event_types import EventSource, type_of
from schemas.tables import Events, empty
from simtandem.carriers.emnify.item_mapping import Item, moment, number, part, words
from simtandem.carriers.emnify.paging import Route, read_page, read_page_filtered, read_rest
from simtandem.carriers.emnify.transport import Transport

AT_ONCE = 6
"""So many values one filter takes."""

_SCHEMA = empty(Events).schema
_LONGEST_ID, _LONGEST_NAME = 64, 200
_SOURCES = frozenset(EventSource)


def from_event(item: Item) -> tuple[object, ...]:
    """A row of `schemas.tables.Events`. What is missing or strange in an event is no reason to drop it."""
    kind, sim, endpoint = part(item, "event_type"), part(item, "sim"), part(item, "endpoint")
    kind_id = number(kind.get("id"))
    source = number(part(item, "event_source").get("id"))
    name = " ".join(words(kind.get("description"), _LONGEST_NAME).split())
    return (
        words(item.get("id"), _LONGEST_ID) or None,
        moment(item.get("timestamp")),
        -1 if kind_id is None else kind_id,
        name or type_of(-1 if kind_id is None else kind_id).name,
        source if source in _SOURCES else None,
        words(item.get("description")),
        _user(part(item, "user")),
        _ident(sim.get("id")),
        words(sim.get("iccid"), 19) or None,
        _ident(endpoint.get("id")),
    )


def table(rows: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    """An `Events` table of the rows."""
    return pl.DataFrame(list(rows), schema=_SCHEMA, orient="row")


EVENTS = Route("/api/v1/event", 1000, "event_id", from_event, "list_events", table)


async def read_events(
    transport: Transport, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
) -> pl.DataFrame:
    """See `simtandem.carriers.protocol.Carrier.events`."""
    asked = window(since, until)
    parts = [table([])]
    for some in _sixes([str(kind) for kind in sorted(types)]) or [()]:
        q = asked + (f",type:{'|'.join(some)}" if some else "")
        first = await read_page_filtered(transport, EVENTS, q)
        if first is None:  # then without the types: what is not asked for is left out below
            q = asked
            first = await read_page(transport, EVENTS, 1, q=q)
        route = replace(EVENTS, q=q)
        by_sim = None
        if iccids and math.ceil(len(iccids) / AT_ONCE) < (first.pages or 1) - 1:
            by_sim = await _of_sims(transport, q, iccids)
        parts += [(await read_rest(transport, route, first)).rows] if by_sim is None else by_sim
    found = pl.concat(parts).unique("event_id", keep="last", maintain_order=True).sort("at", "event_id")
    return found.filter(pl.col("type").is_in(list(types))) if types else found


async def _of_sims(transport: Transport, q: str, iccids: Sequence[str]) -> list[pl.DataFrame] | None:
    """The events of these SIMs, six at a time; None where the carrier refuses to filter by them."""
    found = []
    for sims in _sixes(iccids):
        route = replace(EVENTS, q=f"{q},iccid:{'|'.join(sims)}")
        first = await read_page_filtered(transport, route, route.q)
        if first is None:
            return None
        found.append((await read_rest(transport, route, first)).rows)
    return found


def _sixes(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE)]


def window(since: datetime, until: datetime) -> str:
    """The filter of a window of the log."""
    return f"from:{_text(since)},until:{_text(until, up=True)}"


def _text(moment: datetime, *, up: bool = False) -> str:
    """As the filter takes it: UTC, whole seconds, rounded so that the window never shrinks."""
    whole = moment.astimezone(UTC)
    if up and whole.microsecond:
        whole += timedelta(seconds=1)
    return f"{whole:%Y-%m-%dT%H:%M:%SZ}"


def _ident(value: object) -> str | None:
    text = words(value, _LONGEST_ID)
    return text if text.isascii() and text.isdigit() else None


def _user(user: Item) -> str | None:
    """Who, as far as it is said. Events of an application token name nobody."""
    told = [words(user.get(name), _LONGEST_NAME) for name in ("name", "username")]
    ident = words(user.get("id"), _LONGEST_ID)
    return " ".join(dict.fromkeys(filter(None, told))) or (f"user {ident}" if ident else None)
