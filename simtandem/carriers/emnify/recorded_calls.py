"""Which devices a recorded call to emnify would have changed, or reset. Pure."""

import json
from collections.abc import Iterator

from schemas.statuses import Half
from simtandem.carriers.emnify import paths

_HALVES = {paths.SIM: Half.SIM, paths.ENDPOINT: Half.ENDPOINT}


def changed_devices(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a PATCH with this path and body names."""
    if path == paths.BULK:
        for row in json.loads(body or "[]"):
            yield Half.ENDPOINT, str(row["id"])
        return
    collection, _, ident = path.rpartition("/")
    if collection in _HALVES:
        yield _HALVES[collection], ident


def reset_by(path: str) -> str | None:
    """The endpoint whose connectivity a recorded call with this path was to reset; None for any other call."""
    collection, ident, word = (["", *path.rsplit("/", 2)])[-3:]
    return ident if (collection, word) == (paths.ENDPOINT, "connectivity") else None
