"""A workbook (XLSX) of typed tables: a sheet each, headers that stay in view, a filter, and nothing that could run.

Text is written as text, never as a number, a link or a formula, for any first character. XlsxWriter keeps one row in
memory and writes the others to a temporary file.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from simtandem.host.atomic_file import replace_file
from simtandem.reports.report_tables import Part
from simtandem.reports.spreadsheet_cells import sheet_text

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

ROWS_OF_A_SHEET = 1_048_575
"""A spreadsheet has no more, under the header; a longer table continues in a sheet of its own."""

_ROWS_AT_A_TIME = 20_000
_LONGEST = 32_767  # characters a cell can hold
_WIDTHS = {
    "reason": 60,
    "error": 40,
    "parameters": 40,
    "detail": 60,
    "file": 28,
    "path": 28,
    "sha256": 24,
    "run_id": 24,
}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_FORMATS = {
    "header": {"num_format": "@", "bold": True, "bg_color": "#E9EBEE"},
    "text": {"num_format": "@"},
    "moment": {"num_format": "yyyy-mm-dd hh:mm:ss.000"},
    "share": {"num_format": "0.0##"},
}


def write_workbook(parts: Sequence[Part], path: Path, *, rows_of_a_sheet: int = ROWS_OF_A_SHEET) -> None:
    """Write the tables as sheets of their names, all or nothing; a `LedgerError` names the file if that fails."""
    from xlsxwriter import Workbook  # noqa: PLC0415 - no other report needs it, and it takes time to load

    with tempfile.TemporaryDirectory() as drafts:
        draft = Path(drafts) / "draft.xlsx"
        book = Workbook(str(draft), {**_OPTIONS, "tmpdir": drafts})
        book.use_zip64()
        formats = {name: book.add_format(properties) for name, properties in _FORMATS.items()}
        for part in parts:
            _write_part(book, formats, part, rows_of_a_sheet)
        book.close()
        with draft.open("rb") as file:
            replace_file(path, iter(lambda: file.read(1 << 20), b""))


def _write_part(book: "Workbook", formats: dict[str, Any], part: Part, most: int) -> None:
    """Write one table, in as many sheets as it takes."""
    rows = _rows(part)
    row = next(rows, None)
    number = 1
    while number == 1 or row is not None:
        sheet = book.add_worksheet(part.name if number == 1 else f"{part.name} {number}")
        cells = _begin(sheet, formats, part.schema)
        count = 0
        while row is not None and count < most:
            count += 1
            for at, value in enumerate(row):
                if value is not None and value != "":
                    cells[at](count, at, value)
            row = next(rows, None)
        _end(sheet, count, len(part.schema) - 1)
        number += 1


def _rows(part: Part) -> Iterator[tuple[Any, ...]]:
    """The rows as the sheet takes them, some read at a time."""
    cells = [_cell(name, kind) for name, kind in part.schema.items()]
    for frame in part.frames():
        for some in frame.iter_slices(_ROWS_AT_A_TIME):
            yield from some.select(cells).iter_rows()


def _begin(sheet: "Worksheet", formats: dict[str, Any], schema: pl.Schema) -> list[Callable[[int, int, Any], object]]:
    """Write the header, which stays in view, and say how each column's cells are written."""
    sheet.freeze_panes(1, 0)
    cells = []
    for at, (name, kind) in enumerate(schema.items()):
        form = formats.get(_form(kind))
        sheet.set_column(at, at, _width(name, kind), form)
        sheet.write_string(0, at, name, formats["header"])
        cells.append(_writer(sheet, kind, form))
    return cells


def _writer(sheet: "Worksheet", kind: pl.DataType, form: object) -> Callable[[int, int, Any], object]:
    writers = {pl.String: sheet.write_string, pl.Boolean: sheet.write_boolean}
    write = writers.get(kind.base_type(), sheet.write_number)
    return lambda row, column, value: write(row, column, value, form)


def _end(sheet: "Worksheet", rows: int, last_column: int) -> None:
    from xlsxwriter.utility import xl_range  # noqa: PLC0415 - as above

    sheet.autofilter(0, 0, rows, last_column)
    sheet.ignore_errors({"number_stored_as_text": xl_range(0, 0, rows, last_column)})
    sheet.set_margins(0.5, 0.5, 0.5, 0.5)


def _cell(name: str, kind: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return value.dt.epoch("ms") / 86_400_000 + 25_569  # days since the spreadsheet's first
    if kind != pl.String:
        return value
    text = sheet_text(value)
    # XlsxWriter copies a text in these two tags into the sheet as it is: it takes it for formatting of its own.
    unmarked = pl.when(text.str.contains(r"(?s)^<r>.*</r>$")).then(text + " ").otherwise(text)
    cut = pl.when(text.str.len_chars() > _LONGEST).then(text.str.slice(0, _LONGEST - 1) + "…")
    return cut.otherwise(unmarked).alias(name)


def _form(kind: pl.DataType) -> str:
    if kind == pl.String:
        return "text"
    return "moment" if isinstance(kind, pl.Datetime) else "share" if kind.is_float() else "plain"


def _width(name: str, kind: pl.DataType) -> int:
    if name in _WIDTHS:
        return _WIDTHS[name]
    if isinstance(kind, pl.Datetime):
        return 24
    return max(len(name) + 4, 21 if name in ("iccid", "before", "after") else 12)
