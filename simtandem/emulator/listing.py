"""Listings: which rows, in which order, on which page.

A page of an unfiltered listing by id costs as much as the page holds. Filters and other orders are worked out once for
each state of the fleet.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from starlette.datastructures import QueryParams

from simtandem.emulator.devices import Endpoint, Sim
from simtandem.emulator.events import DAYS_KEPT, Event
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import luhn_digit, with_luhn
from simtandem.emulator.refusals import INVALID_BODY, INVALID_QUERY, RefusalError
from simtandem.emulator.shapes import ENDPOINT_STATUS_IDS, SIM_STATUS_IDS, name_of

Row = TypeVar("Row")
_VIEWS_KEPT = 8
_VALUES_IN_ONE_FILTER = 6


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and where it stands among the others."""

    rows: Sequence[Row]
    total: int
    pages: int
    current: int
    per_page: int

    def headers(self) -> dict[str, str]:
        """The paging headers."""
        return {
            "X-Total-Count": str(self.total),
            "X-Total-Pages": str(self.pages),
            "X-Current-Page": str(self.current),
            "X-Count-Per-Page": str(self.per_page),
        }


def page_of(rows: Sequence[Row], query: QueryParams, *, default: int, most: int) -> Page[Row]:
    """The page the query asks for. `per_page` above `most` is lowered silently; past the end is the last page again."""
    per_page = min(_positive(query, "per_page", default), most)
    pages = math.ceil(len(rows) / per_page)
    current = min(_positive(query, "page", 1), max(pages, 1))
    start = (current - 1) * per_page
    return Page(rows[start : start + per_page], len(rows), pages, current, per_page)


def filters_of(query: QueryParams, allowed: Iterable[str]) -> dict[str, str]:
    """The filters in `q`: `field:value`, comma-separated."""
    filters: dict[str, str] = {}
    for part in filter(None, query.get("q", "").split(",")):
        field, colon, value = part.partition(":")
        if not colon or not value or field not in allowed:
            raise RefusalError(422, INVALID_QUERY, f"Invalid query parameter: {part}")
        filters[field] = value
    return filters


def order_of(query: QueryParams, allowed: Iterable[str]) -> list[tuple[str, bool]]:
    """The fields in `sort`, each with whether it goes down. In a URL, a bare `+` arrives as a space."""
    order = []
    for part in filter(None, query.get("sort", "").split(",")):
        field = part.removeprefix("-").removeprefix("+").strip()
        if field not in allowed:
            raise RefusalError(400, INVALID_BODY, f"Invalid sort parameter: {part}")
        order.append((field, part.startswith("-")))
    return order


_SIM_FIELDS: dict[str, Callable[[Sim], str | int]] = {
    "id": lambda sim: sim.id,
    "iccid": lambda sim: sim.iccid,
    "iccid_with_luhn": lambda sim: with_luhn(sim.iccid),
    "status": lambda sim: SIM_STATUS_IDS[sim.status],
    "endpoint": lambda sim: sim.endpoint_id or 0,
}
_ENDPOINT_FIELDS: dict[str, Callable[[Endpoint], str | int]] = {
    "id": lambda endpoint: endpoint.id,
    "status": lambda endpoint: ENDPOINT_STATUS_IDS[endpoint.status],
    "name": lambda endpoint: name_of(endpoint.id, endpoint.name),
}


class Listings:
    """The listings of one fleet. Rows are ids, to be looked up by whoever shows them."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._version = -1
        self._views: dict[tuple[str, str, str], Sequence[int]] = {}

    def sims(self, query: QueryParams) -> Page[int]:
        """A page of SIMs, 2,000 unless told, 2,500 at most."""
        filters, order = filters_of(query, _SIM_FIELDS), order_of(query, _SIM_FIELDS)
        rows: Sequence[int] = self._fleet.sim_ids
        if filters or order not in ([], [("id", False)]):
            rows = self._view(
                "sim", query, lambda: _select(self._sims_in_question(filters), _SIM_FIELDS, filters, order)
            )
        return page_of(rows, query, default=2000, most=2500)

    def endpoints(self, query: QueryParams) -> Page[int]:
        """A page of endpoints, 1,000 unless told, and at most."""
        filters, order = filters_of(query, _ENDPOINT_FIELDS), order_of(query, _ENDPOINT_FIELDS)
        rows: Sequence[int] = self._fleet.endpoint_ids
        if filters or order not in ([], [("id", False)]):
            rows = self._view(
                "endpoint",
                query,
                lambda: _select(self._endpoints_in_question(filters), _ENDPOINT_FIELDS, filters, order),
            )
        return page_of(rows, query, default=1000, most=1000)

    def _sims_in_question(self, filters: dict[str, str]) -> list[Sim]:
        # A caller who names one SIM shall not wait until the whole fleet has been looked through.
        fleet = self._fleet
        found: Sim | None = None
        if "id" in filters:
            found = fleet.sims.get(_number(filters["id"]))
        elif "iccid" in filters:
            found = fleet.sim_with_iccid(filters["iccid"])
        elif "iccid_with_luhn" in filters and filters["iccid_with_luhn"].isdecimal():
            iccid, check = filters["iccid_with_luhn"][:-1], filters["iccid_with_luhn"][-1]
            found = fleet.sim_with_iccid(iccid) if luhn_digit(iccid) == check else None
        elif "endpoint" in filters:
            endpoint = fleet.endpoints.get(_number(filters["endpoint"]))
            found = fleet.sims[endpoint.sim_id] if endpoint and endpoint.sim_id is not None else None
        else:
            return [fleet.sims[each] for each in fleet.sim_ids]
        return [found] if found else []

    def _endpoints_in_question(self, filters: dict[str, str]) -> list[Endpoint]:
        if "id" in filters:
            found = self._fleet.endpoints.get(_number(filters["id"]))
            return [found] if found else []
        return [self._fleet.endpoints[each] for each in self._fleet.endpoint_ids]

    def _view(self, name: str, query: QueryParams, select: Callable[[], Sequence[int]]) -> Sequence[int]:
        if self._version != self._fleet.version or len(self._views) >= _VIEWS_KEPT:
            self._views.clear()
            self._version = self._fleet.version
        key = (name, query.get("q", ""), query.get("sort", ""))
        if key not in self._views:
            self._views[key] = select()
        return self._views[key]


def events_in(events: Sequence[Event], query: QueryParams, now: float) -> Page[Event]:
    """A page of the events of the last 30 days: `from` and `until` both or none, up to six types."""
    filters = filters_of(query, ("from", "until", "type", "source", "iccid"))
    if ("from" in filters) != ("until" in filters):
        raise RefusalError(422, INVALID_QUERY, "from and until are only valid together")
    since = max(_moment(filters["from"]) if "from" in filters else 0.0, now - DAYS_KEPT * 86_400)
    until = _moment(filters["until"]) if "until" in filters else math.inf
    wanted = {name: _values(filters[name]) for name in ("type", "source", "iccid") if name in filters}
    rows = [
        event
        for event in events
        if since <= event.at <= until
        and ("type" not in wanted or str(int(event.kind)) in wanted["type"])
        and ("source" not in wanted or str(int(event.source)) in wanted["source"])
        and ("iccid" not in wanted or event.iccid in wanted["iccid"])
    ]
    for _, down in reversed(order_of(query, ("id", "timestamp"))):
        rows.sort(key=lambda event: event.id, reverse=down)  # ids rise with time
    return page_of(rows, query, default=1000, most=1000)


def _select(
    items: Iterable[Row],
    fields: dict[str, Callable[[Row], str | int]],
    filters: dict[str, str],
    order: list[tuple[str, bool]],
) -> list[int]:
    wanted = [(fields[name], value) for name, value in filters.items()]
    rows = [item for item in items if all(str(read(item)) == value for read, value in wanted)]
    for name, down in reversed(order):
        rows.sort(key=fields[name], reverse=down)
    return [int(fields["id"](row)) for row in rows]


def _positive(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise RefusalError(400, INVALID_BODY, f"Invalid paging parameter: {name}={text}")
    return int(text)


def _values(text: str) -> set[str]:
    values = text.split("|")
    if len(values) > _VALUES_IN_ONE_FILTER:
        raise RefusalError(422, INVALID_QUERY, f"At most {_VALUES_IN_ONE_FILTER} values in one filter: {text}")
    return set(values)


def _moment(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise RefusalError(422, INVALID_QUERY, f"Invalid date, YYYY-MM-DDTHH:mm:ssZ expected: {text}") from None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
