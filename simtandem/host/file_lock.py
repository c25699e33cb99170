"""Taking a lock file without waiting for it."""

from filelock import FileLock, Timeout

from simtandem.errors import LedgerError


def taken(lock: FileLock) -> bool:
    """Whether the lock is ours now. Raises `LedgerError` where its file can't be used."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise LedgerError(
            f"The lock file {lock.lock_file} can't be used ({error}). Nothing was sent.\n"
            "Check the disk and the permissions of SIMTANDEM_HOME, then run again."
        ) from error
    return True
