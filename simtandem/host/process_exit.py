"""How a command's process ends. Whoever started threads that may never end says so, and then nothing waits for them.

The threads of Prefect's client wait for a server, and Python waits for them at exit: for ever where that server died.
"""

import os
import sys
from typing import NoReturn

_threads_may_hang = False


def threads_may_hang() -> None:
    """From now on this process ends without waiting for its threads: what must outlive it has to be kept by then."""
    global _threads_may_hang  # noqa: PLW0603 - a fact about the process
    _threads_may_hang = True


def leave(code: int) -> NoReturn:
    """End the process with this exit code, all that was printed delivered."""
    if _threads_may_hang:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # whoever read it is gone
                continue
        os._exit(code)
    sys.exit(code)
