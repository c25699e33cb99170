"""Files that are either the old version or the whole new one, even if the process dies while it writes."""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from simtandem.errors import LedgerError


@contextlib.contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once this block has ended, and is on the disk by then.

    It is in the same folder. If the block or the writing fails, `path` is as it was and no other file is left. Only
    this user may read a `private` one. Raises `OSError`.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path` as `replacing` does; a `LedgerError` names the file if that fails."""
    try:
        with replacing(path) as file:
            for chunk in chunks:
                file.write(chunk)
    except OSError as error:
        cause = error.strerror or str(error)
        raise LedgerError(
            f"{path} can't be written: {cause}. Make room or allow access, then write it again."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the file system lets a folder be synced."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
