"""From the bytes of a file to its records: which encoding, which separator, which rows.

A record's number is the row a spreadsheet shows: a record is one row however many lines it has, and a blank line is a
row too. A first line `sep=;` names the separator; Excel obeys it and doesn't show it, so it is not counted.
"""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from simtandem.errors import InputError

SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"(?i)\"?sep=([^\w\s\"']|\t)\"?[\r\n]*")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_SAVE_AS = "Save it as CSV UTF-8 and try again."


@dataclass(frozen=True, slots=True)
class Document:
    """A text file of records. `declared` is true where its first line names the separator."""

    data: bytes
    encoding: str
    separator: str = ";"
    declared: bool = False

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of every record, the first being row 1; a blank line has no cells.

        Raises `InputError` where quotes don't close: from there on nobody knows where rows begin.
        """
        stream = _stream(self.data, self.encoding)
        if self.declared:
            stream.readline()
        number = 0
        try:
            reader = csv.reader(stream, delimiter=self.separator, strict=True, skipinitialspace=True)
            for number, record in enumerate(reader, start=1):
                yield number, record
        except csv.Error as error:
            message = (
                f"row {number + 1} can't be read ({error}): a quote that opens a cell must close it.\n"
                "Nothing was sent. Correct the quotes in that row and try again."
            )
            raise InputError(message) from error


def open_document(data: bytes, recognised: Callable[[list[str]], int]) -> Document:
    """Find out the encoding and the separator.

    `recognised` says how many cells of a header are known column names: the separator that yields the most wins, then
    the one that yields the most cells. A single column has no separator; `;` then stands in for it, so that a comma
    stays in its cell.
    """
    document = Document(data, _encoding(data))
    declared = _SEPARATOR_LINE.fullmatch(_stream(data, document.encoding).readline())
    if declared:
        return replace(document, separator=declared[1], declared=True)
    scores = {}
    for separator in SEPARATORS:
        header = _first_record(replace(document, separator=separator))
        if len(header) > 1:
            scores[separator] = (recognised(header), len(header))
    return replace(document, separator=max(scores, key=scores.__getitem__)) if scores else document


def _stream(data: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")


def _first_record(document: Document) -> list[str]:
    try:
        return next((record for _, record in document.records() if any(cell.strip() for cell in record)), [])
    except InputError:  # broken under this separator; another may do
        return []


def _encoding(data: bytes) -> str:
    """The encoding's name, tried on all of the file."""
    if data.startswith(_WORKBOOKS):
        raise InputError(f"this is an Excel workbook, not a CSV file.\nNothing was sent. {_SAVE_AS}")
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        candidates = ["utf-16"]
    elif data.startswith(BOM_UTF8):
        candidates = ["utf-8-sig"]
    else:
        candidates = ["utf-8", "cp1252"]
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return encoding
        break
    raise InputError(
        f"this is not a text file, or its encoding is none of UTF-8, UTF-16 and cp1252.\nNothing was sent. {_SAVE_AS}"
    )
