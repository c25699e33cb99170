"""The rows of a file as a table of raw text: only the columns that are read, however many others there are."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import polars as pl

from simtandem.domain.device_ids import IdKind
from simtandem.errors import InputError
from simtandem.intake.csv_text import MOST_COLUMNS, open_text
from simtandem.intake.device_file import Bounds
from simtandem.intake.header import Source, current_statuses, find_sources, listed, recognised, tidy
from simtandem.intake.own_cells import OwnCells
from simtandem.intake.workbook_text import OLE, ZIP, open_workbook

_TOTAL = re.compile(r"(?i)((grand|sub)[ -]?)?(total|totals|totale|sum|summe|gesamt|gesamtsumme)\s*[:=]?\s*[0-9.,]*")
_BOUNDS = Bounds()
_SHOWN = 200  # cells, and characters, of what stands beyond the last column


@dataclass(frozen=True, slots=True)
class MoreColumns:
    """What a kind of list has beside what every list has: `read` columns, see `find_sources`, by their headers.

    `reserved` are names that own columns can't have in the files of these rows.
    """

    read: Mapping[str, str]
    reserved: Collection[str] = ()


_NO_MORE = MoreColumns({})


class Document(Protocol):
    """A file that holds records: see `CsvText` and `WorkbookText`."""

    @property
    def separator(self) -> str:
        """What stands between cells where they are shown in one line."""
        ...

    def notes(self, columns: int) -> list[str]:
        """How the file, with so many columns, was understood, as far as that was not plain."""
        ...

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of every record, the first being row 1; a blank line has no cells."""
        ...


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds.

    `cells`: `row` (as a spreadsheet numbers it) and a text column per source, named by its `key`; blank lines are left
    out. `own`: `row`, and the columns that are kept beside it. `totals` and `overflows`: raw text by row, of a total
    row's first cell and of cells beyond the header's last. `last` is the number of the last row.
    """

    header: list[str]
    sources: tuple[Source, ...]
    cells: pl.DataFrame
    totals: dict[int, str]
    overflows: dict[int, str]
    blank: int
    document_notes: Sequence[str]
    own: pl.DataFrame
    own_notes: Sequence[str]
    last: int

    def after(self, rows: int) -> "Sheet":
        """The same with numbers that follow so many rows of other files."""
        if not rows:
            return self
        later = pl.col("row") + rows
        return replace(
            self,
            cells=self.cells.with_columns(later),
            totals={row + rows: text for row, text in self.totals.items()},
            overflows={row + rows: text for row, text in self.overflows.items()},
            own=self.own.with_columns(later),
        )

    def notes(self) -> list[str]:
        """How the file was understood, as far as that was not plain."""
        notes = list(self.document_notes)
        if statuses := current_statuses(self.header, self.sources):
            notes.append(
                f"Not read, because it may be the current status, not the target status: {listed(statuses)}."
                " Name the target column status or target_status."
            )
        notes += self.own_notes
        if self.blank:
            notes.append(f"Blank rows skipped: {self.blank:,}.")
        return notes


def read_sheet(
    data: bytes,
    bounds: Bounds = _BOUNDS,
    kinds: Sequence[IdKind] = (),
    wanted: str = "",
    *,
    also: MoreColumns = _NO_MORE,
) -> Sheet:
    """Read a file's bytes; raises `InputError` where they are no table of devices, or one beyond the bounds.

    `kinds` are the ids that name a device, see `find_sources`. `wanted` is a workbook's sheet.
    """
    document = _open(data, wanted, bounds, partial(recognised, kinds=kinds, also=also.read))
    records = document.records()
    header = _header(records)
    sources = find_sources(header, kinds, also.read)
    numbers: list[int] = []
    columns: list[tuple[int, list[str]]] = [(source.index, []) for source in sources]
    own = OwnCells(header, sources, also.reserved)
    totals: dict[int, str] = {}
    overflows: dict[int, str] = {}
    blank, number = 0, 1
    for number, record in records:
        if number > bounds.rows:
            raise _too_many(bounds)
        if not _filled(record):
            blank += 1
            continue
        numbers.append(number)
        for index, texts in columns:
            texts.append(record[index] if index < len(record) else "")
        own.add(record)
        # The first cell of most rows is a number; this spares a million searches.
        if record[0][:1] not in _DIGITS and _TOTAL.fullmatch(tidy(record[0])):
            totals[number] = record[0]
        if len(record) > len(header) and _filled(record[len(header) :]):
            overflows[number] = document.separator.join(record[len(header) :][:_SHOWN])[:_SHOWN]
    frame = _frame(numbers, sources, [texts for _, texts in columns])
    notes, kept = document.notes(len(header)), own.table(frame["row"])
    return Sheet(header, sources, frame, totals, overflows, blank, notes, kept, own.notes(), number)


def _frame(numbers: list[int], sources: Sequence[Source], columns: Sequence[list[str]]) -> pl.DataFrame:
    rows = pl.Series("row", numbers, dtype=pl.Int64)
    cells = (pl.Series(each.key, texts, dtype=pl.String) for each, texts in zip(sources, columns, strict=True))
    return pl.DataFrame([rows, *cells])


def _open(data: bytes, wanted: str, bounds: Bounds, known: Callable[[Sequence[str]], int]) -> Document:
    """A workbook by its first bytes; else a text, whose separator is the one that makes most columns `known`."""
    return open_workbook(data, wanted, bounds) if data.startswith((ZIP, OLE)) else open_text(data, known)


def _too_many(bounds: Bounds) -> InputError:
    return InputError(
        f"the file has more than {bounds.rows:,} rows (SIMTANDEM_MAX_FILE_ROWS).\nNothing was sent. Split it."
    )


_DIGITS = frozenset("0123456789")


def _header(records: Iterator[tuple[int, list[str]]]) -> list[str]:
    header: list[str] = next((record for _, record in records if _filled(record)), [])
    if not header:
        raise InputError("the file is empty.\nNothing was sent. It needs a header row and one row per device.")
    if len(header) > MOST_COLUMNS:
        raise InputError(
            f"the header has {len(header):,} columns; at most {MOST_COLUMNS:,} are read.\n"
            "Nothing was sent. Leave out the columns that are not needed."
        )
    return header


def _filled(record: list[str]) -> bool:
    return bool("".join(record).strip())
