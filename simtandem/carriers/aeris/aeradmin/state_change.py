"""The call that changes a state, as the operator's own documentation describes it. Pure.

Aeris publishes that there is one (AerAdmin 5 REST API Reference, 6.7 Update Device State), but no public source has its
path, method, body or words. So nothing about it is known here, and nothing has a default.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simtandem.carriers.aeris.paths import AERADMIN_DETAILS, AERADMIN_ROOT
from simtandem.errors import InputError

PLACEHOLDERS = ("account", "email", "id_kind", "id", "word")
_PLACE = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_IN_A_PATH = re.compile(r"[A-Za-z0-9_.@-]+")


@dataclass(frozen=True, slots=True)
class StateChangeCall:
    """Method, path below `AerAdmin_WS_5_0/` and body (as data) of the call, with placeholders in braces.

    Raises `InputError` where neither path nor body says which device, or where it should go.
    """

    method: str
    path: str
    body: Any = None

    def __post_init__(self) -> None:
        written = self.path + json.dumps(self.body)
        missing = [f"{{{name}}}" for name in ("id", "word") if f"{{{name}}}" not in written]
        if missing:
            raise InputError(f"The call that changes a state has no place for {' and '.join(missing)}.")
        if AERADMIN_ROOT + self.path.strip("/") == AERADMIN_DETAILS:
            raise InputError("The path of the call that changes a state is that of the call that reads a device.")
        if "?" in self.path or "#" in self.path:
            raise InputError("The path of the call that changes a state must not have a query.")

    def filled(self, values: Mapping[str, str]) -> tuple[str, bytes | None]:
        """Path and body with these values. Raises `InputError` for a value that may not be in a path."""
        path = _PLACE.sub(lambda place: _in_path(values[place[1]]), self.path).strip("/")
        body = None if self.body is None else json.dumps(_filled(self.body, values)).encode()
        return path, body


def _in_path(value: str) -> str:
    if not _IN_A_PATH.fullmatch(value) or set(value) == {"."}:
        raise InputError(f"{value!r} can't be in the path of a call. Nothing was sent.")
    return value


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    if isinstance(template, dict):
        return {_filled(key, values): _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(each, values) for each in template]
    if isinstance(template, str):
        return _PLACE.sub(lambda place: values[place[1]], template)
    return template
