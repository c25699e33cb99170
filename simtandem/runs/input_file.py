"""Where a run's device CSV comes from: a path, a URL, or text that someone pasted into a form.

A path given on the operator's terminal leads wherever that operator may read. What a form names is a request of
someone who may read nothing on this machine: it comes from the folders and hosts that the settings allow.
"""

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

from schemas.hosts import plain_host
from simtandem.intake import Bounds, ListFile
from simtandem.intake.device_file import shown
from simtandem.runs.input_folder import read_list
from simtandem.runs.input_url import AddressRules, fetch
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings

PASTED = "pasted.csv"
_FETCHED = "fetched"
_LONGEST_NAME = 100
_LOCAL = "file://"


def bounds(settings: Settings) -> Bounds:
    """How much of a list is read at most."""
    return Bounds(settings.max_file_mb, settings.max_file_rows)


def address_rules(settings: Settings) -> AddressRules:
    """Which addresses a form may name."""
    return AddressRules(settings.list_schemes_named, tuple(map(plain_host, settings.list_hosts_named)))


def local_files(run: Run) -> list[ListFile]:
    """The files of the run's list as files here, each under a name of its own. Raises `InputError` as `local_file`."""
    places = [local_file(run), *(_one_more(run, text, number) for number, text in enumerate(run.request.more_files, 2))]
    names = [shown(path.name or str(path)) for path in places]
    if run.asked_on is AskedOn.TERMINAL:
        names = [shown(str(path)) if names.count(name) > 1 else name for name, path in zip(names, places, strict=True)]
    else:  # nobody at a form may know which folder it is in
        names = [
            f"{name} ({names[: at + 1].count(name)})" if names.count(name) > 1 else name
            for at, name in enumerate(names)
        ]
    return [ListFile(path, name) for path, name in zip(places, names, strict=True)]


def local_file(run: Run) -> Path:
    """The run's CSV as a file here. Raises `InputError` where it can't, or may not, be read, or holds too much."""
    if run.request.pasted:
        return run.folder.save_bytes(PASTED, run.request.file.encode("utf-8", "replace"))
    return _fetched(run, run.request.file, _FETCHED)


def _one_more(run: Run, text: str, number: int) -> Path:
    return _fetched(run, text, f"{_FETCHED}/{number}")


def _fetched(run: Run, wanted: str, folder: str) -> Path:
    path = local_path(wanted.strip())
    if path is None:
        data = fetch(wanted.strip(), address_rules(run.settings), bounds(run.settings))
    elif run.asked_on is AskedOn.TERMINAL:
        return path
    else:
        data = read_list(run.settings.list_roots, path, bounds(run.settings))
    return run.folder.save_bytes(f"{folder}/{_name(path.name if path else wanted)}", data)


def _name(url: str) -> str:
    """A plain file name out of a URL."""
    name = shown(PurePosixPath(re.split(r"[?#]", url)[0]).name)[-_LONGEST_NAME:]
    return name if name.strip(".") and "://" not in name else "fetched.csv"


def address(path: Path) -> str:
    """A path as a text that can be kept anywhere: as it is, or as a `file://` address where it is no plain text."""
    text = str(path)
    return text if text.isprintable() and "://" not in text else path.absolute().as_uri()


def local_path(text: str) -> Path | None:
    """The path that a text of `address` names; None where it is an address somewhere else."""
    if text.startswith(_LOCAL):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_LOCAL))))
    return None if "://" in text else Path(text)
