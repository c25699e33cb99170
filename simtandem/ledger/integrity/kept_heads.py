"""Heads kept outside the ledger's database: the file in simtandem's home, and the heads that a person kept.

A line of such a file is an entry as JSON (`line`), or any text with an entry in it as messages and logs show it.
"""

import fcntl
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simtandem.errors import InputError
from simtandem.ledger.integrity.heads import Entry

log = logging.getLogger(__name__)

_SPOKEN = re.compile(r"ledger ([0-9a-f]{16}) entry (\d{1,18}) head ([0-9a-f]{64})(?![0-9a-f])")
_ABOUT = re.compile(r"(run|arrival) (\S+) has [\d,]+ facts, $")
_HASH, _LEDGER = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry that `source` remembers. `about` is what it is about, where that is known; `place` is the ledger's."""

    source: str
    ledger: str
    seq: int
    hash: str
    about: str = ""
    place: str = ""


def by_subject(kept: Iterable[Kept]) -> defaultdict[tuple[str, str], list[Kept]]:
    """Kept entries by what they are about: its kind, such as `run`, and its id."""
    found: defaultdict[tuple[str, str], list[Kept]] = defaultdict(list)
    for each in kept:
        kind, _, ident = each.about.partition(" ")
        if ident:
            found[kind, ident].append(each)
    return found


def line(entry: Entry) -> str:
    """An entry as a line of JSON, without the end of the line."""
    return json.dumps(asdict(entry), ensure_ascii=False)


class HeadsFile:
    """The file in simtandem's home that gets a line with every entry that is made from there. Safe in any thread."""

    def __init__(self, path: Path, place: str) -> None:
        self.path = path
        self._place = place

    def append(self, entry: Entry) -> None:
        """Add an entry. What keeps it from being written is logged and stops nothing: the entry is in the ledger."""
        text = json.dumps(asdict(entry) | {"place": self._place}, ensure_ascii=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # the last writer was killed
                os.write(descriptor, (b"\n" if torn else b"") + text.encode("utf-8", "backslashreplace") + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("The ledger's heads can't be kept in %s: %s.", self.path, error.strerror)

    def kept(self) -> list[Kept]:
        """What the file remembers; nothing where there is none. Raises `InputError` where it can't be read."""
        return list(read(self.path)) if self.path.exists() else []


def read(path: Path) -> Iterator[Kept]:
    """The entries that a file remembers; lines without one are passed over.

    Raises `InputError` where it can't be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from _found(str(path), lines)
    except OSError as error:
        raise InputError(f"The heads in {path} can't be read: {error.strerror}.") from error


def _found(source: str, lines: Iterable[str]) -> Iterator[Kept]:
    for text in lines:
        entry = _from_json(source, text) if text.lstrip().startswith("{") else None
        if entry is not None:
            yield entry
            continue
        for found in _SPOKEN.finditer(text):
            about = _ABOUT.search(text, 0, found.start())
            yield Kept(source, found[1], int(found[2]), found[3], f"{about[1]} {about[2]}" if about else "")


def _from_json(source: str, text: str) -> Kept | None:
    try:
        told: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    ledger, seq, hash_ = str(told.get("ledger")), told.get("seq"), str(told.get("hash"))
    if not (_LEDGER.fullmatch(ledger) and isinstance(seq, int) and _HASH.fullmatch(hash_)):
        return None
    about = f"{told.get('kind')} {told.get('id')}" if told.get("id") else ""
    return Kept(source, ledger, seq, hash_, about, str(told.get("place", "")))
