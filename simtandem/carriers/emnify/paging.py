"""Reading a whole listing, page by page, while it may shift.

Paging is in the headers. A page past the end is the last page again, so `X-Total-Pages` says where to stop; where a
proxy has stripped the headers, a page without anything new does. Items added or removed between two pages move others
across a page's edge, unseen or seen twice: a reading counts as complete only if every page named the same total and
that many different ids were read. Otherwise the listing is read again, and in the end what was seen at all is joined.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import httpx
import polars as pl

from schemas.tables import Inventory, empty
from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify import paths
from simtandem.carriers.emnify.item_mapping import Item, from_endpoint, from_sim, table, unknown_statuses, unusable_id
from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.carriers.emnify.transport import Transport
from simtandem.errors import CarrierRefused, CarrierUnavailable

log = logging.getLogger(__name__)

_READINGS = 4
_REFUSED_QUERY, _INVALID_FILTER, _INVALID_SORT = (400, 422), 1301, 1302
_LONGEST_NUMBER = 12
_MOST_NOTED = 100_000
PAGES_AT_ONCE, _PAGES_IN_A_ROW = 8, 32
_OF_INVENTORY = len(empty(Inventory).columns)
_MOST_ITEMS, _MOST_PAGES = 4_000_000, 20_000
"""Beyond any fleet: a listing that continues after that has no end."""


@dataclass(frozen=True, slots=True)
class Route:
    """A listing's path, the largest page it gives, and how to read its items. `key` is the id of its items.

    `spacing` names the path's own rate; `q` filters every page.
    """

    path: str
    per_page: int
    key: Literal["sim_id", "endpoint_id", "event_id"]
    row: Callable[[Item], tuple[object, ...]]
    spacing: str
    table: Callable[[Iterable[Any]], pl.DataFrame] = table
    q: str = ""


SIMS = Route(paths.SIM, 2500, "sim_id", from_sim, "list_sims")
ENDPOINTS = Route(paths.ENDPOINT, 1000, "endpoint_id", from_endpoint, "list_endpoints")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its rows, and what its headers say of the whole. `total` and `pages` are None without headers."""

    rows: pl.DataFrame
    total: int | None
    pages: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A listing, read. `complete`: nothing was added or removed while it was read."""

    rows: pl.DataFrame
    total: int
    complete: bool


async def read_page(transport: Transport, route: Route, number: int, q: str = "") -> Page:
    """Read one page. Raises `CarrierUnavailable`, `CarrierRefused`."""
    wanted = q or route.q
    query = {"page": str(number), "per_page": str(route.per_page), **({"q": wanted} if wanted else {})}
    ordered = {} if route.path in transport.unsorted else {"sort": "id"}
    reply = await transport.get(route.path, spacing=route.spacing, purpose="list", query=query | ordered)
    badly = reply.kind.refused and reply.status in _REFUSED_QUERY and not wanted
    if ordered and (badly or (reply.kind.refused and reply.code == _INVALID_SORT)):
        transport.unsorted.add(route.path)
        return await read_page(transport, route, number, q)
    if reply.kind is not Kind.OK:
        raise CarrierRefused(
            f"The listing {route.path} was refused: {reply.sentence}.", reply.kind, reply.status, reply.code
        )
    if not isinstance(reply.data, list):
        raise CarrierRefused(
            f"The listing {route.path} is not a list: nothing is concluded from it. Is the base address right?",
            status=reply.status,
        )
    headers = reply.headers if reply.headers is not None else httpx.Headers()
    total, pages = _number(headers.get("X-Total-Count")), _number(headers.get("X-Total-Pages"))
    if pages is None and total is not None:
        pages = math.ceil(total / (_number(headers.get("X-Count-Per-Page")) or route.per_page))
    items = [(item, route.row(item)) for item in reply.data if isinstance(item, dict)]
    if route.key != "event_id":
        _refuse_unusable_ids(route.path, reply.status, [item for item, _ in items])
        note_statuses(transport, route, [item for item, row in items if None in row[:_OF_INVENTORY]])
    rows = route.table(row for _, row in items)
    rows = rows.filter(pl.col(route.key).is_not_null())
    return Page(rows, total, pages) if _plausible(rows.height, total, pages) else Page(rows, None, None)


def _plausible(rows: int, total: int | None, pages: int | None) -> bool:
    """Whether the headers can be true of a page of so many rows. Else only a page without anything new is an end."""
    if (total or 0) > _MOST_ITEMS or (pages or 0) > _MOST_PAGES:
        return False
    return total is None or (rows <= total and (not rows or (pages or 0) <= math.ceil(total / rows)))


def note_statuses(transport: Transport, route: Route, items: Iterable[Item]) -> None:
    """Remember what the carrier shows as a status that is not known: the reason of that device's row names it."""
    for item in items:
        for kind, ident, shown in unknown_statuses(item, route.key):
            if len(transport.unknown_statuses) < _MOST_NOTED:
                transport.unknown_statuses[kind, ident] = shown


async def read_item(transport: Transport, path: str, spacing: str, purpose: str = "read") -> Item | None:
    """Read one item by its path; None where the carrier does not have it. Raises as `read_page` does."""
    reply = await transport.get(path, spacing=spacing, purpose=purpose)
    if reply.kind is Kind.NOT_FOUND:
        return None
    if reply.kind is not Kind.OK:
        raise CarrierRefused(f"GET {path} was refused: {reply.sentence}.", reply.kind, reply.status, reply.code)
    if not isinstance(reply.data, dict):
        raise _unusable(path, reply.status, "it is a list, not one item")
    _refuse_unusable_ids(path, reply.status, [reply.data])
    return reply.data


def _refuse_unusable_ids(path: str, status: int | None, items: Sequence[Item]) -> None:
    place = next(filter(None, map(unusable_id, items)), "")
    if place:
        raise _unusable(path, status, f"the {place} of an item is no whole number in the range of ids")


def _unusable(path: str, status: int | None, why: str) -> CarrierRefused:
    return CarrierRefused(
        f"GET {path}: the carrier's answer can't be used: {why}. Nothing is concluded from it.", status=status
    )


async def read_page_filtered(transport: Transport, route: Route, q: str) -> Page | None:
    """The first page of a filtered listing; None where the carrier refuses the filter."""
    try:
        return await read_page(transport, route, 1, q=q)
    except CarrierRefused as refusal:
        if refusal.status not in _REFUSED_QUERY and refusal.code != _INVALID_FILTER:
            raise
        log.info("%s refuses the filter %s: %s", route.path, q.partition(":")[0], refusal)
        return None


async def read_rest(
    transport: Transport, route: Route, first: Page, missing: Callable[[pl.DataFrame], int] | None = None
) -> Reading:
    """Read the listing whose first page is `first`, again if it shifted meanwhile, a few times at most.

    `missing` says how many calls would read by id what the rows seen so far don't show of what was asked for. Where
    those are fewer than the pages of another reading, the listing is not read again, and does not count as complete.
    """
    seen: list[pl.DataFrame] = []
    page, total, known = first, 0, -1
    for reading in range(_READINGS):
        if reading:
            page = await read_page(transport, route, 1)
        pages = await (
            _by_headers(transport, route, page) if page.pages else _until_nothing_new(transport, route, page)
        )
        rows = pl.concat([each.rows for each in pages]).unique(route.key, keep="last", maintain_order=True)
        totals = {each.total for each in pages}
        total = max((each for each in totals if each is not None), default=rows.height)
        if len(totals) == 1 and rows.height == total:
            return Reading(rows, total, complete=True)
        log.info("%s shifted while it was read: %d of %d different items seen", route.path, rows.height, total)
        seen.append(rows)
        joined = pl.concat(seen).unique(route.key, keep="last", maintain_order=True)
        if missing and missing(joined) < max(len(pages), 1):
            return Reading(joined, total, complete=False)
        if joined.height == known:  # another reading has shown nothing more
            break
        known = joined.height
    log.warning("%s kept shifting through %d readings; what is missing is read by id", route.path, len(seen))
    return Reading(joined, total, complete=False)


async def _by_headers(transport: Transport, route: Route, first: Page) -> list[Page]:
    """All pages, those after the first side by side. Listings that grow meanwhile are followed to their new end."""
    at_once = asyncio.Semaphore(PAGES_AT_ONCE)
    pages, end = [first], first.pages or 1
    ids = set(first.rows[route.key])
    while len(pages) < end:
        some = range(len(pages) + 1, min(len(pages) + _PAGES_IN_A_ROW, end) + 1)
        read = await together(some, partial(read_page, transport, route), at_once)
        pages += read
        new = {ident for page in read for ident in page.rows[route.key]} - ids
        if not new:  # past the end, even if the headers differ
            break
        ids |= new
        _check_end(route, len(pages), len(ids))
        end = pages[-1].pages or end
    return pages


async def _until_nothing_new(transport: Transport, route: Route, first: Page) -> list[Page]:
    pages, ids = [first], set(first.rows[route.key])
    while pages[-1].rows.height:
        page = await read_page(transport, route, len(pages) + 1)
        new = set(page.rows[route.key]) - ids
        if not new:
            break
        ids |= new
        pages.append(page)
        _check_end(route, len(pages), len(ids))
    return pages


def _check_end(route: Route, pages: int, items: int) -> None:
    if pages > _MOST_PAGES or items > _MOST_ITEMS:
        raise CarrierUnavailable(
            f"The listing {route.path} can't be used: {items:,} items on {pages:,} pages were read, and it continues. "
            "Nothing is concluded from it."
        )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None
