"""From the items of emnify's answers to rows of an inventory.

An item can be odd: a status nobody knows, a number sent as a double or as text, a half that is null, absent or not an
object. What can't be read is null in the row, and only that device is concerned. An id that is shown and can't be used
is another matter: `unusable_id`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from schemas.organisations import OwnerField
from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory, Owners, empty
from simtandem.carriers.emnify.lifecycle import ENDPOINT_STATUS_IDS, SIM_STATUS_IDS
from simtandem.text.redaction import redacted

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
_EXACT = 2**53  # up to here a double is the number that was meant
_LONGEST_NUMBER, _LONGEST_WORD, _LONGEST_ICCID, _LONGEST_MOMENT = 16, 40, 20, 64
_SIM_STATUSES: Mapping[int | str | None, SimStatus] = {
    told: status for status, number in SIM_STATUS_IDS.items() for told in (number, status.value.casefold())
}
_ENDPOINT_STATUSES: Mapping[int | str | None, EndpointStatus] = {
    told: status for status, number in ENDPOINT_STATUS_IDS.items() for told in (number, status.value.casefold())
}


def from_endpoint(item: Item) -> Row:
    """An item of the endpoint listing: it shows both halves of its pair."""
    sim = part(item, "sim")
    ident = _ident(sim.get("id"))
    return (
        ident,
        _iccid(sim),
        _SIM_STATUSES.get(_status(sim)) if ident else None,
        _ident(item.get("id")),
        _ENDPOINT_STATUSES.get(_status(item)),
    )


def from_sim(item: Item) -> Row:
    """An item of the SIM listing: it names its endpoint, but not the endpoint's status."""
    endpoint = part(item, "endpoint")
    return (_ident(item.get("id")), _iccid(item), _SIM_STATUSES.get(_status(item)), _ident(endpoint.get("id")), None)


def unknown_statuses(item: Item, key: str) -> Iterator[tuple[str, str, str]]:
    """The halves of an item whose status is none that simtandem knows: kind of id, id, and what the carrier shows.

    `key` is the kind of the item's own id, `sim_id` or `endpoint_id`.
    """
    halves = [(key, item)] if key == "sim_id" else [(key, item), ("sim_id", part(item, "sim"))]
    for kind, half in halves:
        known = _SIM_STATUSES if kind == "sim_id" else _ENDPOINT_STATUSES
        ident = _ident(half.get("id"))
        if ident is not None and known.get(_status(half)) is None:
            yield kind, ident, _as_shown(half.get("status"))


def _as_shown(status: object) -> str:
    """A status as the carrier shows it: its word, and its number behind it."""
    if not isinstance(status, dict):
        return _plain(status) or "none"
    shown = [_plain(status.get("description")), _plain(status.get("id"))]
    return " ".join(each if not at or not shown[0] else f"({each})" for at, each in enumerate(shown) if each) or "none"


def _plain(value: object) -> str:
    shown = words(value)
    if len(shown) > _LONGEST_WORD:
        return f"a text of {len(shown)} characters"
    return " ".join("".join(each if each.isprintable() else " " for each in shown).split())


def unusable_id(item: Item) -> str:
    """The place in an item of an id that is shown and can't be used; empty where all can.

    Left out, it would say that the device has no such half, or that it isn't there.
    """
    places = {"id": item, **{f"{name}.id": part(item, name) for name in ("sim", "endpoint", *OWNER_NAMES.values())}}
    return next((at for at, half in places.items() if half.get("id") is not None and not _ident(half["id"])), "")


def owners_from_sim(item: Item) -> tuple[str | None, ...]:
    """An item of the SIM listing as a row of `schemas.tables.Owners`."""
    return (_ident(item.get("id")), *(_ident(part(item, name).get("id")) for name in OWNER_NAMES.values()))


def owners_table(rows: Iterable[tuple[str | None, ...]]) -> pl.DataFrame:
    """An `Owners` table of the rows."""
    return pl.DataFrame(list(rows), schema=empty(Owners).schema, orient="row")


def table(rows: Iterable[Row]) -> pl.DataFrame:
    """An `Inventory` table of the rows."""
    return pl.DataFrame(list(rows), schema=_SCHEMA, orient="row")


def part(item: Item, name: str) -> Item:
    """An object inside an item; empty where there is none."""
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def number(value: object) -> int | None:
    """A whole number, which the carrier may send as a double or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _EXACT else None


def words(value: object, longest: int = 2000) -> str:
    """Text of the carrier, cut short; a number as text, empty for anything else."""
    if isinstance(value, str):
        return redacted(value[: 4 * longest])[:longest]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def moment(value: object) -> datetime | None:
    """A date with its time, UTC where no offset is said; None for anything else."""
    try:
        read = datetime.fromisoformat(words(value, _LONGEST_MOMENT))
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _ident(value: object) -> str | None:
    known = number(value)
    return None if known is None or not 0 <= known < _EXACT else str(known)


def _iccid(sim: Item) -> str | None:
    """19 digits: a 20th is the check digit, which listings leave out and the portal shows."""
    text = words(sim.get("iccid") or sim.get("iccid_with_luhn"), _LONGEST_ICCID)
    return text[:19] if text.isascii() and text.isdigit() else None


def _status(item: Item) -> int | str | None:
    """A status by its number, or by its word where the carrier sends no number."""
    status = item.get("status")
    told = status.get("id", status.get("description")) if isinstance(status, dict) else status
    known = number(told)
    return told.casefold() if known is None and isinstance(told, str) and len(told) <= _LONGEST_WORD else known
