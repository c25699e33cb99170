"""The store of the runs' files: each content once, under its SHA-256, in a folder or at an address of fsspec's.

A file is there whole or not at all, and is never changed. It gets there before the ledger refers to it, so a host that
is killed on the way leaves a file that nothing refers to, and no reference without its file. What is read is compared
with its SHA-256 before it is used. Files pass in parts, and are never in memory as a whole.

Credentials are fsspec's own business (its environment and configuration); no message has any.
"""

import math
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from simtandem.errors import InputError, StoreError
from simtandem.host.atomic_file import replacing

MARK = "simtandem-ledger"
"""The name of the file that says whose files are in the store: one line, what their ledger is called."""
_LONGEST_MARK = 200
_TRIED_WITH = 1 << 16
_PART = 1 << 20
_OBJECT = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{62})")
_WHOLE = {"memory", "s3", "s3a", "gs", "gcs", "abfs", "az", "adl"}
"""The kinds of store in which a file appears once it was written to its end."""
_PACKAGES = {
    "s3": "simtandem[hosts]",
    "s3a": "simtandem[hosts]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
}
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


class ObjectStore:
    """A store. Every method raises `StoreError` where it can't be used."""

    MISSING = "is not in the store"

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415 - it takes time to load, and most homes have no store
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415 - the same

        self.place = url
        scheme = urlsplit(url).scheme if "://" in url else "file"
        try:
            self._files, root = fsspec.url_to_fs(url)
        except ImportError:
            package = _PACKAGES.get(scheme, f"the fsspec package for {scheme}")
            raise InputError(
                f"SIMTANDEM_STORE is an address by {scheme}, and the package for that is not installed. Nothing was "
                f"sent.\nInstall {package}, or name a folder that all hosts share."
            ) from None
        except Exception as error:  # noqa: BLE001 - each kind of store has errors of its own
            raise self._unusable("opened", error) from None
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)
        self._whole = scheme in _WHOLE

    def put(self, path: Path, digest: str, *, anew: bool = False) -> bool:
        """Have this file there, under its SHA-256. Whether it had to be sent.

        One of that size which is there already is compared where that costs no transfer. `anew`: it is replaced.
        """
        with self._using("written"):
            if not anew and self._size(digest) == path.stat().st_size and self._is_trusted(digest):
                return False
            target = self._at(digest)
            if self._local:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                with replacing(Path(target)) as file, path.open("rb") as source:
                    shutil.copyfileobj(source, file, _PART)
                return True
            draft = target if self._whole else f"{target}.{secrets.token_hex(4)}.partial"
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), draft)
            if draft != target:
                self._files.mv(draft, target)
            return True

    def fetch(self, digest: str, size: int | None, target: Path) -> None:
        """Write the file with this SHA-256 to `target`. Where it is not there, or is another one, nothing is.

        Of a file whose `size` is not known all is read.
        """
        with self._using("read"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, private=True) as file:
                problem = self._compare(digest, size, file.write)
                if problem:
                    raise StoreError(f"The file {digest[:12]} {problem} (store {self.place}). It is not used.")

    def problem(self, digest: str, size: int | None, *, read: bool) -> str:
        """What is wrong with a file there; empty where nothing is. Without `read` only its size, if known."""
        with self._using("read"):
            if read:
                return self._compare(digest, size, lambda _part: None)
            found = self._size(digest)
            if found is None:
                return self.MISSING
            return "" if size in (found, None) else "was changed in the store: it has another size"

    def mark(self) -> str | None:
        """What the ledger is called whose files are there; None where nothing says so."""
        with self._using("read"):
            self._files.invalidate_cache()
            try:
                with self._files.open(f"{self._root}/{MARK}", "rb") as file:
                    said: bytes = file.read(_LONGEST_MARK)
            except FileNotFoundError:
                return None
            return "".join(each for each in said.decode("utf-8", "replace").strip() if each.isprintable())

    def put_mark(self, ledger: str) -> None:
        """Say that the files of the ledger which is called so are there. A folder is made where there is none."""
        place, said = f"{self._root}/{MARK}", f"{ledger}\n".encode()
        with self._using("written"):
            self._files.makedirs(f"{self._root}/sha256", exist_ok=True)
            if self._local:
                with replacing(Path(place)) as file:
                    file.write(said)
            else:
                self._files.pipe_file(place, said)

    def try_out(self) -> None:
        """Put a file of its own there, read it back and remove it. What had to be made for it goes as well."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "tried")
            path.write_bytes(secrets.token_bytes(_TRIED_WITH))
            digest = digest_of(path)
            place = Path(self._at(digest))
            made = [each for each in place.parents if not each.exists()] if self._local else []
            try:
                self.put(path, digest)
                if problem := self.problem(digest, _TRIED_WITH, read=True):
                    raise StoreError(f"A file that was put into the store {self.place} {problem}.")
                self.remove(digest)
            finally:
                with suppress(OSError):  # another process uses it by now
                    for each in made:
                        each.rmdir()

    def remove(self, digest: str) -> None:
        """Remove a file; nothing where there is none."""
        with self._using("changed"):
            try:
                self._files.rm_file(self._at(digest))
            except FileNotFoundError:
                return

    def older_than(self, seconds: float) -> Iterator[str]:
        """The SHA-256 of each file that has been there for so long, by the clocks of the store and of this host."""
        for path in self._old(seconds):
            name = _OBJECT.search(path)
            if name and name.end() == len(path):
                yield name[1] + name[2]

    def remove_drafts(self, seconds: float) -> None:
        """Remove what was begun so long ago and never came to its end."""
        with self._using("changed"):
            for path in self._old(seconds):
                if path.endswith((".partial", ".tmp")):
                    self._files.rm_file(path)

    def _old(self, seconds: float) -> list[str]:
        with self._using("read"):
            self._files.invalidate_cache()
            try:
                found: dict[str, Any] = self._files.find(f"{self._root}/sha256", detail=True)
            except FileNotFoundError:
                found = {}
            return [path for path, info in found.items() if _changed_at(info) < time.time() - seconds]

    def _compare(self, digest: str, size: int | None, write: Callable[[bytes], object]) -> str:
        """What is wrong with a file, which is read to its end and handed on in parts."""
        seen, left = sha256(), math.inf if size is None else size
        try:
            with self._files.open(self._at(digest), "rb") as source:
                while left >= 0 and (part := source.read(_PART)):
                    seen.update(part)
                    left -= len(part)
                    write(part)
        except FileNotFoundError:
            return self.MISSING
        return "" if seen.hexdigest() == digest else "was changed in the store: its SHA-256 is another one"

    def _is_trusted(self, digest: str) -> bool:
        return not self._local or digest_of(Path(self._at(digest))) == digest

    def _size(self, digest: str) -> int | None:
        self._files.invalidate_cache()
        try:
            return int(self._files.info(self._at(digest))["size"])
        except FileNotFoundError:
            return None

    def _at(self, digest: str) -> str:
        return f"{self._root}/sha256/{digest[:2]}/{digest[2:]}"

    @contextmanager
    def _using(self, what: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, InputError):
            raise
        except Exception as error:  # each kind of store has errors of its own
            raise self._unusable(what, error) from error

    def _unusable(self, what: str, error: Exception) -> StoreError:
        """Of an error its kind is shown alone: its text may quote what it was configured with."""
        why = getattr(error, "strerror", None) or type(error).__name__
        return StoreError(f"The store of the runs' files, {self.place}, can't be {what}: {why}.")


def digest_of(path: Path) -> str:
    """The SHA-256 of a file. Raises `OSError`."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _changed_at(info: dict[str, Any]) -> float:
    """When a file was written; now, where its store does not say."""
    changed = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(changed, datetime):
        return changed.timestamp()
    return float(changed) if isinstance(changed, int | float) else time.time()
