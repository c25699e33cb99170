"""From files to the devices they ask for, every other row accounted for.

Several files are one list: rows are numbered from file to file, and every sentence about a row, and its own
columns, name the file and the row there.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas import own_columns
from schemas.device_csv import is_rounded
from schemas.statuses import Target
from schemas.tables import Devices, Rejected, Repeats
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import UnrecognisedInput
from simtandem.intake.device_file import Bounds, Reading, shown
from simtandem.intake.duplicates import find_duplicates
from simtandem.intake.gzip_data import unpacked
from simtandem.intake.header import EFFECTIVE_AT, IDS
from simtandem.intake.list_parts import (
    ListFile,
    ListPart,
    Naming,
    names_of,
    notes_of,
    own_of,
    place_in,
    read_parts,
    sha256_of,
)
from simtandem.intake.list_rows import ListRows, When, contradicting, no_moments, rows_of
from simtandem.intake.raw_table import read_sheet
from simtandem.intake.row_errors import one_line_a_row
from simtandem.intake.vocabulary import vocabulary_of


@dataclass(frozen=True, slots=True)
class Intake:
    """What a file asks for, or several. Its rows are all here: `rows` = devices + rejected + repeats.

    `devices`, `rejected` and `repeats` are tables as in `schemas.tables`, sorted by row; `rejected` has one line a row.
    `sha256` is of the file's bytes; of several files it is the same in any order. `notes` are
    sentences an operator should read. `contested` are the rows of `rejected` that are there only because others ask for
    something else of the same device: the listing may show more rows that mean it; None where that is not known.
    `moments` has `row` and `effective_at` of the rows that say when, and no row
    where `read_schedule` was not asked. `own` has `row` and the operator's own columns of every row
    (`schemas.own_columns`), and where its row is, in a list of several files.
    """

    devices: pl.DataFrame
    rejected: pl.DataFrame
    repeats: pl.DataFrame
    rows: int
    file: str
    sha256: str
    notes: tuple[str, ...]
    contested: pl.DataFrame | None = None
    moments: pl.DataFrame = dataclasses.field(default_factory=no_moments)
    own: pl.DataFrame = dataclasses.field(default_factory=own_columns.none)


_BOUNDS, _AS_IT_IS = Bounds(), Reading()


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of a list, and what its rows ask for."""

    file: ListPart
    rows: ListRows


def read_devices(
    path: Path,
    to: Target | None = None,
    bounds: Bounds = _BOUNDS,
    *,
    quoting: bool = True,
    lifecycle: Lifecycle,
    sheet: str = "",
) -> Intake:
    """Read a device list of one file: see `read_lists`, and `Reading` for what else is given."""
    name = shown(path.name or str(path))
    return read_lists([ListFile(path, name)], to, Reading(bounds, quoting, sheet), lifecycle=lifecycle)


def read_lists(
    files: Sequence[ListFile], to: Target | None, reading: Reading = _AS_IT_IS, *, lifecycle: Lifecycle
) -> Intake:
    """Read a device list, no more of it than `bounds` allow. A row's own status wins, `to` fills the rest.

    Without `quoting` an error says nothing of what is in a file that is no device list. `lifecycle` says which
    words and ids the list may have, `sheet` which sheet of a workbook is read.

    Raises `InputError` where a file as a whole is unusable: it can't be read, is no table, has no column that
    identifies a device, no status at all; where not one row of the list is usable; or where it says when, which can't
    be heeded here.
    """
    vocabulary = vocabulary_of(lifecycle)
    parts: list[_Part] = []
    for file in read_parts(files, reading, vocabulary.kinds):
        with Naming(file.name, reading):
            parts.append(_Part(file, rows_of(file.sheet, to, vocabulary)))
    with Naming(names_of([part.file for part in parts]), reading):
        intake = _put_together(parts)
        _require_a_device(intake, "".join(part.rows.suspicion for part in parts))
    return intake


def read_schedule(
    data: bytes, file: str, to: Target | None, when: When, reading: Reading = _AS_IT_IS, *, lifecycle: Lifecycle
) -> Intake:
    """As `read_devices`, for rows that may say when. A device may be asked for once for each moment.

    That no row is usable is no error here. `when` reads the moment of a row.
    """
    vocabulary = vocabulary_of(lifecycle)
    with Naming(file, reading):
        table = read_sheet(unpacked(data, reading.bounds), reading.bounds, vocabulary.kinds, reading.sheet_of(file))
        return _put_together([_Part(ListPart.of(file, 0, table, data), rows_of(table, to, vocabulary, when))])


def _put_together(parts: Sequence[_Part]) -> Intake:
    """The list of these files: what several rows say of one device is judged over all of them."""
    files = [part.file for part in parts]
    usable, moments = (pl.concat(getattr(part.rows, name) for part in parts) for name in ("usable", "moments"))
    place = place_in(files)
    repeated, contradictions = find_duplicates(_told_apart(_without_doubtful(usable), moments), place)
    problems = [part.rows.problems for part in parts]
    for part, following in zip(parts, [*(file.before for file in files[1:]), None], strict=True):
        mine = [
            each for each in contradictions if part.file.before < each.row and (not following or each.row <= following)
        ]
        problems.append(contradicting(part.rows.sheet, mine))

    repeats = pl.DataFrame(repeated, schema={"row": pl.Int64, "same_as": pl.Int64}, orient="row").sort("row")
    rejected = one_line_a_row(pl.concat(problems))
    devices = usable.join(pl.concat([rejected.select("row"), repeats.select("row")]), on="row", how="anti").sort("row")
    own, own_notes = own_of(files)
    return Intake(
        devices=Devices.validate(devices),
        rejected=Rejected.validate(rejected),
        repeats=Repeats.validate(repeats),
        rows=sum(part.rows.sheet.cells.height for part in parts),
        file=names_of(files),
        sha256=sha256_of(files),
        notes=(*notes_of(files), *own_notes, *repeat_notes(repeats, place)),
        contested=Devices.validate(usable.filter(pl.col("row").is_in([each.row for each in contradictions]))),
        moments=moments,
        own=own,
    )


def _without_doubtful(devices: pl.DataFrame) -> pl.DataFrame:
    """The devices without ICCIDs that may have lost digits where another id says which is meant.

    They say nothing about which rows mean the same device; whether each is right shows in the carrier's listing.
    """
    named = pl.col("sim_id").is_not_null() | pl.col("endpoint_id").is_not_null()
    return devices.with_columns(iccid=pl.when(~(named & is_rounded(pl.col("iccid")))).then("iccid"))


def _told_apart(devices: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    """The devices, those of one moment as if they were others than those of another."""
    if moments.is_empty():
        return devices
    moment = pl.col(EFFECTIVE_AT).cast(pl.Int64).cast(pl.String).fill_null("")
    apart = [pl.concat_str(moment, pl.lit(" "), pl.col(name)).alias(name) for name in IDS]
    return devices.join(moments, on="row", how="left", maintain_order="left").with_columns(apart).drop(EFFECTIVE_AT)


def _require_a_device(intake: Intake, suspicion: str) -> None:
    if intake.devices.is_empty():
        row, column, value, reason = intake.rejected.row(0)
        first = own_columns.Places(intake.own)(row)
        what = f"no row is usable; {intake.rejected.height:,} invalid, the first: {first}, {column}"
        then = "\nNothing was sent. Correct the rows and try again."
        raise UnrecognisedInput(f"{what} {value!r}: {reason}.{suspicion}{then}", f"{what}.{then}")


def repeat_notes(repeats: pl.DataFrame, place: Callable[[int], str] | None) -> list[str]:
    """What is said of rows that repeat others (`schemas.tables.Repeats`); nothing where none does."""
    if repeats.is_empty():
        return []
    row, same_as = (place(row) if place else f"row {row}" for row in repeats.row(0))
    return [
        f"Rows that repeat an earlier row, and are changed once with it: {repeats.height:,} ({row} repeats {same_as})."
    ]
