"""Which devices a recorded call to emnify would have changed. Pure."""

import json
from collections.abc import Iterator

from schemas.statuses import Half
from simtandem.carriers.emnify.endpoint_writer import BULK
from simtandem.carriers.emnify.paging import ENDPOINTS, SIMS

_HALVES = {SIMS.path: Half.SIM, ENDPOINTS.path: Half.ENDPOINT}


def changed_devices(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a PATCH with this path and body names."""
    if path == BULK:
        for row in json.loads(body or "[]"):
            yield Half.ENDPOINT, str(row["id"])
        return
    collection, _, ident = path.rpartition("/")
    if collection in _HALVES:
        yield _HALVES[collection], ident
