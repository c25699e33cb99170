"""The storage of an inbox: a folder, or any address that fsspec supports. Paths are relative to it.

Object stores have no rename, so the ledger prevents that two processes take one file; a file is copied first and
removed when the copy is complete. A folder of this machine gives more: one process at a time uses it, whichever ledger
the others have, and the removed file is the one that was read, even if another one takes its name meanwhile.
"""

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from simtandem.errors import InputError
from simtandem.host.atomic_file import replace_file
from simtandem.inbox import local_files
from simtandem.intake import Bounds

_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created", "ETag")
"""What file systems call the time of the last change; the first one there is counts."""


@dataclass(frozen=True, slots=True)
class Version:
    """Distinguishes two states of a file without reading it."""

    size: int
    modified: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What is in the inbox itself, by name: regular files, and for everything else a few words on what it is."""

    files: dict[str, Version]
    others: dict[str, str]


class Store:
    """An inbox's files; at most `most` bytes of each are read. Raises `InputError` if the storage can't be used."""

    def __init__(self, url: str, most: int = Bounds().size) -> None:
        self._most = most
        with _reached(_without_user(url)):
            self._files, self._root = fsspec.url_to_fs(url)
        self._local = isinstance(self._files, LocalFileSystem)
        self.place = self._root if self._local else _without_user(url).rstrip("/")
        """The address for records: without user and password."""

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Lock this folder; whether no other process has it, with any home and ledger.

        Always true for other storage, which only the ledger's lock protects.
        """
        with ExitStack() as held:
            free = True
            if self._local:
                with _reached(self.place):
                    free = held.enter_context(local_files.hold(Path(self._root)))
            yield free

    def being_written(self, path: str) -> bool:
        """Whether a program still has the file open to write to it, as far as this machine can know."""
        return bool(self._local) and local_files.being_written(Path(self._at(path)))

    def give_usable_name(self, path: str) -> str | None:
        """A name that a ledger can keep and that leaves room for endings; the file is renamed if need be.

        None if another process was faster.
        """
        if not self._local:
            return path
        with _reached(self.place):
            return local_files.give_usable_name(Path(self._root), path)

    def restore(self) -> None:
        """Put back files whose removal was interrupted by a kill."""
        if self._local:
            with _reached(self.place):
                local_files.restore_all(Path(self._root))

    def prepare(self) -> None:
        """Create the folder, if this storage has folders."""
        with _reached(self.place):
            self._files.makedirs(self._root, exist_ok=True)

    def look(self) -> Entries:
        """The entries of the inbox itself. A symbolic link is no file: it may lead anywhere."""
        with _reached(self.place):
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                found = []
            return Entries(
                files={_name(info): _version(info) for info in found if _is_file(info)},
                others={_name(info): _kind(info) for info in found if not _is_file(info)},
            )

    def version(self, path: str) -> Version | None:
        """The state a file is in now; None where there is none."""
        with _reached(self.place):
            self._files.invalidate_cache()
            try:
                info = self._files.info(self._at(path))
            except FileNotFoundError:
                return None
            return _version(info) if _is_file(info) else None

    def below(self, folder: str) -> dict[str, int]:
        """Every file below a folder: its path and its size."""
        with _reached(self.place):
            self._files.invalidate_cache()
            found: dict[str, Any] = self._files.find(self._at(folder), detail=True)
            start = len(str(self._root).rstrip("/")) + 1
            return {path[start:]: int(info["size"]) for path, info in found.items()}

    def read(self, path: str) -> bytes | None:
        """A file's bytes, one more than `most` of them at most; None where there is none."""
        with _reached(self.place):
            try:
                data: bytes = self._files.cat_file(self._at(path), end=self._most + 1)
            except FileNotFoundError:
                return None
            return data

    def write(self, path: str, data: bytes) -> None:
        """Write a file; on a folder of this machine all or nothing, elsewhere as the store does it.

        Who may read the folder may read the file, also where else all that this process writes is its user's alone.
        """
        target = self._at(path)
        with _reached(self.place):
            self._files.makedirs(self._files._parent(target), exist_ok=True)  # noqa: SLF001 - fsspec's only way to say it
            if self._local:
                replace_file(Path(target), [data])
                local_files.share(Path(self._root), Path(target))
            else:
                self._files.pipe_file(target, data)

    def remove_version(self, path: str, digest: str) -> bool:
        """Remove a file if its SHA-256 is this one; whether that was so.

        On a folder of this machine nothing else can be removed, even if it comes in between. Elsewhere what comes after
        the look at the hash, and before the removal, is lost.
        """
        with _reached(self.place):
            if self._local:
                return local_files.remove_version(Path(self._at(path)), digest)
        data = self.read(path)
        if data is None or sha256(data).hexdigest() != digest:
            return False
        self.remove(path)
        return True

    def remove(self, path: str) -> None:
        """Remove a file or a folder with everything in it; nothing if it does not exist."""
        with _reached(self.place):
            try:
                self._files.rm(self._at(path), recursive=True)
            except FileNotFoundError:
                return

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"


def _name(info: dict[str, Any]) -> str:
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def _is_file(info: dict[str, Any]) -> bool:
    return info["type"] == "file" and not info.get("islink")


def _kind(info: dict[str, Any]) -> str:
    if info.get("islink"):
        return "a symbolic link"
    if info["type"] == "directory":
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(int(info.get("mode") or 0)) else "not a regular file"


def _version(info: dict[str, Any]) -> Version:
    changed = next((info[key] for key in _CHANGED if info.get(key) is not None), "")
    if isinstance(changed, datetime):  # some say it in one form in a listing, and in another of a single file
        changed = changed.timestamp()
    told = f"{changed:.3f}" if isinstance(changed, int | float) else str(changed)
    return Version(int(info.get("size") or 0), told)


def _without_user(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


@contextmanager
def _reached(place: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(f"The inbox {place} needs a package that is not installed: {error}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(
            f"The inbox {place} can't be used: {reason}.\nNothing was sent. Check SIMTANDEM_INBOX, the network and "
            "this user's permissions; files that were taken continue with the next run."
        ) from error
