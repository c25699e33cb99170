"""How a browser logs in to the Prefect server: by a link that works once.

The link's code is exchanged for a session, which has two halves. The page keeps one where Prefect's UI looks for its
password: no other origin gets at it. The browser keeps the other as a cookie that no script reads. Neither is good
without the other: browsers send cookies to every port of a host, and scripts could give away what a page keeps.

Sessions end with the server's process, so what a program on the same port collects later opens nothing.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LINK_PATH = "/simtandem/link"
LOGIN_PATH = "/simtandem/login"
SCRIPT_PATH = "/simtandem/login.js"
SESSION_PATH = "/simtandem/session"

LINK_LIFE_S = 600.0
_IDLE_S = 12 * 3600.0
_MOST = 100
"""Codes that nobody has used yet, and sessions: the oldest go."""

PAGE = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>simtandem: log in</title></head>
<body><p id="message">Logging in\xe2\x80\xa6</p><noscript>This page needs JavaScript.</noscript>
<script src="/simtandem/login.js"></script></body></html>
"""
SCRIPT = b"""const code = location.hash.slice(1)
history.replaceState(null, "", location.pathname)
fetch("/simtandem/session", {method: "POST", headers: {"Content-Type": "text/plain"}, body: code})
  .then(answer => answer.ok ? answer.text() : Promise.reject())
  .then(half => {
    localStorage.setItem("prefect-password", btoa(half))
    location.replace("/v2/deployments")
  })
  .catch(() => {
    document.getElementById("message").textContent =
      "This link was used already, or is too old. `simtandem ui` makes another one."
  })
"""


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser is given: the half that the page keeps, and the cookie."""

    half: str
    cookie: str


class Sessions:
    """The links that were made and not used yet, and the browsers that are logged in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._links: dict[bytes, float] = {}
        self._sessions: dict[bytes, tuple[bytes, float]] = {}

    def make_link(self) -> str:
        """A code that logs in once, for a while."""
        code = secrets.token_urlsafe(32)
        self._links[_digest(code)] = self._clock() + LINK_LIFE_S
        _bound(self._links)
        return code

    def log_in(self, code: str) -> Session | None:
        """The session for that code; None where it is none, was used or is too old."""
        ends = self._links.pop(_digest(code), 0.0)
        if ends <= self._clock():
            return None
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._sessions[_digest(session.half)] = _digest(session.cookie), self._clock() + _IDLE_S
        _bound(self._sessions)
        return session

    def is_open(self, half: str, cookie: str) -> bool:
        """Whether both halves are of one session that is in use."""
        key = _digest(half)
        expected, ends = self._sessions.get(key, (b"", 0.0))
        if ends <= self._clock() or not hmac.compare_digest(expected, _digest(cookie)):
            return False
        self._sessions[key] = expected, self._clock() + _IDLE_S
        return True


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _bound(kept: dict[bytes, object] | dict[bytes, float] | dict[bytes, tuple[bytes, float]]) -> None:
    while len(kept) > _MOST:
        del kept[next(iter(kept))]
