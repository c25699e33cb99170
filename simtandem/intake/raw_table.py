"""The rows of a file as a table of raw text: only the columns that are read, however many others there are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from simtandem.domain.device_ids import IdKind
from simtandem.errors import InputError
from simtandem.intake.csv_text import MOST_COLUMNS, CsvText, open_text
from simtandem.intake.device_file import MOST_ROWS
from simtandem.intake.header import Source, find_sources, ignored, listed, recognised, tidy

_TOTAL = re.compile(r"(?i)((grand|sub)[ -]?)?(total|totals|totale|sum|summe|gesamt|gesamtsumme)\s*[:=]?\s*[0-9.,]*")
_SEPARATOR_NAMES = {"\t": "tab"}
_SHOWN = 200  # cells, and characters, of what stands beyond the last column


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds.

    `cells`: `row` (as a spreadsheet numbers it) and a text column per source, named by its `key`; blank lines are left
    out. `totals` and `overflows`: raw text by row, of a total row's first cell and of cells beyond the header's last.
    """

    header: list[str]
    sources: tuple[Source, ...]
    cells: pl.DataFrame
    totals: dict[int, str]
    overflows: dict[int, str]
    blank: int
    document: CsvText

    def notes(self) -> list[str]:
        """How the file was understood, as far as that was not plain."""
        notes = []
        if self.document.encoding not in ("utf-8", "utf-8-sig"):
            notes.append(f"The file is not UTF-8; it was read as {self.document.encoding}.")
        separator = self.document.separator
        if separator != "," and (len(self.header) > 1 or self.document.declared):
            notes.append(f"The columns are separated by {_SEPARATOR_NAMES.get(separator, repr(separator))}.")
        if self.document.declared:
            notes.append("The first line names the separator; as in Excel, it does not count as a row.")
        statuses, others = ignored(self.header, self.sources)
        if statuses:
            notes.append(
                f"Not read, because it may be the current status, not the target status: {listed(statuses)}."
                " Name the target column status or target_status."
            )
        if others:
            notes.append(f"Columns not needed and not read: {listed(others)}.")
        if self.blank:
            notes.append(f"Blank rows skipped: {self.blank:,}.")
        return notes


def read_sheet(data: bytes, most_rows: int = MOST_ROWS, kinds: Sequence[IdKind] = ()) -> Sheet:
    """Read a file's bytes; raises `InputError` where they are no table of devices, or one of more rows than that.

    `kinds` are the ids that name a device at the carrier; see `find_sources`.
    """
    document = open_text(data, partial(recognised, kinds=kinds))
    records = document.records()
    header = _header(records)
    sources = find_sources(header, kinds)
    numbers: list[int] = []
    columns: list[tuple[int, list[str]]] = [(source.index, []) for source in sources]
    totals: dict[int, str] = {}
    overflows: dict[int, str] = {}
    blank = 0
    for number, record in records:
        if number > most_rows:
            raise InputError(
                f"the file has more than {most_rows:,} rows (SIMTANDEM_MAX_FILE_ROWS).\nNothing was sent. Split it."
            )
        if not _filled(record):
            blank += 1
            continue
        numbers.append(number)
        for index, texts in columns:
            texts.append(record[index] if index < len(record) else "")
        # The first cell of most rows is a number; this spares a million searches.
        if record[0][:1] not in _DIGITS and _TOTAL.fullmatch(tidy(record[0])):
            totals[number] = record[0]
        if len(record) > len(header) and _filled(record[len(header) :]):
            overflows[number] = document.separator.join(record[len(header) :][:_SHOWN])[:_SHOWN]
    frame = pl.DataFrame(
        [pl.Series("row", numbers, dtype=pl.Int64)]
        + [pl.Series(source.key, texts, dtype=pl.String) for source, (_, texts) in zip(sources, columns, strict=True)]
    )
    return Sheet(header, sources, frame, totals, overflows, blank, document)


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
