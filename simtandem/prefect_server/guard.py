"""What stands in front of Prefect's app: nobody unauthenticated, no foreign page and no foreign name gets past it.

Host: a name that leads here, so that no page elsewhere can take this server for its own. Origin and Sec-Fetch-Site: the
server's own pages. Authorization: the home's credential, the operator's own, a person's, a browser's session. Files of
runs are given out here (`file_service`); for all else Prefect is handed the home's credential in their place, and
checks that again. Every answer carries a policy that keeps pages from calling anybody else.
"""

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import Any
from urllib.parse import urlsplit

from schemas.hosts import is_loopback
from simtandem.prefect_server import login
from simtandem.prefect_server.file_service import API, FileService
from simtandem.prefect_server.files_of_hosts import FilesOfHosts
from simtandem.prefect_server.http_answers import HTML, JAVASCRIPT, JSON, answer, body_of
from simtandem.prefect_server.left_files import LeftFiles
from simtandem.prefect_server.login import Sessions
from simtandem.prefect_server.people import Deeds, People
from simtandem.prefect_server.personal import Personal
from simtandem.prefect_server.server_identity import PROOF_PATH
from simtandem.prefect_server.urgent_runs import UrgentRuns

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_OPEN = {"/api/health", "/api/ready", PROOF_PATH}
_OF_THE_API = {"docs", "redoc", "openapi.json"}  # its description, which FastAPI serves beside the UI's own files
_DEEDS = "/api/simtandem/people/"
_LONGEST = 1_000  # bytes of a login's body
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",  # the graph of a run compiles its shaders' functions
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-dns-prefetch-control", b"off"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


@dataclass(frozen=True, slots=True)
class Names:
    """By which names the server may be called. Loopback's always; an address names nobody else, if it listens there."""

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    any_address: bool = False

    @classmethod
    def of(cls, listens_on: str, ui_url: str) -> "Names":
        """Those of a server that listens on that host, and that people reach at that address, where one is set."""
        seen = urlsplit(ui_url)
        hosts = {listens_on.lower(), seen.hostname or ""}
        beyond = not is_loopback(listens_on)
        origins = {f"{seen.scheme}://{seen.netloc}".lower()} if seen.netloc else set()
        return cls(frozenset(hosts - {""} | ({gethostname().lower()} if beyond else set())), frozenset(origins), beyond)

    def allow_host(self, header: str) -> bool:
        """Whether a request with that Host header is meant for this server."""
        host = _host(header)
        return bool(host) and (is_loopback(host) or host in self.hosts or (self.any_address and _is_address(host)))

    def allow_origin(self, header: str, host: str) -> bool:
        """Whether a page of that origin may ask: one of the server's own."""
        try:
            parts = urlsplit(header)
        except ValueError:
            return False
        own = parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
        return own or header.lower() in self.origins


@dataclass(slots=True)
class Guard:
    """The app behind the login."""

    app: App
    credential: str
    names: Names
    home: Path
    own: str = ""
    cookie: str = "simtandem"
    sessions: Sessions = field(default_factory=Sessions)
    logs_in_within_s: float = 5.0
    files: FileService = field(init=False)

    def __post_init__(self) -> None:
        self.files = FileService(LeftFiles(self.home.parent), FilesOfHosts(self.home.parent))

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer, or have Prefect answer."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _Headers(scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, self._authenticating(receive, send, headers), send)
            return
        policed = _with_policy(send)
        if refusal:
            await answer(policed, *refusal)
        elif scope["path"].startswith("/simtandem/"):
            if not await self.files.show(scope["method"], scope["path"], receive, send, policed):
                await self._log_in(scope, receive, policed, headers)
        elif _is_open(scope):
            await self.app(scope, receive, policed)
        elif (who := self._who(headers.token, headers)) is None:
            await answer(policed, 401, "Unauthorized")
        elif scope["path"].startswith(API):
            await self.files.serve(scope["method"], scope["path"], send, policed)
        else:
            await self._serve(who, self._as_owner(scope), receive, policed)

    async def _serve(self, who: str, scope: Scope, receive: Any, send: Any) -> None:
        """Answer someone who is logged in."""
        path, deeds = scope["path"], Deeds(self.home)
        if scope["method"] == "GET" and path.startswith(_DEEDS):
            await answer(send, 200, json.dumps(deeds.of(path.removeprefix(_DEEDS))), JSON)
        elif not who:
            await UrgentRuns(self.app)(scope, receive, send)
        elif refusal := await Personal(UrgentRuns(self.app), deeds)(who, scope, receive, send):
            await answer(send, 403, refusal)

    def _refusal(self, scope: Scope, headers: "_Headers") -> tuple[int, str] | None:
        """Why a request is not looked at, no matter who sends it."""
        if len(headers.all("host")) != 1 or not self.names.allow_host(headers["host"]):
            return 421, "This server is not called by that name."
        origin, site = headers["origin"], headers["sec-fetch-site"]
        if origin and not self.names.allow_origin(origin, headers["host"]):
            return 403, "Other pages may not ask this server."
        visit = headers["sec-fetch-mode"] == "navigate" and scope.get("method") == "GET" and not _is_api(scope)
        if site not in ("", "none", "same-origin") and not visit:
            return 403, "Other pages may not ask this server."
        return None

    def _who(self, token: str, headers: "_Headers") -> str | None:
        """Who that is: a person's name, empty for the shared credential and its browsers; None for a stranger."""
        if self._is_credential(token) or (token and self.sessions.is_open(token, headers.cookie(self.cookie))):
            return ""
        return People(self.home).who(token) or None

    def _is_credential(self, token: str) -> bool:
        given = token.encode()
        return any(hmac.compare_digest(given, each.encode()) for each in (self.credential, self.own) if each)

    def _as_owner(self, scope: Scope) -> Scope:
        """The same request with the credential that Prefect knows."""
        token = base64.b64encode(self.credential.encode())
        kept = [(name, value) for name, value in scope["headers"] if name not in (b"authorization", b"cookie")]
        return {**scope, "headers": [*kept, (b"authorization", b"Basic " + token)]}

    def _authenticating(self, receive: Any, send: Any, headers: "_Headers") -> Any:
        """Prefect's clients send their credential as first message: Prefect is handed the one it knows, or none.

        One that sends nothing is closed.
        """
        first = True

        async def read() -> Any:
            nonlocal first
            try:
                async with asyncio.timeout(self.logs_in_within_s if first else None):
                    message = await receive()
            except TimeoutError:
                await send({"type": "websocket.close", "code": 1008})
                return {"type": "websocket.disconnect", "code": 1008}
            if first and message["type"] == "websocket.receive":
                first = False
                token = _token_of(message)
                told = {"type": "auth", "token": "" if self._who(token, headers) is None else self.credential}
                return {"type": "websocket.receive", "text": json.dumps(told)}
            return message

        return read

    async def _log_in(self, scope: Scope, receive: Any, send: Any, headers: "_Headers") -> None:
        match scope["method"], scope["path"]:
            case "GET", login.LOGIN_PATH:
                await answer(send, 200, login.PAGE, HTML)
            case "GET", login.SCRIPT_PATH:
                await answer(send, 200, login.SCRIPT, JAVASCRIPT)
            case "POST", login.LINK_PATH if self._is_credential(headers.token):
                await answer(send, 200, self.sessions.make_link())
            case "POST", login.SESSION_PATH:
                session = self.sessions.log_in(await body_of(receive, _LONGEST))
                if session is None:
                    await answer(send, 401, "Unauthorized")
                    return
                kept = f"{self.cookie}={session.cookie}; Path=/api; HttpOnly; SameSite=Strict"
                await answer(send, 200, session.half, extra=[(b"set-cookie", kept.encode())])
            case _:
                await answer(send, 401, "Unauthorized")


class _Headers:
    def __init__(self, scope: Scope) -> None:
        self._all = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]

    def all(self, name: str) -> list[str]:
        return [value for each, value in self._all if each == name]

    def __getitem__(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def token(self) -> str:
        """What it is authorised with; empty where that can't be read."""
        scheme, _, given = self["authorization"].partition(" ")
        if scheme.lower() == "bearer":
            return given.strip()
        try:
            return base64.b64decode(given, validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def cookie(self, name: str) -> str:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load("; ".join(self.all("cookie")))
        except CookieError:
            return ""
        return jar[name].value if name in jar else ""


def _host(header: str) -> str:
    try:
        return "" if set(header) & set("@/?#\\") else str(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_api(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == "/api" or path.startswith("/api/")


def _is_open(scope: Scope) -> bool:
    """Whether it is one of the UI's own files, or only whether the server is there."""
    of_the_ui = not _is_api(scope) and scope["path"].strip("/").partition("/")[0] not in _OF_THE_API
    return of_the_ui or (scope["method"] == "GET" and scope["path"] in _OPEN)


def _token_of(message: MutableMapping[str, Any]) -> str:
    try:
        told = json.loads(message.get("text") or "")
    except ValueError:
        return ""
    token = told.get("token") if isinstance(told, dict) and told.get("type") == "auth" else None
    return token if isinstance(token, str) else ""


def _with_policy(send: Any) -> Any:
    ours = {name for name, _ in _HEADERS}

    async def answer(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message.get("headers", []) if each[0].lower() not in ours]
            message = {**message, "headers": [*kept, *_HEADERS]}
        await send(message)

    return answer
