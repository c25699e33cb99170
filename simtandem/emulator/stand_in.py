"""Marking what an emulator answers without anybody knowing that the carrier answers so."""

from starlette.responses import Response

STAND_IN = "X-Emulator-Stand-In"
"""The header that names, separated by `; `, what in an answer stands in for something that no source says."""


def marked(response: Response, *what: str) -> Response:
    """The same answer, naming what in it is a stand-in; nothing named, nothing added."""
    before = response.headers.get(STAND_IN, "")
    named = [*filter(None, before.split("; ")), *what]
    if named:
        response.headers[STAND_IN] = "; ".join(dict.fromkeys(named))
    return response
