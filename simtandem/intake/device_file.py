"""The bytes of a device list: bounded in size and time, and of a regular file or a pipe only.

A path can lead to anything: a device without an end, a pipe without a writer, a file that changes while it is read.
Each of these is an error, and nothing of it is used.
"""

import os
import select
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simtandem.errors import InputError

MOST_ROWS = 5_000_000
_CHUNK = 1 << 20
_LOOK_EVERY_S = 0.02
_LOOKS_FOR_A_WRITER = 100
_SILENT_S = 30.0
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "this is a directory, not a file.\nNothing was sent. Name the CSV file in it."),
    (stat.S_ISSOCK, "this is a socket, not a file.\nNothing was sent. Name a CSV file."),
    (stat.S_ISCHR, "this is a device or a terminal, not a file.\nNothing was sent. Name a CSV file."),
    (stat.S_ISBLK, "this is a disk, not a file.\nNothing was sent. Name a CSV file."),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a list is read at most."""

    megabytes: int = 1024
    rows: int = MOST_ROWS

    @property
    def size(self) -> int:
        """In bytes."""
        return self.megabytes << 20

    def too_large(self, size: int | None = None) -> InputError:
        """The error for a file beyond these bounds."""
        told = f"is {-(-size // (1 << 20)):,} MB large" if size else "does not end"
        return InputError(
            f"the file {told}; at most {self.megabytes:,} MB are read (SIMTANDEM_MAX_FILE_MB).\n"
            "Nothing was sent. Leave out the columns that are not needed, or split it."
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """How a list is read: how much of it, whether errors may quote it, and which sheet of a workbook.

    `sheet` has a line for each that is named: a name, or a file and a name with a colon between, which no name has.
    """

    bounds: Bounds = Bounds()
    quoting: bool = True
    sheet: str = ""

    def sheet_of(self, *file: str) -> str:
        """The sheet that is named for a file with one of these names, or for every file; empty where none is."""
        named = [each.rpartition(":") for each in self.sheet.splitlines()]
        own = [sheet for of, _, sheet in named if of in file and of]
        return (own or [sheet for of, _, sheet in named if not of] or [""])[0]


def read_file(path: Path, bounds: Bounds) -> bytes:
    """All bytes of a file, or of a pipe such as /dev/stdin. Raises `InputError` for anything else."""
    try:
        _refuse_others(path.stat().st_mode)  # before it is opened: opening a device can do something
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor)
            _refuse_others(before.st_mode)
            if stat.S_ISFIFO(before.st_mode):
                return _of_pipe(descriptor, bounds)
            return read_descriptor(descriptor, bounds)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise InputError("there is no such file.\nNothing was sent. Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the file can't be read: {reason}.\nNothing was sent.") from error


def read_descriptor(descriptor: int, bounds: Bounds) -> bytes:
    """All bytes of a file that is open. Raises `InputError` where they are too many, or change meanwhile."""
    before = os.fstat(descriptor)
    if before.st_size > bounds.size:
        raise bounds.too_large(before.st_size)
    data = _up_to(bounds, lambda: os.read(descriptor, _CHUNK))
    _require_unchanged(before, os.fstat(descriptor), len(data))
    return data


def _refuse_others(mode: int) -> None:
    for is_one, what in _KINDS:
        if is_one(mode):
            raise InputError(what)


def _up_to(bounds: Bounds, read: Callable[[], bytes]) -> bytes:
    data = bytearray()
    while part := read():
        data += part
        if len(data) > bounds.size:
            raise bounds.too_large()
    return bytes(data)


def _require_unchanged(before: os.stat_result, after: os.stat_result, length: int) -> None:
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or (before.st_size and length != before.st_size):
        raise InputError("the file changed while it was read.\nNothing was sent. Try again when it is complete.")


def _of_pipe(descriptor: int, bounds: Bounds) -> bytes:
    """Everything written into a pipe until its writers close it; gives up soon if nothing is written."""
    looks, written_to = 0, False

    def read() -> bytes:
        nonlocal looks, written_to
        while True:
            try:
                part = os.read(descriptor, _CHUNK)
            except BlockingIOError:  # a program has it open and has not written yet
                written_to = True
                if not select.select([descriptor], [], [], _SILENT_S)[0]:
                    message = f"nothing came through this pipe for {_SILENT_S:.0f} s.\nNothing was sent. Name a file."
                    raise InputError(message) from None
                continue
            if part or written_to:
                written_to = True
                return part
            looks += 1
            if looks > _LOOKS_FOR_A_WRITER:
                raise InputError("no program writes into this pipe.\nNothing was sent. Name a file.")
            select.select([], [], [], _LOOK_EVERY_S)

    return _up_to(bounds, read)


def shown(name: str) -> str:
    """A file's name for people, files and records: what is no text, or would move a cursor, as an escape."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
