"""Where a run's device CSV comes from: a path, a URL, or text that somebody pasted into a form."""

from pathlib import Path

import fsspec  # type: ignore[import-untyped]

from simtandem.errors import InputError
from simtandem.job.run import Run

PASTED = "pasted.csv"


def local_file(run: Run) -> Path:
    """The run's CSV as a file here. Raises `InputError` where a URL can't be read."""
    wanted = run.request.file
    if run.request.pasted:
        return _written(run, PASTED, wanted.encode())
    if "://" in wanted:
        return _written(run, wanted.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "fetched.csv", _fetch(wanted))
    return Path(wanted)


def _written(run: Run, name: str, data: bytes) -> Path:
    path = run.folder.file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _fetch(url: str) -> bytes:
    try:
        with fsspec.open(url, "rb") as source:
            data: bytes = source.read()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"The file can't be read from its URL ({type(error).__name__}). Nothing was sent.\n"
            "Check the address, and that the worker may reach it; an s3:// or gs:// address needs its fsspec package."
        ) from error
    return data
