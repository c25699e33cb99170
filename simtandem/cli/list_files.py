"""The files of a list as arguments name them: patterns that the shell left are expanded, no file is there twice."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from schemas.parameters import MOST_FILES
from simtandem.errors import InputError
from simtandem.intake.device_file import shown

STDIN = Path("/dev/stdin")


def expanded(arguments: Sequence[Path]) -> list[Path]:
    """The files that the arguments name, each once, sorted by name; a single one as it is.

    A pattern with `*`, `?` or `[` stands for the files that match it, `**` for any number of folders, unless there is a
    file of that very name. Raises `InputError` where none matches, where there are too many, or where standard input is
    named twice.
    """
    found = [path for argument in arguments for path in _matching(argument)]
    if found.count(STDIN) > 1:
        raise InputError("Standard input (-) can be one of the files only once. Nothing was sent.")
    single = {os.path.realpath(path): path for path in sorted(found, key=str, reverse=True)}
    if len(single) > MOST_FILES:
        raise InputError(f"These are {len(single):,} files; a run reads {MOST_FILES:,} at most. Nothing was sent.")
    return sorted(single.values(), key=str)


def _matching(argument: Path) -> list[Path]:
    text = str(argument)
    if not glob.has_magic(text) or os.path.lexists(text):
        return [argument]
    every = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207 - a path's own takes no pattern of a whole path
    found = [each for each in every if not each.is_dir()]
    if not found:
        raise InputError(
            f"{shown(text)}: no file matches this pattern.\nNothing was sent. Check the folder and the name."
        )
    return found
