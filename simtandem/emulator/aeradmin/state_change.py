"""The call that changes a state. **A stand-in**: that Aeris has one is known, its path, method and body are not.

So nothing about it has a default. Anyone who starts the emulator says what the call looks like, as a client of it is
configured too; without that the emulator has no such call. What it answers is the emulator's own idea as well.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simtandem.emulator.aeradmin.states import State

PLACEHOLDERS = ("account", "email", "id_kind", "id", "word")
ID_KINDS = ("ICCID", "IMSI", "deviceProfileId")
_PLACE = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


@dataclass(frozen=True, slots=True)
class StateChange:
    """What the call looks like: `method`, `path` below `AerAdmin_WS_5_0/`, `body` and the `words` of the states.

    Path and body have `{account}`, `{email}`, `{id_kind}`, `{id}` and `{word}` where those stand; the body is JSON,
    given as data, in which a placeholder is a whole text or a whole key. `words` maps each word to the state that it
    leads to.
    """

    method: str
    path: str
    body: Any
    words: Mapping[str, State]
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        written = self.path + json.dumps(self.body)
        missing = [name for name in ("id", "word") if f"{{{name}}}" not in written]
        if missing or not self.words:
            raise ValueError(f"a change of state needs words, and places for: {', '.join(missing) or 'nothing more'}")
        parts = _PLACE.split(self.path.strip("/"))
        pattern = "".join(f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def read(self, path: str, body: bytes) -> dict[str, str] | None:
        """What is at the placeholders of a call to this `path`; None where the call is shaped otherwise."""
        at = self._pattern.fullmatch(path.strip("/"))
        if at is None:
            return None
        found = at.groupdict()
        try:
            content = json.loads(body) if body else None
        except ValueError:
            return None
        return found if _fits(self.body, content, found) else None

    def names(self, path: str) -> bool:
        """Whether it is this call's path."""
        return self._pattern.fullmatch(path.strip("/")) is not None


def _fits(wanted: Any, given: Any, found: dict[str, str]) -> bool:
    """Whether a body has the template's shape; fills in what is at its placeholders."""
    if isinstance(wanted, dict):
        return isinstance(given, dict) and len(wanted) == len(given) and _fit_keys(wanted, given, found)
    if isinstance(wanted, list):
        return (
            isinstance(given, list)
            and len(wanted) == len(given)
            and all(_fits(one, other, found) for one, other in zip(wanted, given, strict=True))
        )
    place = _PLACE.fullmatch(wanted) if isinstance(wanted, str) else None
    if place is None:
        return bool(wanted == given)
    return isinstance(given, str) and found.setdefault(place[1], given) == given


def _fit_keys(wanted: dict[str, Any], given: dict[str, Any], found: dict[str, str]) -> bool:
    for key, value in wanted.items():
        name = key
        if _PLACE.fullmatch(key):
            name = next((kind for kind in ID_KINDS if kind in given), "")
            found.setdefault("id_kind", name)
        if name not in given or not _fits(value, given[name], found):
            return False
    return True
