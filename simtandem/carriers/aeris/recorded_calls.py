"""What a recorded call to one of Aeris's platforms would have changed, if anything. Pure."""

import json
import re
from collections.abc import Iterator

from schemas.statuses import Half
from simtandem.carriers.aeris.paths import AERADMIN_DETAILS, AERADMIN_ROOT, READING_POSTS, STATE_CHANGES

_ICCID = re.compile(r"(?<![0-9])[0-9]{19,20}(?![0-9])")


def changed_sims(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The SIMs, by their ICCIDs, that a change with this path and body names.

    What AerAdmin's call looks like is known to the settings of then alone, so its ICCIDs are found by their look.
    """
    if path == STATE_CHANGES:
        for iccid in json.loads(body or "{}").get("subscriptions", {}).get("identifiers", []):
            yield Half.SIM, str(iccid)
    elif path.startswith(AERADMIN_ROOT) and path != AERADMIN_DETAILS:
        for iccid in dict.fromkeys(_ICCID.findall(f"{path} {body or ''}")):
            yield Half.SIM, iccid


def details_post(path: str) -> bool:
    """Whether a POST with this path asks for details, and changes nothing."""
    return path in READING_POSTS
