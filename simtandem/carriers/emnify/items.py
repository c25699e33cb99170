"""From the items of emnify's answers to rows of an inventory."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from schemas.ownership import OwnerField
from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory, Owners, empty
from simtandem.carriers.emnify.lifecycle import ENDPOINT_STATUS_BY_ID, SIM_STATUS_BY_ID
from simtandem.errors import CarrierRefused

Item = Mapping[str, Any]
Row = tuple[str | None, str | None, SimStatus | None, str | None, EndpointStatus | None]
"""`sim_id, iccid, sim_status, endpoint_id, endpoint_status`, as in `schemas.tables.Inventory`."""

OWNER_NAMES = {
    OwnerField.CUSTOMER: "customer_org",
    OwnerField.RESELLER: "reseller_org",
    OwnerField.ISSUER: "issuer_org",
}
"""What a SIM's three organisations are called in the carrier's bodies."""

_SCHEMA = empty(Inventory).schema


def from_endpoint(item: Item) -> Row:
    """An item of the endpoint listing: it shows both halves of its pair."""
    sim = item.get("sim") or {}
    return (
        _ident(sim.get("id")),
        _iccid(sim),
        _sim_status(sim) if sim.get("id") is not None else None,
        _ident(item["id"]),
        _endpoint_status(item),
    )


def from_sim(item: Item) -> Row:
    """An item of the SIM listing: it names its endpoint, but not the endpoint's status."""
    endpoint = item.get("endpoint") or {}
    return (_ident(item["id"]), _iccid(item), _sim_status(item), _ident(endpoint.get("id")), None)


def owners_from_sim(item: Item) -> tuple[str | None, ...]:
    """An item of the SIM listing as a row of `schemas.tables.Owners`."""
    return (_ident(item["id"]), *(_ident((item.get(name) or {}).get("id")) for name in OWNER_NAMES.values()))


def owners_table(rows: Iterable[tuple[str | None, ...]]) -> pl.DataFrame:
    """An `Owners` table of the rows."""
    return pl.DataFrame(list(rows), schema=empty(Owners).schema, orient="row")


def table(rows: Iterable[Row]) -> pl.DataFrame:
    """An `Inventory` table of the rows."""
    return pl.DataFrame(list(rows), schema=_SCHEMA, orient="row")


def _ident(value: object) -> str | None:
    return None if value is None else str(value)


def _iccid(sim: Item) -> str | None:
    """19 digits: a 20th is the check digit, which listings leave out and the portal shows."""
    text = sim.get("iccid") or sim.get("iccid_with_luhn")
    return str(text)[:19] if text else None


def _sim_status(item: Item) -> SimStatus:
    number = (item.get("status") or {}).get("id", -1)
    if number not in SIM_STATUS_BY_ID:
        raise _strange("SIM", item, number)
    return SIM_STATUS_BY_ID[number]


def _endpoint_status(item: Item) -> EndpointStatus:
    number = (item.get("status") or {}).get("id", -1)
    if number not in ENDPOINT_STATUS_BY_ID:
        raise _strange("endpoint", item, number)
    return ENDPOINT_STATUS_BY_ID[number]


def _strange(what: str, item: Item, number: object) -> CarrierRefused:
    return CarrierRefused(
        f"The carrier reports status {number!r} for {what} {item.get('id')}, which is none of those known here. "
        "Nothing is planned on a guess: check the base address, or a newer version of simtandem may be needed."
    )
