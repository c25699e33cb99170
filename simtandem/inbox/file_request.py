"""What a file asks for, and when: from its bytes to schedules. Pure, but for the ids it makes up."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from schemas import own_columns
from schemas.statuses import Target
from schemas.tables import Rejected, empty
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.intake import Intake, Reading, read_schedule
from simtandem.ledger.schedule_records import SCHEDULE_ROWS, Arrival, FileVersion, NewSchedule

_AS_IT_IS = Reading()


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What a file asks for: an arrival to record, what it schedules, the rows that can't be used, and notes."""

    arrival: Arrival
    schedules: list[NewSchedule]
    rejected: pl.DataFrame
    notes: tuple[str, ...] = ()


def read_request(
    data: bytes,
    file: FileVersion,
    taken_at: datetime,
    when: Callable[[str], datetime],
    *,
    lifecycle: Lifecycle,
    otherwise: datetime | None,
    to: Target | None = None,
    shelf_name: Callable[[str], str] | None = None,
    reading: Reading = _AS_IT_IS,
    where: str = "",
) -> FileRequest:
    """Read a file. Rows that don't say when become effective at `otherwise`; without that they are invalid.

    `lifecycle` says which words and ids the carrier has.

    A file of which nothing can be used makes an arrival with a reason, and no schedules. `shelf_name` is asked what
    the file is to be called where it is put away. `where` selects from its devices when they are due.
    """
    arrival_id = _new_id(taken_at)
    name = shelf_name(arrival_id) if shelf_name else file.name
    try:
        intake = read_schedule(data, file.name, to, when, reading, lifecycle=lifecycle)
    except InputError as error:
        return FileRequest(Arrival(arrival_id, file, taken_at, name, 0, 0, str(error)), [], empty(Rejected))
    rejected, asked = intake.rejected, _asked(intake)
    if otherwise is None:
        timeless = asked.filter(pl.col("effective_at").is_null())
        rejected = pl.concat([rejected, _timeless(timeless)]).sort("row")
        asked = asked.filter(pl.col("effective_at").is_not_null())
    else:
        asked = asked.with_columns(pl.col("effective_at").fill_null(_in_ms(otherwise)))
    reason = (
        "" if asked.height else f"no row is usable; {_first(rejected)}\nNothing was sent. Correct it and try again."
    )
    arrival = Arrival(arrival_id, file, taken_at, name, intake.rows, rejected.height, reason)
    return FileRequest(arrival, _schedules(arrival_id, asked, where), rejected, intake.notes)


def selection_request(selection: FileVersion, where: str, to: Target, at: datetime, taken_at: datetime) -> FileRequest:
    """What a selection asks for that is in place of a file: `to`, of all that it selects at that moment."""
    arrival_id = _new_id(taken_at)
    arrival = Arrival(arrival_id, selection, taken_at, selection.name, 0, 0)
    schedule = NewSchedule(f"{arrival_id}.1", at, pl.DataFrame(schema=SCHEDULE_ROWS), where, to)
    return FileRequest(arrival, [schedule], empty(Rejected))


def _new_id(taken_at: datetime) -> str:
    return f"{taken_at.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _asked(intake: Intake) -> pl.DataFrame:
    """Every usable row, repeats included, with its moment."""
    devices = intake.devices.with_columns(same_as=pl.lit(None, pl.Int64))
    repeats = intake.repeats.join(intake.devices, left_on="same_as", right_on="row")
    own = own_columns.encoded(intake.own).rename({"cells": "own"})
    rows = pl.concat([devices, repeats.select(devices.columns)]).join(own, on="row", how="left")
    return rows.select(*SCHEDULE_ROWS).join(intake.moments, on="row", how="left").sort("row")


def _schedules(arrival_id: str, asked: pl.DataFrame, where: str) -> list[NewSchedule]:
    """One for each moment, the earliest first."""
    groups = asked.sort("effective_at", "row").group_by("effective_at", maintain_order=True)
    return [
        NewSchedule(f"{arrival_id}.{number}", moment, rows.select(*SCHEDULE_ROWS), where)
        for number, ((moment,), rows) in enumerate(groups, start=1)
        if isinstance(moment, datetime)
    ]


def _timeless(rows: pl.DataFrame) -> pl.DataFrame:
    reason = "the row has no effective_at, and no time was given for all rows (--at)"
    place = {"column": pl.lit("effective_at"), "value": pl.lit(""), "reason": pl.lit(reason)}
    return rows.select("row", **place)


def _first(rejected: pl.DataFrame) -> str:
    if rejected.is_empty():
        return "there is none"
    row, column, value, reason = rejected.row(0)
    return f"{rejected.height:,} invalid, the first: row {row}, {column} {value!r}: {reason}."


def _in_ms(moment: datetime) -> pl.Expr:
    return pl.lit(moment.astimezone(UTC)).cast(pl.Datetime("ms", "UTC"))
