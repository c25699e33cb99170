"""SIMTANDEM_HOME is its owner's alone: what others may do there, and where a process stands that works for it.

Whatever a process writes is for its user only: `keep_private` comes before the first file. What lies in the home since
an older version, or was opened by hand, is closed again and told. Symbolic links are not followed: what they lead to is
somewhere else.
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
"""What is looked at below each entry of a home that was closed: a home holds years of runs, newest names first."""

_EXAMPLES = 3
_READ_THERE = (".env", "prefect.toml", "pyproject.toml", "prefect/profiles.toml", "prefect/logging.yml")
"""Files in a home that Prefect reads where they are there. What it finds there is the owner's wish."""


def keep_private() -> None:
    """From now on files and folders that this process and its children make are this user's alone."""
    os.umask(_OTHERS)


def import_nothing_from_here() -> None:
    """Have no module taken from the folder where the command was typed, unless this program lies there."""
    with suppress(OSError):
        here, ours = Path.cwd(), Path(__file__).parents[2]
        if here != ours:
            sys.path[:] = [place for place in sys.path if place and Path(place) != here]


def stand_in(home: Path) -> None:
    """Make the home this process's working folder, where no file of somebody else lies that a library would read.

    Raises `InputError`. Paths that were given as relative ones have to be resolved before.
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
                f"{_plain(file)} belongs to {_name(owner)}, and Prefect would do what it says. Nothing was sent.\n"
                "Look at it, remove it, and find out who could write there."
            )


def close_to_others(home: Path) -> list[str]:
    """Take from others what they may do in this home; sentences about that, and about what makes it unsafe.

    A home that is not there yet is left to whoever makes it. Raises `InputError` where it is somebody else's.
    """
    notes = _where_it_lies(home)
    try:
        mode = home.stat().st_mode
    except OSError:
        return notes
    if stat.S_ISDIR(mode):
        notes += _mended(home, everything=bool(mode & _OTHERS))
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
                f"SIMTANDEM_HOME ({_plain(home)}) is a symbolic link to {_plain(home.resolve())}: whoever may "
                "change the link decides where the record is. Name the folder itself."
            )
            with suppress(OSError):
                _refuse_foreign(home.resolve(), home.stat().st_uid)
    for folder in home.parents:
        if _open_to_all(folder, at_all=folder == home.parent):
            notes.append(
                f"SIMTANDEM_HOME ({_plain(home)}) lies in {_plain(folder)}, where every user may write. "
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
    """Whether others can put another home in place of this one. With the sticky bit only before it is there."""
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


def _mended(home: Path, *, everything: bool) -> list[str]:
    """Close what is open, the home itself first: after that nobody else gets at the rest."""
    mended, failed = [], ""
    for path, kept in _in(home, None if everything else _MOST):
        if kept.st_uid != os.geteuid():
            failed = failed or f"{_below(home, path)} belongs to {_name(kept.st_uid)}"
        elif kept.st_mode & _OTHERS:
            try:
                path.chmod(stat.S_IMODE(kept.st_mode) & ~_OTHERS)
                mended.append(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = failed or f"{_below(home, path)}: {error.strerror}"
    if everything and not failed and home.stat().st_mode & _OTHERS:
        failed = "its file system keeps no modes"
    return _told(home, [_below(home, path) for path in mended], failed)


def _told(home: Path, mended: list[str], failed: str) -> list[str]:
    notes, where = [], f"SIMTANDEM_HOME ({_plain(home)})"
    if mended:
        names, more = ", ".join(mended[:_EXAMPLES]), len(mended) - _EXAMPLES
        notes.append(
            f"Other users of this machine could get at {len(mended):,} of the files and folders of {where}: {names}"
            f"{f' and {more:,} more' if more > 0 else ''}. They are yours alone now."
        )
    if failed:
        notes.append(f"Other users of this machine may get at files in {where}, and that can't be changed ({failed}).")
    return notes


def _in(home: Path, most: int | None) -> Iterator[tuple[Path, os.stat_result]]:
    """The home and what is in it; below each of its entries so many at most."""
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
