"""The files of a list: each read as a table of raw text, and what they are together.

Rows are numbered from file to file. `own_columns.Places` says where a row is.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas import own_columns
from simtandem.domain.device_ids import IdKind
from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake.device_file import Reading, read_file, shown
from simtandem.intake.gzip_data import unpacked
from simtandem.intake.own_cells import together
from simtandem.intake.raw_table import MoreColumns, Sheet, read_sheet

_NAMED_FILES = 3
_NO_MORE = MoreColumns({})


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file of a list, and its name for people, which no other file of the list has."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class ListPart:
    """What one file adds to a list. `before` is the number of the last row before its rows."""

    name: str
    before: int
    sheet: Sheet
    sha256: str

    @classmethod
    def of(cls, name: str, before: int, sheet: Sheet, data: bytes) -> "ListPart":
        """The part that a file with these bytes is, its rows numbered as if it were the only one."""
        return cls(name, before, sheet.after(before), hashlib.sha256(data).hexdigest())


def read_parts(
    files: Sequence[ListFile], reading: Reading, kinds: Sequence[IdKind], also: MoreColumns = _NO_MORE
) -> Iterator[ListPart]:
    """Read one file after the other: see `read_sheet`. Raises `InputError` with the file's name.

    No more is read than `reading.bounds` allow, of all files together.
    """
    size = before = 0
    for file in files:
        data = _bytes_of(file, reading)
        size += len(data)
        with Naming(file.name, reading):
            if size > reading.bounds.size:
                raise reading.bounds.too_large()
            wanted = reading.sheet_of(str(file.path), file.path.name, file.name)
            table = read_sheet(unpacked(data, reading.bounds), reading.bounds, kinds, wanted, also=also)
        yield ListPart.of(file.name, before, table, data)
        before += table.last
        if before > reading.bounds.rows:
            raise InputError(
                f"the files have more than {reading.bounds.rows:,} rows together (SIMTANDEM_MAX_FILE_ROWS).\n"
                "Nothing was sent. Give fewer of them."
            )


def _bytes_of(file: ListFile, reading: Reading) -> bytes:
    try:
        return read_file(file.path, reading.bounds)
    except InputError as problem:
        name = shown(str(file.path)) if reading.quoting else file.name
        raise _told(name, problem, reading) from (problem if reading.quoting else None)


class Naming:
    """Names the file, or the files, in what is raised in this block; quotes it where `reading` says so."""

    def __init__(self, file: str, reading: Reading) -> None:
        self._file, self._reading = file, reading

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            raise _told(self._file, error, self._reading) from (error if self._reading.quoting else None)


def _told(file: str, problem: InputError, reading: Reading) -> InputError:
    if isinstance(problem, UnrecognisedInput) and not reading.quoting:
        return InputError(f"{file}: {problem.plain}")
    return InputError(f"{file}: {problem}")


def names_of(parts: Sequence[ListPart]) -> str:
    """What the list is called: the first files, and how many more there are."""
    named = ", ".join(part.name for part in parts[:_NAMED_FILES])
    return f"{named} and {len(parts) - _NAMED_FILES:,} more" if len(parts) > _NAMED_FILES else named


def sha256_of(parts: Sequence[ListPart]) -> str:
    """The SHA-256 of the file's bytes; of several files it is the same in any order."""
    if len(parts) == 1:
        return parts[0].sha256
    return hashlib.sha256("\n".join(sorted(part.sha256 for part in parts)).encode()).hexdigest()


def place_in(parts: Sequence[ListPart]) -> Callable[[int], str] | None:
    """Where a row of the list is: file and row; None where there is but one file."""
    begins = [part.before for part in parts]

    def place(row: int) -> str:
        part = parts[bisect_left(begins, row) - 1]
        return own_columns.place(part.name, row - part.before)

    return place if len(parts) > 1 else None


def own_of(parts: Sequence[ListPart]) -> tuple[pl.DataFrame, list[str]]:
    """The operator's own columns of the list (`schemas.own_columns`), and a sentence about those that are not kept."""
    if len(parts) == 1:
        return parts[0].sheet.own, []
    return together([(part.name, part.before, part.sheet.own) for part in parts])


def notes_of(parts: Sequence[ListPart]) -> Iterator[str]:
    """How each file was understood, as far as that was not plain."""
    for part in parts:
        for note in part.sheet.notes():
            yield note if len(parts) == 1 else f"{part.name}: {note}"
