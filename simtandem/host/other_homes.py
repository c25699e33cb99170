"""Other homes of this host that call the same carrier: they share its rate limit, but not this home's budget.

The carrier counts calls by address, and a service's home and a person's at a terminal have one address. A budget for
both would be a file that several users of the machine may write, so that any of them could stop the others; instead
each home leaves a note where all users of the host may write, and reads those of the others. A note holds the hash of
the carrier's host and nothing else: whose it is and of when, the file system says. It may be anybody's: it is read
briefly, and nothing depends on it.
"""

import hashlib
import os
import pwd
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EVERY_S = 10.0
_MOST, _LARGEST = 500, 2000
_FORGOTTEN_S = 3600.0
_FOLDER = "simtandem-homes"


def shared_folder() -> Path:
    """Where every user of this host may leave a note, a service with a private /tmp as well."""
    memory = Path("/dev/shm")  # noqa: S108 - see `_opened`
    return (memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())) / _FOLDER


class OtherHomes:
    """Leaves this home's note for a carrier's host, and finds those of others not older than `window_s` seconds.

    Where notes can't be left or read, nothing is reported.
    """

    def __init__(
        self, home: Path, carrier_host: str, window_s: float, folder: Path, now: Callable[[], float] = time.time
    ) -> None:
        self._name = _hash(f"{home.resolve()}\0{carrier_host}")[:32]
        self._carrier = _hash(carrier_host)
        self._window_s = window_s
        self._folder = folder
        self._now = now
        self._looked = float("-inf")
        self._known: set[str] = set()

    def found(self) -> list[str]:
        """The users whose homes called this carrier within the window, each home once. Call it with every call."""
        now = self._now()
        if 0 <= now - self._looked < _EVERY_S:
            return []
        self._looked = now
        new: dict[str, str] = {}
        with suppress(OSError), _opened(self._folder) as folder:
            self._leave_note(folder, now)
            new = {name: user for name, user in self._others(folder, now) if name not in self._known}
        self._known.update(new)
        return list(new.values())

    def _leave_note(self, folder: int, now: float) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        with os.fdopen(os.open(self._name, flags, 0o644, dir_fd=folder), "w", encoding="ascii") as note:
            note.truncate()
            note.write(self._carrier)
            os.fchmod(note.fileno(), 0o644)
        os.utime(self._name, (now, now), dir_fd=folder, follow_symlinks=False)

    def _others(self, folder: int, now: float) -> Iterator[tuple[str, str]]:
        for name in sorted(os.listdir(folder))[:_MOST]:
            with suppress(OSError):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as note:
                    kept = os.fstat(descriptor)
                    age = now - kept.st_mtime
                    if not stat.S_ISREG(kept.st_mode) or age > self._window_s:
                        if age > _FORGOTTEN_S:
                            os.unlink(name, dir_fd=folder)
                        continue
                    carrier = note.read(_LARGEST)
                if carrier == self._carrier.encode() and name != self._name:
                    yield name, _user(kept.st_uid)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder for notes: all users may write there, none may remove files of others."""
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o1777)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
