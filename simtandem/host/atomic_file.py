"""Files that are either the old version or the whole new one, whatever happens while they are written."""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from simtandem.errors import LedgerError


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`, all or nothing, and return once they are on the disk.

    They go to a new file in the same folder, which then takes the old one's place. If that fails, `path` is as it was
    and a `LedgerError` names it.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        cause = error.strerror or str(error)
        raise LedgerError(
            f"{path} can't be written: {cause}. Make room or allow access, then write it again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the file system lets a folder be synced."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
