"""An inbox in a folder of this machine: it can be locked, and a removal affects exactly the file that was read."""

import fcntl
import os
import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import lock_descriptor

LONGEST_NAME = 150
"""Bytes; file systems allow 255, and result files have longer names than their file."""

_LEAVING = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.leaving", re.DOTALL)
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@contextmanager
def hold(folder: Path) -> Iterator[bool]:
    """Lock this folder until the block ends, or the process; false if another process has it.

    Always true where folders can't be locked, as on some network mounts.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True


def being_written(path: Path) -> bool:
    """Whether a program has this file open for writing. False if the system can't say.

    Linux grants a read lease only on a file without a writer. A program that opens it during the lease waits for its
    end; the signal for that is one that is ignored.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another user's file, or a file system without leases
        return False
    finally:
        os.close(descriptor)
    return False


def remove_version(path: Path, digest: str) -> bool:
    """Remove this file if its SHA-256 is that; whether it was.

    The file is put aside under a hidden name first: what is looked at then is what is removed. Something else goes back
    to its name or, where a newer one has taken that meanwhile, to one of its own.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.leaving")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if not aside.is_symlink() and sha256(aside.read_bytes()).hexdigest() == digest:
        aside.unlink()
        return True
    _put_back(aside, path)
    return False


def share(root: Path, path: Path) -> None:
    """Let those who may read the folder `root` read this file below it, and come to it; nobody else, and no more."""
    may = root.stat().st_mode
    for folder in path.parents[: len(path.relative_to(root).parts) - 1]:
        with suppress(OSError):  # another user made it
            folder.chmod(0o700 | (may & 0o2055))
    path.chmod(0o600 | (may & 0o044))


def restore_all(folder: Path) -> None:
    """Put back files that a killed process had set aside."""
    for aside in folder.iterdir():
        if found := _LEAVING.fullmatch(aside.name):
            _put_back(aside, folder / found["name"])


def give_usable_name(folder: Path, name: str) -> str | None:
    """A name that is text, of one line and not too long. The file gets it; None where another took it meanwhile."""
    usable = _ODD.sub("_", name)
    if len(usable.encode()) > LONGEST_NAME or usable != name:
        stem, dot, ending = usable.rpartition(".")
        mark = sha256(os.fsencode(name)).hexdigest()[:8]
        room = LONGEST_NAME - len(f".{mark}{dot}{ending}".encode())
        usable = f"{stem.encode()[:room].decode(errors='ignore')}.{mark}{dot}{ending}"
        try:
            _rename_to_free(folder / name, folder / usable)
        except (FileNotFoundError, FileExistsError):
            return None
    return usable


def _put_back(aside: Path, path: Path) -> None:
    try:
        _rename_to_free(aside, path)
    except FileExistsError:
        _rename_to_free(aside, path.with_name(f"{path.stem}.{secrets.token_hex(4)}{path.suffix}"))


def _rename_to_free(old: Path, new: Path) -> None:
    """Rename a file, never onto another one. Raises `FileExistsError`."""
    try:
        os.link(old, new, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        if new.exists():
            raise FileExistsError(new) from None
        old.rename(new)
    else:
        with suppress(FileNotFoundError):
            old.unlink()
