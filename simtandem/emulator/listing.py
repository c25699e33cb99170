"""Listings: which SIMs and endpoints, in which order, on which page.

A page of an unfiltered listing by id costs as much as the page holds. Filters and other orders are worked out once for
each state of the fleet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from starlette.datastructures import QueryParams

from simtandem.emulator import list_query
from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.devices import Endpoint, Sim
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.list_query import Page, Row, Test, Value, filters_of, in_order, order_of, page_of
from simtandem.emulator.numbering import imsi_of, luhn_digit, msisdn_of, name_of, with_luhn
from simtandem.emulator.numbers import whole
from simtandem.emulator.shapes import ENDPOINT_STATUS_IDS, MODEL_ID, PRODUCED, SIM_STATUS_IDS, address_of

_VIEWS_KEPT = 8


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """A field that a listing can be filtered by: its value, and how a criteria is read."""

    value: Callable[[Row], Value]
    test: Callable[[str, Behaviour], Test]


_SIM_FIELDS: Mapping[str, Field[Sim]] = {
    "id": Field(lambda sim: sim.id, list_query.number),
    "issuer_org": Field(lambda sim: sim.issuer_org, list_query.number),
    "reseller_org": Field(lambda sim: sim.reseller_org, list_query.number),
    "customer_org": Field(lambda sim: sim.customer_org, list_query.number),
    "iccid": Field(lambda sim: sim.iccid, list_query.exact),
    "iccid_with_luhn": Field(lambda sim: with_luhn(sim.iccid), list_query.exact),
    "status": Field(lambda sim: SIM_STATUS_IDS[sim.status], list_query.number),
    "production_date": Field(lambda _: PRODUCED.timestamp(), list_query.date),
    "imsi": Field(lambda sim: imsi_of(sim.id), list_query.exact),
    "msisdn": Field(lambda sim: msisdn_of(sim.id), list_query.exact),
    "endpoint": Field(lambda sim: sim.endpoint_id, list_query.number),
    "model": Field(lambda _: MODEL_ID, list_query.number),
    "eid": Field(lambda _: None, list_query.exact),
    "satellite_capable": Field(lambda _: False, list_query.flag),
}
_SIM_SORTS = _SIM_FIELDS.keys() - {"iccid_with_luhn", "imsi", "msisdn", "satellite_capable"}


class Listings:
    """The listings of one fleet. Rows are ids, to be looked up for what is shown."""

    def __init__(self, fleet: Fleet, behaviour: Behaviour) -> None:
        self._fleet = fleet
        self._behaviour = behaviour
        self._version: tuple[int, str] = (-1, "")
        self._views: dict[tuple[str, str, str], Sequence[int]] = {}
        self._endpoint_fields = self._fields_of_endpoints()

    def sims(self, query: QueryParams) -> Page[int]:
        """A page of SIMs, 2,000 by default, 2,500 at most."""
        filters, order = filters_of(query, _SIM_FIELDS), order_of(query, _SIM_SORTS)
        rows: Sequence[int] = self._fleet.sim_ids
        if filters or order not in ([], [("id", False)]):
            tests = _tests(filters, _SIM_FIELDS, self._behaviour)
            rows = self._view("sim", query, lambda: _select(self._sims_in_question(filters), tests, order, _SIM_FIELDS))
        return page_of(rows, query, default=2000, most=2500)

    def endpoints(self, query: QueryParams) -> Page[int]:
        """A page of endpoints, 1,000 by default, and at most."""
        fields = self._endpoint_fields
        filters, order = filters_of(query, fields), order_of(query, fields.keys() - _NO_SORTS_OF_ENDPOINTS)
        rows: Sequence[int] = self._fleet.endpoint_ids
        if filters or order not in ([], [("id", False)]):
            tests = _tests(filters, fields, self._behaviour)
            rows = self._view(
                "endpoint", query, lambda: _select(self._endpoints_in_question(filters), tests, order, fields)
            )
        return page_of(rows, query, default=1000, most=1000)

    def _fields_of_endpoints(self) -> Mapping[str, Field[Endpoint]]:
        fleet = self._fleet

        def of_sim(value: Callable[[Sim], Value]) -> Callable[[Endpoint], Value]:
            return lambda endpoint: None if endpoint.sim_id is None else value(fleet.sims[endpoint.sim_id])

        return {
            "id": Field(lambda endpoint: endpoint.id, list_query.number),
            "status": Field(lambda endpoint: ENDPOINT_STATUS_IDS[endpoint.status], list_query.number),
            "service_profile": Field(lambda endpoint: endpoint.service_profile, list_query.number),
            "tariff_profile": Field(lambda endpoint: endpoint.tariff_profile, list_query.number),
            "name": Field(lambda endpoint: name_of(endpoint.id, endpoint.name), list_query.text),
            "created": Field(lambda endpoint: endpoint.created, list_query.date),
            "last_updated": Field(lambda endpoint: endpoint.updated, list_query.date),
            "tags": Field(lambda endpoint: endpoint.tags, list_query.text),
            "ip_address": Field(address_of, list_query.exact),
            "imei": Field(lambda endpoint: endpoint.imei, list_query.exact),
            "iccid": Field(of_sim(lambda sim: sim.iccid), list_query.exact),
            "iccid_with_luhn": Field(of_sim(lambda sim: with_luhn(sim.iccid)), list_query.exact),
            "eid": Field(lambda _: None, list_query.exact),
            "sim_status": Field(of_sim(lambda sim: SIM_STATUS_IDS[sim.status]), list_query.number),
        }

    def _sims_in_question(self, filters: dict[str, str]) -> list[Sim]:
        # A caller who names one SIM shall not wait until the whole fleet has been looked through.
        fleet = self._fleet
        found: Sim | None = None
        if "id" in filters:
            found = fleet.sims.get(whole(filters["id"]) or -1)
        elif "iccid" in filters or "iccid_with_luhn" in filters:
            found = fleet.sim_with_iccid(_iccid(filters))
        elif "endpoint" in filters and filters["endpoint"] != list_query.NONE:
            endpoint = fleet.endpoints.get(whole(filters["endpoint"]) or -1)
            found = fleet.sims[endpoint.sim_id] if endpoint and endpoint.sim_id is not None else None
        else:
            return [fleet.sims[each] for each in fleet.sim_ids]
        return [found] if found else []

    def _endpoints_in_question(self, filters: dict[str, str]) -> list[Endpoint]:
        fleet = self._fleet
        number = None
        if "id" in filters:
            number = whole(filters["id"])
        elif (filters.get("iccid") or filters.get("iccid_with_luhn") or list_query.NONE) != list_query.NONE:
            sim = fleet.sim_with_iccid(_iccid(filters))
            number = sim.endpoint_id if sim else None
        else:
            return [fleet.endpoints[each] for each in fleet.endpoint_ids]
        found = None if number is None else fleet.endpoints.get(number)
        return [found] if found else []

    def _view(self, name: str, query: QueryParams, select: Callable[[], Sequence[int]]) -> Sequence[int]:
        version = (self._fleet.version, self._behaviour.text_filter)
        if self._version != version or len(self._views) >= _VIEWS_KEPT:
            self._views.clear()
            self._version = version
        key = (name, query.get("q", ""), query.get("sort", ""))
        if key not in self._views:
            self._views[key] = select()
        return self._views[key]


_NO_SORTS_OF_ENDPOINTS = {"iccid", "iccid_with_luhn", "sim_status"}


def _iccid(filters: dict[str, str]) -> str:
    """The 19 digits that a filter names; nothing where a check digit is wrong."""
    if "iccid" in filters:
        return filters["iccid"]
    iccid, check = filters["iccid_with_luhn"][:-1], filters["iccid_with_luhn"][-1]
    return iccid if iccid.isascii() and iccid.isdigit() and luhn_digit(iccid) == check else ""


def _tests(
    filters: dict[str, str], fields: Mapping[str, Field[Row]], behaviour: Behaviour
) -> list[tuple[Callable[[Row], Value], Test]]:
    return [(fields[name].value, fields[name].test(criteria, behaviour)) for name, criteria in filters.items()]


def _select(
    items: Iterable[Row],
    tests: Sequence[tuple[Callable[[Row], Value], Test]],
    order: Sequence[tuple[str, bool]],
    fields: Mapping[str, Field[Row]],
) -> list[int]:
    rows = [item for item in items if all(test(value(item)) for value, test in tests)]
    values = {name: field.value for name, field in fields.items()}
    return [int(values["id"](row) or 0) for row in in_order(rows, order, values)]
