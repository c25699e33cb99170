"""The event log as callers read it: the last 30 days, filtered, sorted, in pages."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from simtandem.emulator import list_query
from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.events import DAYS_KEPT, Event
from simtandem.emulator.list_query import Page, Test, Value, filters_of, in_order, order_of, page_of, wrong_criteria
from simtandem.emulator.numbering import imsi_of, with_luhn
from simtandem.emulator.shapes import organisation_name

_VALUES_IN_ONE_FILTER = 6
_SEVERAL = {"iccid", "iccid_with_luhn", "endpoint", "type", "network", "rat", "country"}
_TIMES = ("from", "until")

_VALUES: Mapping[str, Callable[[Event], Value]] = {
    "id": lambda event: event.id,
    "timestamp": lambda event: event.at,
    "type": lambda event: event.kind,
    "source": lambda event: int(event.source),
    "severity": lambda _: 0,
    "alert": lambda _: False,
    "description": lambda event: event.description,
    "organisation": lambda _: organisation_name(OWN_ORGANISATION),
    "user": lambda _: None,
    "endpoint": lambda event: event.endpoint_name,
    "tags": lambda event: event.tags,
    "ip_address": lambda event: event.ip_address,
    "imei": lambda event: event.imei,
    "iccid": lambda event: event.iccid,
    "iccid_with_luhn": lambda event: None if event.iccid is None else with_luhn(event.iccid),
    "imsi": lambda event: None if event.sim_id is None else imsi_of(event.sim_id),
    "network": lambda _: None,
    "rat": lambda _: None,
    "country": lambda _: None,
}
_TESTS: Mapping[str, Callable[[str, Behaviour], Test]] = {
    "timestamp": list_query.date,
    "type": list_query.number,
    "source": list_query.number,
    "severity": list_query.number,
    "alert": list_query.flag,
    "description": list_query.text,
    "organisation": list_query.text,
    "user": list_query.text,
    "endpoint": list_query.text,
    "tags": list_query.text,
    **dict.fromkeys(
        ("ip_address", "imei", "iccid", "iccid_with_luhn", "imsi", "network", "rat", "country"), list_query.exact
    ),
}
_SORTS = _VALUES.keys() - {"description", "imei", "iccid_with_luhn", "network", "rat", "country"}


class EventLog:
    """The events of one fleet. What was worked out for the last query is kept for its other pages."""

    def __init__(self, events: Sequence[Event], behaviour: Behaviour) -> None:
        self._events = events
        self._behaviour = behaviour
        self._key: tuple[object, ...] = ()
        self._rows: list[Event] = []

    def page(
        self, query: QueryParams, now: float, *, sim_id: int | None = None, endpoint_id: int | None = None
    ) -> Page[Event]:
        """A page of the events, of one SIM or endpoint or of all; 100 by default, 1,000 at most.

        Raises `RefusalError`: a wrong filter is 422, a wrong order or page 400, as this call's documents have it.
        """
        filters = filters_of(query, {*_TESTS, *_TIMES})
        order = order_of(query, _SORTS, status=400)
        if ("from" in filters) != ("until" in filters):
            raise wrong_criteria("from and until are valid together only")
        since = max(_moment(filters["from"]) if "from" in filters else 0.0, now - DAYS_KEPT * 86_400)
        until = _moment(filters["until"]) if "until" in filters else math.inf
        tests = [(_VALUES[name], self._test(name, value)) for name, value in filters.items() if name not in _TIMES]
        scope = (sim_id, endpoint_id, self._behaviour.text_filter)
        key = (len(self._events), int(now // 60), sorted(filters.items()), order, scope)
        if key != self._key:
            rows = [
                event
                for event in self._events
                if since <= event.at <= until
                and (sim_id is None or event.sim_id == sim_id)
                and (endpoint_id is None or event.endpoint_id == endpoint_id)
                and all(test(value(event)) for value, test in tests)
            ]
            self._key, self._rows = key, in_order(rows, order, _VALUES)
        return page_of(self._rows, query, default=100, most=1000)

    def _test(self, name: str, criteria: str) -> Test:
        wanted = criteria.split("|") if name in _SEVERAL else [criteria]
        if len(wanted) > _VALUES_IN_ONE_FILTER:
            raise wrong_criteria(f"{name} with more than {_VALUES_IN_ONE_FILTER} values")
        tests = [_TESTS[name](each, self._behaviour) for each in wanted]
        if _TESTS[name] is list_query.number:
            numbers = {int(each) for each in wanted if each != list_query.NONE}
            return lambda value: value in numbers  # an audit asks a log of a million events for six types
        return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _moment(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise wrong_criteria(f"{text}, YYYY-MM-DDTHH:mm:ssZ is expected,") from None
