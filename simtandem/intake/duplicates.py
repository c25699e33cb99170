"""Rows of a file that name the same device.

Rows that share an id, directly or through other rows, form a group. If the whole group says the same, its first row is
kept and the others repeat it. If anything in it contradicts, none of its rows is used: which one is meant is unknown.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import polars as pl

from simtandem.intake.header import IDS

_SHOWN = 3
_WISHES = {"desired": "status", "owners": "owner"}
_NAMES = {"sim_id": "sim_id", "endpoint_id": "endpoint_id", "iccid": "ICCID"}


class Named(NamedTuple):
    """A usable row."""

    row: int
    sim_id: str | None
    endpoint_id: str | None
    iccid: str | None
    desired: str | None
    owners: str | None


class Contradiction(NamedTuple):
    """A row that can't be used because of other rows. `field` is what they contradict each other about."""

    row: int
    field: str
    reason: str


Place = Callable[[int], str]


def find_duplicates(
    devices: pl.DataFrame, place: Place | None = None
) -> tuple[list[tuple[int, int]], list[Contradiction]]:
    """Repeats (row, the row it repeats), and contradictions, among the rows of a `schemas.tables.Devices` table.

    `place` says where a row is, in a list of several files.
    """
    shared = pl.any_horizontal(pl.col(kind).is_not_null() & pl.col(kind).is_duplicated() for kind in IDS)
    rows = [Named(*values) for values in devices.filter(shared).select(Named._fields).sort("row").iter_rows()]
    repeats: list[tuple[int, int]] = []
    contradictions: list[Contradiction] = []
    for group in _groups(rows):
        found = list(_contradictions(group, place))
        contradictions += found
        if not found:
            repeats += [(other.row, group[0].row) for other in group[1:]]
    return repeats, contradictions


def _groups(rows: Sequence[Named]) -> list[list[Named]]:
    """Union-find over the ids; the root of a group is its first row."""
    root = list(range(len(rows)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    owner: dict[tuple[str, str], int] = {}
    for index, named in enumerate(rows):
        for kind in IDS:
            value: str | None = getattr(named, kind)
            if value is not None:
                one, other = sorted((find(owner.setdefault((kind, value), index)), find(index)))
                root[other] = one
    groups: dict[int, list[Named]] = {}
    for index, named in enumerate(rows):
        groups.setdefault(find(index), []).append(named)
    return list(groups.values())


def _contradictions(group: Sequence[Named], place: Place | None) -> Iterator[Contradiction]:
    """One for every row of the group if it contradicts itself, none if it doesn't."""
    for field in (*IDS, *_WISHES):
        rows_by_value: dict[str, list[int]] = {}
        for named in group:
            value = _said(named, field)
            if value is not None:
                rows_by_value.setdefault(value, []).append(named.row)
        if len(rows_by_value) > 1:
            said = sum(map(len, rows_by_value.values()))
            for named in group:
                yield Contradiction(
                    named.row,
                    "status" if field == "desired" else field,
                    _reason(field, _said(named, field), rows_by_value, said, place),
                )
            return


def _said(named: Named, field: str) -> str | None:
    """What a row says; to ask for no status is something else than to ask for one, to give no ICCID is nothing."""
    value: str | None = getattr(named, field)
    return f"no {_WISHES[field]}" if value is None and field in _WISHES else value


def _reason(field: str, own: str | None, rows_by_value: dict[str, list[int]], said: int, place: Place | None) -> str:
    """`said` is how many rows say anything: a group can be the whole file, so nothing here may look at all of it."""
    count = said - len(rows_by_value.get(own, ())) if own is not None else said
    others = (row for value, rows in rows_by_value.items() if value != own for row in rows)
    shown = [place(row) if place else str(row) for row in islice(others, _SHOWN)]
    where = ("" if place else "row " if count == 1 else "rows ") + ", ".join(shown)
    if count > _SHOWN:
        where += f" and {count - _SHOWN:,} more"
    if field in _WISHES:
        return f"asks for {own}, but {where} for another {_WISHES[field]} of the same device"
    if own is None:
        return f"names a device for which {where} disagree about the {_NAMES[field]}"
    return f"names the same device as {where}, but with another {_NAMES[field]}"
