"""An empty SIMTANDEM_HOME for one measurement, gone afterwards together with every process that works in it."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ENDS_WITHIN_S = 30.0


@contextmanager
def fresh_home() -> Iterator[Path]:
    """A new folder. When the block is left, the embedded Prefect server, which ends by itself, is waited for."""
    with tempfile.TemporaryDirectory(prefix="simtandem-bench-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            _wait_for_users(folder)


def _wait_for_users(folder: str) -> None:
    """Until no process has the folder on its command line; those that take too long are told to end."""
    give_up = time.monotonic() + _ENDS_WITHIN_S
    while users := _users(folder):
        if time.monotonic() > give_up:
            for pid in users:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            return
        time.sleep(0.2)


def _users(folder: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):  # it has just ended, or is not ours to look at
                if folder.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
