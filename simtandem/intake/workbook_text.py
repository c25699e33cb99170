"""From the bytes of an Excel workbook (.xlsx, .xlsm) to the records of one of its sheets, as text.

A number keeps 15 digits in a spreadsheet: a longer one becomes text as `8.98830300000000E+18`, which
is refused where an id belongs. A formula becomes its own text, beginning with `=`, and is refused there, too. Nothing
is calculated and no macro runs. Rows that a filter hides are an error: nobody who looks at the sheet sees that they
would be changed.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake.device_file import Bounds
from simtandem.intake.header import listed

if TYPE_CHECKING:
    from openpyxl import Workbook

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MOST_COLUMNS = 1_024
_MOST_PARTS = 10_000
_EXACT_BELOW = 10**15  # a double has no more digits than these for sure
_CHUNK = 1 << 20
_HIDDEN_OR_FORMULA = re.compile(rb"<(?:\w+:)?(?:(?P<hidden>row\b[^>]*?\bhidden=[\"'](?:1|true)[\"'][^>]*)|f[\s/>])")
_ROW_NUMBER = re.compile(rb"\br=[\"'](\d{1,9})[\"']")
_LONGEST_TAG = 4096
_DECLARES = (b"<!DOCTYPE", b"<!ENTITY")
_OTHERS = (
    ("xl/workbook.bin", "a binary workbook (.xlsb)"),
    ("content.xml", "an OpenDocument file"),
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a presentation"),
)
_SAVE_AS = "Nothing was sent. Save it as an Excel workbook (.xlsx) or as CSV UTF-8 and try again."
_DAMAGED = "the workbook is damaged or no Excel workbook.\nNothing was sent. Open it, save it again and try again."


class Formula(str):
    """The text of a formula; `value` is what the spreadsheet calculated last, empty where it kept none."""

    __slots__ = ("value",)
    value: str

    def __new__(cls, text: str, value: str) -> "Formula":
        """The formula's own text is the string."""
        made = super().__new__(cls, text)
        made.value = value
        return made


@dataclass(frozen=True, slots=True)
class WorkbookText:
    """One sheet of a workbook. `remarks` are sentences on what else is in it."""

    data: bytes
    sheet: str
    formulas: bool
    remarks: tuple[str, ...] = ()
    separator: str = ";"

    def notes(self, _columns: int) -> list[str]:
        """How the file was understood, as far as that was not plain."""
        return list(self.remarks)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of every row, the first being row 1, as the spreadsheet shows them.

        Raises `InputError` where the sheet is damaged.
        """
        with _readable(), ExitStack() as stack:
            rows = _rows(stack.enter_context(closing(_opened(self.data))), self.sheet)
            values: Iterator[Sequence[tuple[Any, str]]] = repeat(())
            if self.formulas:
                values = _rows(stack.enter_context(closing(_opened(self.data, values=True))), self.sheet)
            for number, (cells, known) in enumerate(zip(rows, values, strict=False), start=1):
                if len(cells) > MOST_COLUMNS:
                    raise InputError(
                        f"row {number} of the sheet has {len(cells):,} columns; at most {MOST_COLUMNS:,} are read.\n"
                        "Nothing was sent. Leave out the columns that are not needed."
                    )
                yield number, [_text(cell, known[at] if at < len(known) else None) for at, cell in enumerate(cells)]


def open_workbook(data: bytes, wanted: str, bounds: Bounds) -> WorkbookText:
    """The sheet with that name, or the only one that has anything in it and is not hidden.

    Raises `InputError` where there is none or several, where it is no workbook, an encrypted one, or one of more than
    `bounds` allow: how large its parts are is asked before they are unpacked.
    """
    _refuse_others(data)
    with _readable():
        _require_bounded(data, bounds)
        with closing(_opened(data)) as book:
            name, remarks = _choose(book, wanted)
            part = book[name]._worksheet_path  # noqa: SLF001 - openpyxl does not say which rows are hidden
        return WorkbookText(data, name, _look_through(data, part), remarks)


def _refuse_others(data: bytes) -> None:
    if data.startswith(OLE):
        encrypted = "EncryptedPackage".encode("utf-16-le") in data
        what = "a workbook that is encrypted with a password" if encrypted else "a workbook of an old Excel (.xls)"
        raise InputError(f"this is {what}.\n{_SAVE_AS}")


def _require_bounded(data: bytes, bounds: Bounds) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        names = {part.filename for part in parts}
        other = next((what for name, what in _OTHERS if name in names), "")
        if not other and "xl/workbook.xml" not in names and "[Content_Types].xml" not in names:
            other = "a zip archive and no Excel workbook"
        if other:
            raise InputError(f"this is {other}.\n{_SAVE_AS}")
        if any(part.flag_bits & 1 for part in parts):
            raise InputError(f"this is an archive that is encrypted with a password.\n{_SAVE_AS}")
        if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > bounds.size:
            raise InputError(
                f"the workbook is too large when it is unpacked; at most {bounds.megabytes:,} MB and {_MOST_PARTS:,} "
                "parts are read (SIMTANDEM_MAX_FILE_MB).\nNothing was sent. Save the list alone as CSV UTF-8."
            )
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as content:
                    start = content.read(_LONGEST_TAG).replace(b"\0", b"")
                if any(mark in start for mark in _DECLARES):
                    raise InputError(f"the workbook declares entities of its own, as no spreadsheet does.\n{_SAVE_AS}")


def _opened(data: bytes, *, values: bool = False) -> "Workbook":
    from simtandem.intake.workbook_cells import opened  # noqa: PLC0415 - no other list needs it, and it takes time to load

    warnings.filterwarnings("ignore", module="openpyxl")  # on styles and extensions, of which nothing is read
    return opened(data, values=values)


def _choose(book: "Workbook", wanted: str) -> tuple[str, tuple[str, ...]]:
    """The sheet's name, and what is to be said of the others."""
    sheets = {sheet.title: sheet.sheet_state == "visible" for sheet in book.worksheets}
    named = [name for name in sheets if name.strip().casefold() == wanted.strip().casefold()] if wanted else []
    if wanted:
        if len(named) != 1:
            raise _no_sheet(f"there is no sheet {wanted[:40]!r}", "the sheets are", list(sheets))
        return named[0], ()
    filled = [name for name, visible in sheets.items() if visible and _has_text(book, name)]
    if len(filled) > 1:
        raise _no_sheet(f"the workbook has {len(filled):,} sheets with something in them", "they are", filled)
    hidden = [name for name, visible in sheets.items() if not visible]
    if not filled:
        also = f" Hidden sheets are not read unless they are named: {listed(hidden)}." if hidden else ""
        raise InputError(f"the workbook has no sheet with anything in it.{also}\nNothing was sent.")
    return filled[0], ((f"Hidden sheets are not read: {listed(hidden)}.",) if hidden else ())


def _no_sheet(what: str, are: str, names: list[str]) -> UnrecognisedInput:
    then = (
        "\nNothing was sent. Keep one sheet, or name the one with the list: --sheet NAME, of one of several workbooks "
        "--sheet FILE:NAME."
    )
    return UnrecognisedInput(f"{what}; {are} {listed(names)}.{then}", f"{what}.{then}")


def _has_text(book: "Workbook", name: str) -> bool:
    return any(cell is not None and str(cell).strip() for row in _rows(book, name) for cell, _ in row)


def _rows(book: "Workbook", name: str) -> Iterator[Sequence[tuple[Any, str]]]:
    from simtandem.intake.workbook_cells import rows  # noqa: PLC0415 - as above

    return rows(book, name)


def _text(cell: tuple[Any, str], calculated: tuple[Any, str] | None) -> str:
    value, kind = cell
    if kind == "f":
        return Formula(
            str(value) if isinstance(value, str) else "=", "" if calculated is None else _plain(calculated[0])
        )
    return _plain(value)


def _plain(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            return _number(value)
        case datetime():
            whole = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
            return value.date().isoformat() if whole else value.isoformat(timespec="seconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _number(value: float) -> str:
    if value != value or abs(value) >= _EXACT_BELOW:  # noqa: PLR0124 - not a number
        return f"{float(value):.14E}"
    return str(int(value)) if value == int(value) else repr(value)


def _look_through(data: bytes, part: str) -> bool:
    """Whether the sheet has formulas. Raises `InputError` where rows of it are hidden."""
    formulas, hidden = False, list[bytes]()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(part.lstrip("/")) as content:
        before = b""
        while chunk := content.read(_CHUNK):
            text = before + chunk
            cut = text.rfind(b"<", max(0, len(text) - _LONGEST_TAG))
            before = text[cut:] if cut >= 0 else b""
            for mark in _HIDDEN_OR_FORMULA.finditer(text, 0, cut if cut >= 0 else len(text)):
                if mark["hidden"]:
                    hidden.append(mark["hidden"])
                else:
                    formulas = True
    if hidden:
        number = _ROW_NUMBER.search(hidden[0])
        first = f", the first is row {int(number[1])}" if number else ""
        many = "1 row of the sheet is" if len(hidden) == 1 else f"{len(hidden):,} rows of the sheet are"
        raise InputError(
            f"{many} hidden, perhaps by a filter{first}: nobody who looks at the sheet sees that they would be "
            "changed.\nNothing was sent. Show all rows, or copy those that are meant into a sheet of their own."
        )
    return formulas


@contextmanager
def _readable() -> Iterator[None]:
    """All that a damaged workbook makes the library raise is one error."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # it has no errors of its own for that
        raise InputError(_DAMAGED) from error
