"""How a command's process ends: at once, when nothing is left to wait for.

Taking apart all that was imported takes Python a twentieth of a second and more, and the kernel does it anyway. After
`threads_may_hang` threads are not waited for either: those of Prefect's client wait for a server, and Python waits for
them at exit, forever if that server died.
"""

import atexit
import os
import sys
import threading
from typing import NoReturn

_threads_may_hang = False


def threads_may_hang() -> None:
    """From now on this process ends without waiting for its threads: what they hold must be written before."""
    global _threads_may_hang  # noqa: PLW0603 - a fact about the process
    _threads_may_hang = True


def leave(code: int) -> NoReturn:
    """End the process with this exit code, all that was printed delivered, all that is due at exit done."""
    if _threads_may_hang:
        _flushed()
        os._exit(code)
    if not _others() and _flushed():
        atexit._run_exitfuncs()  # noqa: SLF001 - there is no other way to them
        os._exit(code)
    sys.exit(code)


def _others() -> bool:
    """Whether there are threads that Python would wait for."""
    return any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())


def _flushed() -> bool:
    """Whether everything that was printed went out. Where its reader has ended, Python has a word to say at exit."""
    whole = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            whole = False
    return whole
