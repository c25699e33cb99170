"""From the bytes of a file to its records: which encoding, which separator, which rows.

A record's number is the row a spreadsheet shows: a record is one row however many lines it has, and a blank line is a
row too. A first line `sep=;` names the separator; Excel obeys it and doesn't show it, so it is not counted.
"""

import codecs
import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from simtandem.errors import InputError

SEPARATORS = ",;\t|"
_SEPARATOR_NAMES = {"\t": "tab"}
_SEPARATOR_LINE = re.compile(r"(?i)\"?sep=([^\w\s\"']|\t)\"?[\r\n]*")
_SAVE_AS = "Save it as CSV UTF-8 and try again."
_UNPACK = "Unpack it and name the CSV file in it."
_EXPORT = "Export the list as CSV and try again."
_SIGNATURES = (
    (b"%PDF-", "a PDF document", _EXPORT),
    (b"PAR1", "a Parquet file", _EXPORT),
    (b"SQLite format 3\0", "a database", _EXPORT),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"(\xb5/\xfd", "a zstd archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
)
_WIDEST_LINE = 16 << 20
_LONGEST_RECORD = 10_000
_AT_A_TIME = 4 << 20
MOST_COLUMNS = 16_384
"""As many as a spreadsheet has."""


@dataclass(frozen=True, slots=True)
class CsvText:
    """A text file of records. `declared` is true where its first line names the separator."""

    data: bytes
    encoding: str
    separator: str = ";"
    declared: bool = False

    def notes(self, columns: int) -> list[str]:
        """How the file was understood, as far as that was not plain."""
        notes = []
        if self.encoding not in ("utf-8", "utf-8-sig"):
            notes.append(f"The file is not UTF-8; it was read as {self.encoding}.")
        if self.separator != "," and (columns > 1 or self.declared):
            notes.append(f"The columns are separated by {_SEPARATOR_NAMES.get(self.separator, repr(self.separator))}.")
        if self.declared:
            notes.append("The first line names the separator; as in Excel, it does not count as a row.")
        return notes

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of every record, the first being row 1; a blank line has no cells.

        Raises `InputError` where quotes don't close: from there on nobody knows where rows begin.
        """
        stream = _stream(self.data, self.encoding)
        if self.declared:
            stream.readline()
        number, lines = 0, _Lines(stream)
        try:
            reader = csv.reader(lines, delimiter=self.separator, strict=True, skipinitialspace=True)
            for number, record in enumerate(reader, start=1):
                lines.of_record = 0
                yield number, record
        except csv.Error as error:
            raise InputError(_unreadable(number + 1, error)) from error


class _Lines:
    """The lines of a stream; counts those of a record, which ends somewhere even where its quotes don't."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self.of_record = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.of_record += 1
            if self.of_record > _LONGEST_RECORD:
                message = f"a cell or a row with more than {_LONGEST_RECORD:,} lines"
                raise csv.Error(message)
            yield line


def _unreadable(row: int, error: csv.Error) -> str:
    if "field larger" in str(error):
        return (
            f"row {row} can't be read: a cell has more than {csv.field_size_limit():,} characters; often a quote opens "
            "it and none closes it.\nNothing was sent. Correct that row and try again."
        )
    return (
        f"row {row} can't be read ({error}): a quote that opens a cell must close it.\n"
        "Nothing was sent. Correct the quotes in that row and try again."
    )


def open_text(data: bytes, recognised: Callable[[list[str]], int]) -> CsvText:
    """Find out the encoding and the separator.

    `recognised` says how many cells of a header are known column names: the separator that yields the most wins, then
    the one that yields the most cells. A single column has no separator; `;` then stands in for it, so that a comma
    stays in its cell.
    """
    document = CsvText(data, _encoding(data))
    declared = _SEPARATOR_LINE.fullmatch(_stream(data, document.encoding).readline())
    if declared:
        return replace(document, separator=declared[1], declared=True)
    scores = {}
    for separator in SEPARATORS:
        header = _first_record(replace(document, separator=separator))
        if len(header) > 1:
            scores[separator] = (recognised(header[:MOST_COLUMNS]), len(header))
    return replace(document, separator=max(scores, key=scores.__getitem__)) if scores else document


def _stream(data: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")


def _first_record(document: CsvText) -> list[str]:
    try:
        return next((record for _, record in document.records() if any(cell.strip() for cell in record)), [])
    except InputError:  # broken under this separator; another may do
        return []


def _encoding(data: bytes) -> str:
    """The encoding's name, tried on all of the file."""
    _require_text(data)
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        candidates = ["utf-16"]
    elif data.startswith(BOM_UTF8):
        candidates = ["utf-8-sig"]
    else:
        candidates = ["utf-8", "cp1252"]
    for encoding in candidates:
        if _decodes(data, encoding):
            return encoding
    raise InputError(
        f"this is not a text file, or its encoding is none of UTF-8, UTF-16 and cp1252.\nNothing was sent. {_SAVE_AS}"
    )


def _require_text(data: bytes) -> None:
    """Raises `InputError` naming what the bytes are, where they are something else."""
    for signature, what, then in _SIGNATURES:
        if data.startswith(signature):
            raise InputError(f"this is {what}, not a CSV file.\nNothing was sent. {then}")
    if not data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and (place := data.find(b"\0")) >= 0:
        raise InputError(f"this is not a text file: its byte {place + 1:,} is NUL.\nNothing was sent. {_SAVE_AS}")
    begin = 0
    while len(data) - begin > _WIDEST_LINE:
        ends = (data.rfind(end, begin, begin + _WIDEST_LINE) for end in (b"\n", b"\r"))
        if (end := max(ends)) < 0:
            raise InputError(
                f"this is no list: it has a line of more than {_WIDEST_LINE >> 20} MB.\nNothing was sent. {_EXPORT}"
            )
        begin = end + 1


def _decodes(data: bytes, encoding: str) -> bool:
    """Whether all of it is text in that encoding, without NUL; looked at in parts, so that it is never there twice."""
    if encoding == "utf-8" and data.isascii():
        return True
    decoder, view = codecs.getincrementaldecoder(encoding)(), memoryview(data)
    try:
        for begin in range(0, len(data) + 1, _AT_A_TIME):
            part = view[begin : begin + _AT_A_TIME]
            if "\0" in decoder.decode(part, final=begin + _AT_A_TIME > len(data)):
                return False
    except UnicodeDecodeError:
        return False
    return True
