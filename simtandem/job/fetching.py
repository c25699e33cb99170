"""Where a run's device CSV comes from: a path, a URL, or text that somebody pasted into a form."""

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

import fsspec  # type: ignore[import-untyped]

from simtandem.errors import InputError
from simtandem.intake import Bounds
from simtandem.intake.device_file import shown
from simtandem.job.run import Run
from simtandem.settings import Settings

PASTED = "pasted.csv"
_FETCHED = "fetched"
_CHUNK = 1 << 20
_LONGEST_NAME = 100
_LOCAL = "file://"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]+")


def bounds(settings: Settings) -> Bounds:
    """How much of a list is read at most."""
    return Bounds(settings.max_file_mb, settings.max_file_rows)


def local_file(run: Run) -> Path:
    """The run's CSV as a file here. Raises `InputError` where a URL can't be read, or holds more than is read."""
    wanted = run.request.file
    if run.request.pasted:
        return run.folder.save_bytes(PASTED, wanted.encode("utf-8", "replace"))
    path = local_path(wanted.strip())
    if path is not None:
        return path
    return run.folder.save_bytes(f"{_FETCHED}/{_name(wanted)}", _fetch(wanted.strip(), bounds(run.settings)))


def _name(url: str) -> str:
    """A plain file name out of a URL."""
    name = shown(PurePosixPath(re.split(r"[?#]", url)[0]).name)[-_LONGEST_NAME:]
    return name if name.strip(".") and "://" not in name else "fetched.csv"


def _fetch(url: str, allowed: Bounds) -> bytes:
    if not _PLAIN.fullmatch(url) or "::" in url.split("?", maxsplit=1)[0]:
        raise InputError("The file's address is not one that can be read, such as https://host/path. Nothing was sent.")
    data = bytearray()
    try:
        with fsspec.open(url, "rb") as source:
            while part := source.read(_CHUNK):
                data += part
                if len(data) > allowed.size:
                    raise allowed.too_large()
    except InputError:
        raise
    except Exception as error:  # each kind of store has its own
        raise InputError(
            f"The file can't be read from its URL ({type(error).__name__}). Nothing was sent.\n"
            "Check the address, and that the worker may reach it; an s3:// or gs:// address needs its fsspec package."
        ) from error
    return bytes(data)


def address(path: Path) -> str:
    """A path as a text that can be kept anywhere: as it is, or as a `file://` address where it is no plain text."""
    text = str(path)
    return text if text.isprintable() and "://" not in text else path.absolute().as_uri()


def local_path(text: str) -> Path | None:
    """The path that a text of `address` names; None where it is an address somewhere else."""
    if text.startswith(_LOCAL):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_LOCAL))))
    return None if "://" in text else Path(text)
