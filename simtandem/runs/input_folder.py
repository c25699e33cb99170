"""A list in one of the folders that a form may name. No link and no `..` leads out of them, not even in between."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from simtandem.errors import InputError
from simtandem.intake.device_file import Bounds, read_descriptor

_ALONG = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_THE_END = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def read_list(folders: Sequence[Path], wanted: Path, allowed: Bounds) -> bytes:
    """The bytes of a list: a path into one of the folders, or a name that is looked for in each of them.

    Raises `InputError`: in the same words for what is elsewhere and what is nowhere, so that nobody can ask what there
    is on this machine.
    """
    places = [(root, inside) for root in map(_real, folders) if (inside := _inside(root, wanted)) is not None]
    for root, inside in places:
        try:
            descriptor = _open(root, inside)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # a link that was put there meanwhile, or something that this user may not read
            break
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                break
            return read_descriptor(descriptor, allowed)
        finally:
            os.close(descriptor)
    told = ", ".join(str(folder) for folder in folders) or "none is set"
    raise InputError(
        f"There is no such list in the folders that a form may name ({told}). Nothing was sent.\n"
        "Put the list there or paste it, or run simtandem on that machine's terminal. Other folders: "
        "SIMTANDEM_LIST_FOLDERS."
    )


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _inside(root: Path, wanted: Path) -> Path | None:
    """Where in the folder a path leads to, all links followed; None where it leads elsewhere."""
    try:
        real = Path(os.path.realpath(root / wanted))
    except (ValueError, OSError):
        return None
    return real.relative_to(root) if real != root and real.is_relative_to(root) else None


def _open(root: Path, inside: Path) -> int:
    """Open a file folder by folder, and no link on the way, so that what is opened is inside it."""
    at = os.open(root, _ALONG)
    try:
        for part in inside.parts[:-1]:
            deeper = os.open(part, _ALONG, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(inside.parts[-1], _AT_THE_END, dir_fd=at)
    finally:
        os.close(at)
