"""How a command's process ends. After `threads_may_hang` it does not wait for its threads.

Threads of Prefect's client wait for a server. Python waits for them at exit: forever if that server died.
"""

import os
import sys
from typing import NoReturn

_threads_may_hang = False


def threads_may_hang() -> None:
    """From now on this process ends without waiting for its threads: what they hold must be written before."""
    global _threads_may_hang  # noqa: PLW0603 - a fact about the process
    _threads_may_hang = True


def leave(code: int) -> NoReturn:
    """End the process with this exit code, all that was printed delivered."""
    if _threads_may_hang:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # its reader has ended
                continue
        os._exit(code)
    sys.exit(code)
