"""The fields of emnify's listings that a selection may name, and where an item has them.

The endpoint listing shows a SIM with its ids and its status; its dates and owners are in the SIM listing alone. What
the documents name for one listing only is never taken from the other, even where a recording had it there. A SIM's last
event is in neither: it is read from the log (`last_events`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.organisations import OwnerField
from schemas.tables import Inventory, empty
from simtandem.carriers.emnify.item_mapping import (
    OWNER_NAMES,
    Item,
    from_endpoint,
    from_sim,
    moment,
    number,
    part,
    words,
)
from simtandem.selection.expressions import TYPES, tags_of
from simtandem.selection.fields import FieldKind, Fields, ListedField
from simtandem.selection.selection import Selection

Read = Callable[[Item], Any]
_LONGEST, _LONGEST_TAGS = 500, 1_000_000  # a tag that is cut off would be one that the device has not
_INVENTORY = empty(Inventory).schema
_TAGS = "tag"
LAST_EVENT = "last_event"
_DAYS_OF_EVENTS = 29  # events are kept for 30 days, so of the day that was 30 days ago only a part


@dataclass(frozen=True, slots=True)
class _Shown:
    """A field, and how it is read from an item of the endpoint listing, and of the SIM listing; None: not there."""

    field: ListedField
    endpoint: Read | None = None
    sim: Read | None = None


def _text(name: str, longest: int = _LONGEST) -> Read:
    return lambda item: words(item.get(name), longest).strip() or None


def _number(name: str) -> Read:
    return lambda item: number(item.get(name))


def _moment(name: str) -> Read:
    return lambda item: moment(item.get(name))


def _inside(name: str, read: Read) -> Read:
    return lambda item: read(part(item, name))


def _of_row(index: int) -> tuple[Read, Read]:
    """How a column of the inventory is read, which both listings have."""
    return (lambda item: from_endpoint(item)[index]), (lambda item: from_sim(item)[index])


def _status(index: int) -> tuple[Read, Read]:
    def read(row: Callable[[Item], tuple[Any, ...]]) -> Read:
        return lambda item: None if (status := row(item)[index]) is None else str(status)

    return read(from_endpoint), read(from_sim)


def _of_sim(name: str, kind: FieldKind, says: str, read: Read) -> _Shown:
    return _Shown(ListedField(name=name, kind=kind, says=says), sim=read)


def _of_endpoint(name: str, kind: FieldKind, says: str, read: Read, *aliases: str) -> _Shown:
    return _Shown(ListedField(name=name, kind=kind, says=says, aliases=aliases), endpoint=read)


def _of_both(name: str, kind: FieldKind, says: str, read: tuple[Read, Read], digits: int | None = None) -> _Shown:
    return _Shown(ListedField(name=name, kind=kind, says=says, digits=digits), *read)


def _profile(what: str) -> list[_Shown]:
    """A profile by its name, and by its id."""
    name = f"{what}_profile"
    return [
        _of_endpoint(name, FieldKind.TEXT, f"name of the endpoint's {what} profile", _inside(name, _text("name"))),
        _of_endpoint(
            f"{name}_id", FieldKind.NUMBER, f"id of the endpoint's {what} profile", _inside(name, _number("id"))
        ),
    ]


def _owner(field: OwnerField) -> _Shown:
    what = field.removesuffix("_org_id")
    read = _inside(OWNER_NAMES[field], _number("id"))
    return _of_sim(str(field), FieldKind.NUMBER, f"id of the SIM's {what} organisation", read)


_SHOWN = (
    _of_both("sim_id", FieldKind.NUMBER, "the SIM's id", (_inside("sim", _number("id")), _number("id"))),
    _of_both("iccid", FieldKind.TEXT, "its ICCID, 19 digits, or 20 with the check digit", _of_row(1), digits=19),
    _of_both("imsi", FieldKind.TEXT, "its IMSI", (_inside("sim", _text("imsi")), _text("imsi"))),
    _of_both("msisdn", FieldKind.TEXT, "its MSISDN", (_inside("sim", _text("msisdn")), _text("msisdn"))),
    _of_both("sim_status", FieldKind.SIM_STATUS, "the SIM's status", _status(2)),
    _of_sim("activation_date", FieldKind.DATE, "when the SIM was activated first", _moment("activation_date")),
    _of_sim("production_date", FieldKind.DATE, "when the SIM was made", _moment("production_date")),
    _of_sim("model", FieldKind.TEXT, "what kind of SIM it is", _inside("model", _text("description"))),
    *map(_owner, OwnerField),
    # A SIM that no endpoint was listed or looked up for has none.
    _of_endpoint("endpoint_id", FieldKind.NUMBER, "the endpoint's id", _number("id")),
    _of_endpoint("endpoint_status", FieldKind.ENDPOINT_STATUS, "the endpoint's status", _status(4)[0]),
    _of_endpoint("name", FieldKind.TEXT, "the endpoint's name", _text("name")),
    _of_endpoint(
        _TAGS, FieldKind.TAGS, "the endpoint's tags, each of them alone", _text("tags", _LONGEST_TAGS), "tags"
    ),
    _of_endpoint("imei", FieldKind.TEXT, "the device's IMEI, as the endpoint shows it", _text("imei")),
    _of_endpoint("ip_address", FieldKind.TEXT, "the endpoint's private address", _text("ip_address")),
    *_profile("service"),
    *_profile("tariff"),
    _of_endpoint("created", FieldKind.DATE, "when the endpoint was created", _moment("created")),
    _of_endpoint("last_updated", FieldKind.DATE, "when the endpoint was changed last", _moment("last_updated")),
    _Shown(
        ListedField(
            name=LAST_EVENT,
            kind=FieldKind.DATE,
            says="when the event log names the SIM last; see *Silent devices*",
            days_known=_DAYS_OF_EVENTS,
        )
    ),
)

FIELDS = Fields("emnify", (each.field for each in _SHOWN))
ON_ENDPOINTS = frozenset(each.field.name for each in _SHOWN if each.endpoint)
ON_SIMS = frozenset(each.field.name for each in _SHOWN if each.sim)
"""The names of the fields that an item of each listing shows."""


class Judging:
    """Reads items of one listing, and judges them by what that shows of a selection's fields."""

    def __init__(self, selection: Selection, *, endpoints: bool) -> None:
        shown = {each.field.name: each.endpoint if endpoints else each.sim for each in _SHOWN}
        fields = [each for each in selection.fields if shown[each.name]]
        self._reads = [read for each in fields if (read := shown[each.name])]
        self._schema = {each.name: pl.String() if each.name == _TAGS else TYPES[each.kind] for each in fields}
        self._judged = selection.judged(self._schema)
        self._from = from_endpoint if endpoints else from_sim

    def row(self, item: Item) -> tuple[object, ...]:
        """The item as a row of an inventory, and what it shows of the fields."""
        return (*self._from(item), *(read(item) for read in self._reads))

    def table(self, rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
        """An inventory of the rows, with a column for each condition; the fields themselves are not kept."""
        read: Mapping[str, Any] = {**_INVENTORY, **{_raw(name): kind for name, kind in self._schema.items()}}
        whole = pl.DataFrame(list(rows), schema=dict(read), orient="row")
        fields = whole.select(
            (tags_of(pl.col(_raw(name))) if name == _TAGS else pl.col(_raw(name))).alias(name) for name in self._schema
        )
        return whole.select(_INVENTORY.names()).with_columns(fields.select(self._judged).get_columns())


def _raw(name: str) -> str:
    return f"shown {name}"
