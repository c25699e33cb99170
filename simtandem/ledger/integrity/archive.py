"""A run's facts and its chain in a file of their own: JSON lines, compressed with gzip.

The first line says what it is. Then come the links of the chain, `{"link": {…}}`, in their order, and the facts,
`{"<kind>": {…}}`, kind by kind, each row in the canonical form that its hash was made of.
"""

import base64
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import file_digest
from itertools import groupby
from pathlib import Path
from typing import Any

from simtandem.errors import LedgerError
from simtandem.host.atomic_file import replacing
from simtandem.ledger.integrity.canonical import canonical
from simtandem.ledger.integrity.chain import Link
from simtandem.ledger.integrity.facts import FACTS, FactTable, Kind
from simtandem.ledger.integrity.proof import Proof
from simtandem.ledger.integrity.verify import Source

_FORM = "simtandem run 1"
_READ_BY = "each fact's hash is the SHA-256 of its row in canonical JSON; see docs/ledger.md"


def archive_name(run_id: str) -> str:
    """The name of a run's archive. The ids that simtandem makes are names of files already."""
    return "".join(c if c.isalnum() or c in "-_.:" else "_" for c in run_id) + ".jsonl.gz"


def write_archive(path: Path, source: Source, proof: Proof) -> str:
    """Write all of a run, durably and all or nothing; returns the file's SHA-256. `proof` is what is known of it."""
    with _files(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            replacing(path) as file,
            gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed,
        ):
            _write_lines(packed, source, proof)
        return archive_hash(path)


def archive_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with _files(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class Archived:
    """A run in an archive. As a source it can be read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read()

    def links(self) -> Iterator[Link]:
        """Its chain."""
        for kind, value in self._entries:
            if kind != "link":
                self._entries = _back(kind, value, self._entries)
                return
            digests = value.pop("digests")
            yield Link(**value, digests=None if digests is None else base64.b64decode(digests))

    def facts(self) -> Iterator[tuple[FactTable, Iterator[dict[str, Any]]]]:
        """Its facts."""
        for kind, entries in groupby(self._entries, key=lambda entry: entry[0]):
            yield FACTS[Kind(kind)], (row for _, row in entries)

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with _files(self._path), gzip.open(self._path, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines, "{}"))
            if head.get("archive") != _FORM:
                raise LedgerError(f"{self._path} is no archive of a run.")
            for line in lines:
                yield from json.loads(line).items()


def _back(
    kind: str, value: dict[str, Any], rest: Iterator[tuple[str, dict[str, Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield kind, value
    yield from rest


def _write_lines(file: gzip.GzipFile, source: Source, proof: Proof) -> None:
    told = {"archive": _FORM, "run_id": proof.run_id, "head": proof.head, "counts": proof.counts, "how": _READ_BY}
    _write_line(file, json.dumps(told))
    for link in source.links():
        digests = None if link.digests is None else base64.b64encode(link.digests).decode()
        _write_line(file, json.dumps({"link": asdict(link) | {"digests": digests}}))
    for fact, rows in source.facts():
        for row in rows:
            _write_line(file, f'{{"{fact.kind}":{canonical(row)}}}')


def _write_line(file: gzip.GzipFile, line: str) -> None:
    file.write(line.encode("utf-8", "backslashreplace") + b"\n")


@contextmanager
def _files(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"The archive {path} can't be written or read: {error}. Nothing was taken from the ledger for it."
        ) from error
