"""The files that runs and reports left in a home, as they may be asked for from outside: by name, and nothing else.

A path is `runs/RUN/FILE` or `reports/PERIOD/FILE`, the period perhaps below its account's name. It is matched as a
whole, opened folder by folder without following links, and names a file that people get: never what a run keeps for
its own steps, nor what someone else put there under another kind of name.
"""

import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""The content types of what is given out, by the end of a name."""

_WORD = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FOLDER = rf"runs/[0-9]{{8}}T[0-9]{{6}}-[0-9a-f]{{4,16}}|reports/(?:{_WORD}/)?{_DAY}_{_DAY}"
_PATH = re.compile(rf"(?P<folder>{_FOLDER})/(?P<name>(?:report-(?:csv|parquet)/)?{_WORD})?")
_MOST_NAMES = 200
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST, _LATER = ("report.html", "audit.html", "index.html"), ("work",)


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file that is open for reading. The one who has it closes `descriptor`."""

    descriptor: int
    size: int
    name: str

    @property
    def kind(self) -> str:
        """Its content type."""
        return KINDS[Path(self.name).suffix]

    @property
    def is_page(self) -> bool:
        """Whether a browser shows it; anything else is downloaded."""
        return self.name.endswith(".html")


@dataclass(frozen=True, slots=True)
class LeftFiles:
    """Those in `home`, which is SIMTANDEM_HOME."""

    home: Path

    def open(self, path: str) -> LeftFile | None:
        """The file of that path; None where there is none that may be asked for."""
        if file_of(path) is None:
            return None
        folder, _, name = path.rpartition("/")
        with suppress(OSError), self._folder(folder) as parent:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=parent)
            known = os.fstat(descriptor)
            if stat.S_ISREG(known.st_mode):
                return LeftFile(descriptor, known.st_size, name)
            os.close(descriptor)
        return None

    def names(self, path: str) -> list[str] | None:
        """What is in a folder, which ends with a slash, as paths below it; None where there is no such folder."""
        if not is_folder(path):
            return None
        with suppress(OSError), self._folder(path.rstrip("/")) as folder:
            names = [*_files_of(folder)]
            for each in ("report-csv", "report-parquet"):
                with suppress(OSError), _opened(each, folder) as below:
                    names += [f"{each}/{name}" for name in _files_of(below)]
            return in_order(names)
        return None

    def note(self, flow_run: str, path: str, keep: timedelta) -> None:
        """This flow run leaves its files in that folder. Notes of longer ago are removed: their flow runs are, too."""
        file = self._note_of(flow_run)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self.of(flow_run)
        if path not in kept:
            file.write_text(json.dumps([*kept, path]), encoding="utf-8")
        _remove_older(file.parent, time.time() - keep.total_seconds())

    def of(self, flow_run: str) -> list[str]:
        """The folders, in order, where a flow run left files, each with a slash at its end. `ValueError` for no id."""
        file = self._note_of(flow_run)
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [each for each in kept if isinstance(each, str) and is_folder(each)]

    def _note_of(self, flow_run: str) -> Path:
        return self.home / "prefect" / "flow-runs" / f"{UUID(flow_run)}.json"

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        first, *rest = path.split("/")
        descriptor = os.open(self.home / first, _OPEN_FOLDER)
        try:
            for each in rest:
                above, descriptor = descriptor, os.open(each, _OPEN_FOLDER, dir_fd=descriptor)
                os.close(above)
            yield descriptor
        finally:
            os.close(descriptor)


def file_of(path: str) -> tuple[str, str] | None:
    """The folder of a path, and the file below it; None where it names none that may be asked for."""
    found = _PATH.fullmatch(path)
    return (found["folder"], found["name"]) if found and found["name"] and _is_given_out(found["name"]) else None


def is_folder(path: str) -> bool:
    """Whether a path names a folder that may be asked for."""
    found = _PATH.fullmatch(path)
    return found is not None and not found["name"]


def in_order(names: Iterable[str]) -> list[str]:
    """The files of a folder as they are listed: the page first, and not without end."""
    return sorted(names, key=lambda name: (name not in _FIRST, name))[:_MOST_NAMES]


def _remove_older(folder: Path, moment: float) -> None:
    with os.scandir(folder) as entries:
        for each in entries:
            with suppress(OSError):  # another process was quicker
                if each.name.endswith(".json") and each.stat(follow_symlinks=False).st_mtime < moment:
                    Path(each.path).unlink()


@contextmanager
def _opened(name: str, parent: int) -> Iterator[int]:
    descriptor = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _files_of(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [each.name for each in entries if each.is_file(follow_symlinks=False) and _is_given_out(each.name)]


def _is_given_out(name: str) -> bool:
    return re.fullmatch(_WORD, name.rpartition("/")[2]) is not None and Path(name).suffix in KINDS
