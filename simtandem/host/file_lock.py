"""Locks on files of this host, tried without waiting."""

from pathlib import Path

from filelock import FileLock, Timeout

from simtandem.errors import LedgerError


def lock_file(path: Path) -> FileLock:
    """A lock that one process holds at a time, and that ends with its process.

    A file system without such locks is an error: a file that merely exists would outlive a killed process.
    """
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def taken(lock: FileLock) -> bool:
    """Try to take the lock. Raises `LedgerError` if its file can't be used."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise LedgerError(
            f"The lock file {lock.lock_file} can't be used ({error.strerror or error}). Nothing was sent.\n"
            "Check the disk and the permissions of its folder, then run again."
        ) from error
    return True
