"""Rows that can't be changed, grouped by why: a count, the reason without ids, and one example. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from schemas.statuses import Action
from simtandem.domain.plan_sample import device

_DEVICE = re.compile(r"^(?:SIM|endpoint|ICCID) [0-9]+: ")
_ID = re.compile(r"(?<=\brow )[0-9]+\b|\b[0-9]{5,}\b")
_NUMBER = re.compile(r"\b[0-9][0-9,]*\b")


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Rows with one reason. `example` names the device or the cell in `row`, the first of them."""

    count: int
    reason: str
    row: int
    example: str


def refused(plan: pl.DataFrame) -> list[ReasonGroup]:
    """The refused rows of a plan (`schemas.tables.Plan`, or one of SIM actions), the most frequent reason first."""
    rows = plan.filter(pl.col("action") == Action.REFUSED).sort("row")
    return grouped(rows.select("row", "reason", device(batches="bic" in plan.columns)))


def invalid(rejected: pl.DataFrame) -> list[ReasonGroup]:
    """The invalid rows of a file (`schemas.tables.Rejected`), the most frequent reason first."""
    rows = rejected.sort("row").select("row", "reason", "column", "value").iter_rows()
    return _grouped((row, reason, f"{column} {value!r}") for row, reason, column, value in rows)


def grouped(rows: pl.DataFrame) -> list[ReasonGroup]:
    """Rows, sorted, with a reason and an example in three columns, the most frequent reason first.

    Reasons that differ in numbers alone are one: then their numbers are left out.
    """
    return _grouped(rows.iter_rows())


def _grouped(rows: Iterable[tuple[int, str, str]]) -> list[ReasonGroup]:
    kinds: dict[str, list[tuple[int, str, str]]] = {}
    for row, reason, example in rows:
        text = without_ids(reason)
        kinds.setdefault(_NUMBER.sub("…", text), []).append((row, text, example))
    groups = [
        ReasonGroup(len(found), kind if len({text for _, text, _ in found}) > 1 else found[0][1], row, example)
        for kind, found in kinds.items()
        for row, _, example in found[:1]
    ]
    return sorted(groups, key=lambda group: (-group.count, group.row))


def without_ids(reason: str) -> str:
    """A reason as it is for any device: "SIM 10000210: it is final" becomes "it is final"."""
    return _ID.sub("…", _DEVICE.sub("", reason))
