"""SIMTANDEM_HOME is private to its owner: the modes of its files, and the working folder of its processes.

A process writes files for its own user only: `keep_private` is called before the first one. Files that an older version
left open to others, or that were opened by hand, are made private again, with a message. Symbolic links are not
followed: they lead out of the home.
"""

import os
import pwd
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from simtandem.errors import InputError

_OTHERS = 0o077
_MOST = 5_000
"""Files checked below each entry of a home that is private already: it holds years of runs, newest names first."""

_EXAMPLES = 3
_READ_THERE = (".env", "prefect.toml", "pyproject.toml", "prefect/profiles.toml", "prefect/logging.yml")
"""Files in a home that Prefect reads if they exist. They are the owner's own settings."""


def keep_private() -> None:
    """Make files and folders of this process and its children accessible to this user only, from now on."""
    os.umask(_OTHERS)


def import_nothing_from_here() -> None:
    """Import no module from the current folder, unless this program is installed there."""
    with suppress(OSError):
        here, ours = Path.cwd(), Path(__file__).parents[2]
        if here != ours:
            sys.path[:] = [place for place in sys.path if place and Path(place) != here]


def stand_in(home: Path) -> None:
    """Make the home this process's working folder, so that libraries read no other user's files.

    Raises `InputError`. Resolve relative paths before.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _READ_THERE:
            _refuse_planted(home / name)
        os.chdir(home)
    except OSError as error:
        raise InputError(
            f"SIMTANDEM_HOME ({_plain(home)}) can't be used: {error.strerror}. Nothing was sent.\n"
            "Name a folder of your own."
        ) from error


def _refuse_planted(file: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        if (owner := file.lstat().st_uid) != os.geteuid():
            raise InputError(
                f"{_plain(file)} belongs to {_name(owner)}, and Prefect reads settings from it. Nothing was sent.\n"
                "Look at it, remove it, and find out who could write there."
            )


def close_to_others(home: Path) -> list[str]:
    """Remove other users' access to this home; returns sentences about that, and about what makes the home unsafe.

    A home that does not exist yet is left alone. Raises `InputError` if it belongs to another user.
    """
    notes = _where_it_lies(home)
    try:
        mode = home.stat().st_mode
    except OSError:
        return notes
    if stat.S_ISDIR(mode):
        notes += _closed(home, everything=bool(mode & _OTHERS))
    return notes


def _where_it_lies(home: Path) -> list[str]:
    notes = []
    try:
        kept = home.lstat()
    except OSError:
        kept = None
    if kept is not None:
        _refuse_foreign(home, kept.st_uid, also=0 if stat.S_ISLNK(kept.st_mode) else None)
        if stat.S_ISLNK(kept.st_mode):
            notes.append(
                f"SIMTANDEM_HOME ({_plain(home)}) is a symbolic link to {_plain(home.resolve())}: anyone who can "
                "change the link decides where the record is. Set the folder itself."
            )
            with suppress(OSError):
                _refuse_foreign(home.resolve(), home.stat().st_uid)
    for folder in home.parents:
        if _open_to_all(folder, at_all=folder == home.parent):
            notes.append(
                f"SIMTANDEM_HOME ({_plain(home)}) is in {_plain(folder)}, where every user may write. "
                "Keep it in a folder of your own, such as ~/.simtandem or /var/lib/simtandem."
            )
            break
    return notes


def _refuse_foreign(home: Path, owner: int, also: int | None = None) -> None:
    if owner not in (os.geteuid(), also):
        whose = _name(owner)
        raise InputError(
            f"SIMTANDEM_HOME ({_plain(home)}) belongs to {whose}, and this is {_name(os.geteuid())}: {whose} could "
            "read and change what is recorded there. Nothing was sent.\n"
            f"Run it as {whose} (sudo -u {whose} simtandem …), or set SIMTANDEM_HOME to a folder of your own."
        )


def _open_to_all(folder: Path, *, at_all: bool) -> bool:
    """Whether others can replace this home by their own. With the sticky bit they can only before it exists."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and (at_all or not mode & stat.S_ISVTX)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _closed(home: Path, *, everything: bool) -> list[str]:
    """Make everything private, the home itself first: after that others can't reach the rest."""
    closed, failed = [], ""
    for path, kept in _in(home, None if everything else _MOST):
        if kept.st_uid != os.geteuid():
            failed = failed or f"{_below(home, path)} belongs to {_name(kept.st_uid)}"
        elif kept.st_mode & _OTHERS:
            try:
                path.chmod(stat.S_IMODE(kept.st_mode) & ~_OTHERS)
                closed.append(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = failed or f"{_below(home, path)}: {error.strerror}"
    if everything and not failed and home.stat().st_mode & _OTHERS:
        failed = "its file system keeps no modes"
    return _notes(home, [_below(home, path) for path in closed], failed)


def _notes(home: Path, closed: list[str], failed: str) -> list[str]:
    notes, where = [], f"SIMTANDEM_HOME ({_plain(home)})"
    if closed:
        names, more = ", ".join(closed[:_EXAMPLES]), len(closed) - _EXAMPLES
        notes.append(
            f"Other users of this machine could access {len(closed):,} of the files and folders of {where}: {names}"
            f"{f' and {more:,} more' if more > 0 else ''}. They are private now."
        )
    if failed:
        notes.append(f"Other users of this machine may access files in {where}, and that can't be changed ({failed}).")
    return notes


def _in(home: Path, most: int | None) -> Iterator[tuple[Path, os.stat_result]]:
    """The home and everything in it; at most this many files below each of its entries."""
    yield home, home.stat()
    for entry in _entries(str(home)):
        yield from islice(_all(entry), most)


def _all(entry: os.DirEntry[str]) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(OSError):
        kept = entry.stat(follow_symlinks=False)
        if not stat.S_ISLNK(kept.st_mode):
            yield Path(entry.path), kept
            if stat.S_ISDIR(kept.st_mode):
                for each in _entries(entry.path):
                    yield from _all(each)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda each: each.name, reverse=True)
    except OSError:
        return []


def _below(home: Path, path: Path) -> str:
    return "the folder itself" if path == home else _plain(path.relative_to(home))


def _plain(path: Path) -> str:
    return "".join(each if each.isprintable() else "?" for each in str(path))
