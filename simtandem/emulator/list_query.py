"""What a listing is asked for: its page, its filters in `q`, its order in `sort`. And what its headers say of it."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.numbers import query_number, whole
from simtandem.emulator.refusals import INVALID_FILTER, INVALID_SORT, RefusalError

Row = TypeVar("Row")
Value = str | int | float | bool | None
Test = Callable[[Value], bool]
NONE = "null"
"""The criteria that finds what has no value."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and where it is among the others."""

    rows: Sequence[Row]
    total: int
    pages: int
    current: int
    per_page: int

    def headers(self, query: QueryParams, url: str, kind: str) -> dict[str, str]:
        """The paging headers. `kind`: see `Behaviour.paging_headers`. `url` is the listing's, without a query."""
        if kind == "none":
            return {}
        headers = {
            "X-Total-Count": str(self.total),
            "X-Total-Pages": str(self.pages),
            "X-Current-Page": str(self.current),
            "X-Count-Per-Page": str(self.per_page),
            "X-Sort": _printable(query.get("sort") or "id"),
            "Link": self._links(query, url),
        }
        if query.get("q"):
            headers["X-Filter"] = _printable(query["q"])
        if kind == "2024":
            headers |= {
                "X-Count": headers["X-Total-Count"],
                "X-Pages": headers["X-Total-Pages"],
                "X-Page": headers["X-Current-Page"],
                "X-Per-Page": headers["X-Count-Per-Page"],
            }
        return headers

    def _links(self, query: QueryParams, url: str) -> str:
        """Empty where there is one page: so it was recorded."""
        if self.pages < 2:
            return ""
        kept = [(name, value) for name, value in query.multi_items() if name not in {"page", "per_page"}]
        to = {"first": 1, "prev": self.current - 1, "next": self.current + 1, "last": self.pages}
        return ", ".join(
            f'<{url}?{urlencode([*kept, ("page", number), ("per_page", self.per_page)])}>; rel="{name}"'
            for name, number in to.items()
            if 1 <= number <= self.pages
        )


def page_of(rows: Sequence[Row], query: QueryParams, *, default: int, most: int) -> Page[Row]:
    """The page the query asks for.

    A `per_page` below 1 is the default, one above `most` is lowered silently; a `page` below 1 is the first, one past
    the end the last. What is no number is refused.
    """
    asked = query_number(query["per_page"], "per_page") if "per_page" in query else 0
    per_page = min(asked, most) if asked >= 1 else default
    pages = math.ceil(len(rows) / per_page)
    number = query_number(query["page"], "page") if "page" in query else 1
    current = max(min(number, pages), 1)
    start = (current - 1) * per_page
    return Page(rows[start : start + per_page], len(rows), pages, current, per_page)


def filters_of(query: QueryParams, allowed: Collection[str]) -> dict[str, str]:
    """The filters in `q`: `field:criteria`, comma-separated."""
    filters: dict[str, str] = {}
    for part in filter(None, query.get("q", "").split(",")):
        field, colon, criteria = part.strip().partition(":")
        if not colon or not criteria or field not in allowed:
            raise wrong_criteria(part)
        filters[field] = criteria
    return filters


def order_of(query: QueryParams, allowed: Collection[str], *, status: int = 422) -> list[tuple[str, bool]]:
    """The fields in `sort`, each with whether it goes down. In a URL, a bare `+` arrives as a space.

    Upper case is as good as lower case: the carrier's SDK lists fields in either. `status` is that of a refusal.
    """
    order = []
    for part in filter(None, query.get("sort", "").split(",")):
        field = part.strip().removeprefix("-").removeprefix("+").casefold()
        if field not in allowed:
            raise RefusalError(status, INVALID_SORT, f"Sort criteria {part} is invalid")
        order.append((field, part.strip().startswith("-")))
    return order


def in_order(
    rows: list[Row], order: Sequence[tuple[str, bool]], values: Mapping[str, Callable[[Row], Value]]
) -> list[Row]:
    """The rows in this order; equal ones stay as they are. What has no value comes last, or first going down."""
    for name, down in reversed(order):
        value = values[name]
        rows = sorted(rows, key=lambda row: _sortable(value(row)), reverse=down)
    return rows


def wrong_criteria(criteria: str) -> RefusalError:
    """The answer to a filter that is none."""
    return RefusalError(422, INVALID_FILTER, f"Search criteria {criteria} is invalid")


def number(criteria: str, behaviour: Behaviour) -> Test:
    """A filter for numbers: exact, or `null`."""
    _ = behaviour
    wanted = None if criteria == NONE else whole(criteria)
    if wanted is None and criteria != NONE:
        raise wrong_criteria(criteria)
    return lambda value: value == wanted


def exact(criteria: str, behaviour: Behaviour) -> Test:
    """A filter for what identifies something: exact, or `null`."""
    _ = behaviour
    wanted = None if criteria == NONE else criteria
    return lambda value: value == wanted


def text(criteria: str, behaviour: Behaviour) -> Test:
    """A filter for words: contained in either case, or exact where the emulator is set so; or `null`."""
    if criteria == NONE:
        return lambda value: value is None
    if behaviour.text_filter == "exact":
        return lambda value: value == criteria
    wanted = criteria.casefold()
    return lambda value: value is not None and wanted in str(value).casefold()


def flag(criteria: str, behaviour: Behaviour) -> Test:
    """A filter for yes and no."""
    _ = behaviour
    if criteria not in {"true", "false", "0", "1"}:
        raise wrong_criteria(criteria)
    wanted = criteria in {"true", "1"}
    return lambda value: value is wanted


def date(criteria: str, behaviour: Behaviour) -> Test:
    """A filter for epoch seconds: a day, or a moment to the second."""
    _ = behaviour
    try:
        moment = datetime.fromisoformat(criteria)
    except ValueError:
        raise wrong_criteria(criteria) from None
    start = moment.replace(tzinfo=moment.tzinfo or UTC, microsecond=0).timestamp()
    end = start + (86_400 if len(criteria) <= 10 else 1)
    return lambda value: isinstance(value, float | int) and start <= value < end


def _sortable(value: Value) -> tuple[bool, Value]:
    return (value is None, 0 if value is None else value)


def _printable(text: str) -> str:
    """What may be in a header: the rest is written as in a URL."""
    return quote(text.strip(), safe=" ,:;|+-_.*<>=()'\"@/")
