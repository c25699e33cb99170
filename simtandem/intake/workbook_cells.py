"""The cells of a workbook as openpyxl understands them, with short ways for what most cells are: text and numbers.

openpyxl builds an object for each text and each cell, which takes most of its time. What a cell means stays its own:
dates, formulas, errors, and every number.
"""

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any
from xml.etree.ElementTree import Element

from openpyxl import Workbook
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils import column_index_from_string
from openpyxl.worksheet._reader import WorkSheetParser  # the only place that has a sheet's cells without objects
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

_ITEM, _TEXT, _RUN, _INLINE = (f"{{{SHEET_MAIN_NS}}}{name}" for name in ("si", "t", "r", "is"))
_VALUE, _FORMULA = (f"{{{SHEET_MAIN_NS}}}{name}" for name in ("v", "f"))
_DIGITS = "0123456789"
_NOTHING: tuple[Any, str] = (None, "n")


def opened(data: bytes, *, values: bool) -> Workbook:
    """The workbook, nothing of it read but its texts; with `values` a formula is what was calculated last."""
    reader = _Reader(io.BytesIO(data), read_only=True, data_only=values, keep_links=False)
    reader.read()
    return reader.wb


def rows(book: Workbook, name: str) -> Iterator[Sequence[tuple[Any, str]]]:
    """Of each row the cells' values and kinds, a row that is missing being empty.

    What the file says of its own size is not believed: it may be less.
    """
    sheet: Any = book[name]
    source: Any = book
    with sheet._get_source() as stream:  # noqa: SLF001 - as openpyxl's own iter_rows
        parser = _Parser(
            stream,
            sheet._shared_strings,  # noqa: SLF001
            data_only=source.data_only,
            epoch=source.epoch,
            date_formats=source._date_formats,  # noqa: SLF001
            timedelta_formats=source._timedelta_formats,  # noqa: SLF001
        )
        following = 1
        for number, cells in parser.parse():
            yield from repeat((), max(0, number - following))
            if following <= number:
                following = number + 1
                yield _in_place(cells)


def _in_place(cells: Sequence[dict[str, Any]]) -> Sequence[tuple[Any, str]]:
    """The cells of a row, each in its column."""
    if not cells:
        return ()
    width = cells[-1]["column"]
    row = [_NOTHING] * width
    for cell in cells:
        if 1 <= cell["column"] <= width:
            row[cell["column"] - 1] = (cell["value"], cell["data_type"])
    return row


class _Parser(WorkSheetParser):  # type: ignore[misc]  # openpyxl has no types
    """Texts, and numbers without a format, are read here; every other cell as openpyxl does."""

    def parse_cell(self, element: Element) -> dict[str, Any]:
        """Row, column, value and kind of a cell."""
        kind, style, place = element.get("t", "n"), element.get("s", "0"), element.get("r")
        if place and (kind in ("s", "inlineStr", "str") or (kind == "n" and style == "0")):
            value = element.find(_VALUE)
            text = None if value is None else value.text
            if kind == "inlineStr":
                inline = element.find(_INLINE)
                if inline is not None and element.find(_FORMULA) is None:
                    return self._cell(place, _text_of(inline), "s")
            elif text and element.find(_FORMULA) is None and kind != "n":
                return self._cell(place, self.shared_strings[int(text)] if kind == "s" else text, "s")
            elif text and text.isdigit() and element.find(_FORMULA) is None:
                return self._cell(place, int(text), "n")
        cell: dict[str, Any] = super().parse_cell(element)
        return cell

    def _cell(self, place: str, value: Any, kind: str) -> dict[str, Any]:
        self.col_counter = column = _column(place.rstrip(_DIGITS))
        return {"row": self.row_counter, "column": column, "value": value, "data_type": kind}


class _Reader(ExcelReader):  # type: ignore[misc]  # as above
    """Reads the texts that cells share without an object for each."""

    def read_strings(self) -> None:
        """Every shared text, in order."""
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as stream:
                self.shared_strings = list(_shared(stream))


def _shared(stream: Any) -> Iterator[str]:
    parts = iterparse(stream, ("start", "end"))
    _, root = next(parts)
    for event, node in parts:
        if event == "end" and node.tag == _ITEM:
            yield _text_of(node).replace("x005F_", "")
            root.clear()  # else a million emptied items stay


def _text_of(item: Element) -> str:
    """The text of an item, its own or that of its runs; how it is pronounced is no part of it."""
    told = []
    for node in item:
        if node.tag == _TEXT:
            told.append(node.text or "")
        elif node.tag == _RUN:
            told += [part.text or "" for part in node if part.tag == _TEXT]
    return "".join(told)


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    return int(column_index_from_string(letters))
