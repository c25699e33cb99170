"""Results where people are: the files that runs left, opened and downloaded in a browser of another machine.

A link to a file is a plain address, `/simtandem/runs/RUN/FILE`, without any secret. A browser sends no credential when
it follows one, so what it gets there is a page without data. Its script asks for the file with the credential that the
UI has (see `login`), or that is typed in, and is given a ticket: it opens this file once, within a minute. It is posted
to the same address, so the file is an ordinary document or an ordinary download, of any size.

A page that a run left is shown with an origin of its own (`sandbox`): nothing in it can reach the UI's login.
"""

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote
from uuid import UUID

from simtandem.errors import SimtandemError
from simtandem.prefect_server.files_of_hosts import FilesOfHosts
from simtandem.prefect_server.http_answers import HTML, JAVASCRIPT, JSON, Header, answer, body_of
from simtandem.prefect_server.left_files import LeftFile, LeftFiles, in_order, is_folder

PAGES = ("/simtandem/runs/", "/simtandem/reports/", "/simtandem/flow-runs/")
SCRIPT_PATH = "/simtandem/files.js"
API = "/api/simtandem/files/"

_TICKET_LIFE_S = 60.0
_MOST = 1_000
_LONGEST = 1_000  # bytes of what is posted
_PIECE = 1 << 18
_PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",  # a page names the hash of its own script, and allows no other
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-scripts allow-downloads allow-modals allow-popups allow-popups-to-escape-sandbox",
    )
)
_ALWAYS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-dns-prefetch-control", b"off"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_AT_ONCE = 2
"""So many threads at most wait for a ledger or a store: the server needs its others."""
Result = TypeVar("Result")
_SHOWN = Path(__file__).parent / "pages"


class Tickets:
    """What opens a file once, for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[str, float]] = {}

    def issue(self, path: str) -> str:
        """A ticket for that path."""
        ticket = secrets.token_urlsafe(32)
        self._kept[_digest(ticket)] = path, self._clock() + _TICKET_LIFE_S
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return ticket

    def redeem(self, ticket: str, path: str) -> bool:
        """Whether it opens that path. It does no more afterwards."""
        expected, ends = self._kept.pop(_digest(ticket), ("", 0.0))
        return expected == path and ends > self._clock()


@dataclass(slots=True)
class FileService:
    """Gives out what is in `files`, and to those who are logged in what is in `others` as well."""

    files: LeftFiles
    others: FilesOfHosts
    tickets: Tickets = field(default_factory=Tickets)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def show(self, method: str, path: str, receive: Any, send: Any, policed: Any) -> bool:
        """Answer a browser, which says not who it is. False where there is no such page.

        `policed` sends with the policy of the server's own pages; a file has one of its own.
        """
        if method == "GET" and path == SCRIPT_PATH:
            await answer(policed, 200, (_SHOWN / "files.js").read_bytes(), JAVASCRIPT)
            return True
        if method not in ("GET", "POST") or not path.startswith(PAGES):
            return False
        if method == "GET":
            await answer(policed, 200, (_SHOWN / "files.html").read_bytes(), HTML)
            return True
        asked = path.removeprefix("/simtandem/")
        ticket = (parse_qs(await body_of(receive, _LONGEST)).get("ticket") or [""])[0]
        found = self.files.open(asked) if self.tickets.redeem(ticket, asked) else None
        if found is None:  # loaded again, for one: the page asks for another ticket
            await answer(policed, 303, "", extra=[(b"location", quote(path).encode())])
        else:
            await _give(found, send)
        return True

    async def serve(self, method: str, path: str, send: Any, policed: Any) -> None:
        """Answer someone who is logged in: GET gives a file or what is in a folder, POST a ticket."""
        asked = path.removeprefix(API)
        try:
            folders = await self._folders(asked) if method == "GET" else None
            found = await self._open(asked) if folders is None and method in ("GET", "POST") else None
        except SimtandemError as error:
            await answer(policed, 503, " ".join(str(error).split()))
            return
        if folders is not None:
            await answer(policed, 200, json.dumps(folders), JSON)
        elif found is None:
            await answer(policed, 404, "There is no such file here.")
        elif method == "GET":
            await _give(found, send)
        else:
            os.close(found.descriptor)
            await answer(policed, 200, self.tickets.issue(asked))

    async def _open(self, asked: str) -> LeftFile | None:
        """The file; fetched first, where it is not in this home."""
        if (found := self.files.open(asked)) is None:
            await self._slowly(lambda: self.others.fetch(asked))
            found = self.files.open(asked)
        return found

    async def _folders(self, asked: str) -> list[dict[str, object]] | None:
        """What is in the folders that a path ending with a slash stands for; None where it is a file's, or nothing's.

        Where others can't be asked, what is in this home is listed alone, if anything is.
        """
        if not asked.endswith("/"):
            return None
        if not asked.startswith("flow-runs/"):
            names = await self._names(asked)
            return None if names is None else [{"folder": asked, "names": names}]
        try:
            flow_run = str(UUID(asked.removeprefix("flow-runs/").rstrip("/")))
        except ValueError:
            return None
        known = self.files.of(flow_run)
        more = await self._or_nothing(lambda: self.others.of(flow_run), instead=bool(known))
        folders = [*known, *(each for each in more if each not in known)]
        return [{"folder": each, "names": await self._names(each) or []} for each in folders]

    async def _names(self, folder: str) -> list[str] | None:
        if not is_folder(folder):
            return None
        here = self.files.names(folder)
        there = await self._or_nothing(lambda: self.others.names(folder), instead=bool(here))
        return in_order({*(here or []), *there}) if here is not None or there else None

    async def _or_nothing(self, work: Callable[[], list[str]], *, instead: bool) -> list[str]:
        """What `work` finds; nothing where it can't be asked and there is something to show instead of it."""
        try:
            return await self._slowly(work)
        except SimtandemError:
            if not instead:
                raise
            return []

    async def _slowly(self, work: Callable[[], Result]) -> Result:
        async with self._room:
            return await asyncio.to_thread(work)


async def _give(found: LeftFile, send: Any) -> None:
    """The file as it is now, piece by piece; one that is cut short meanwhile is padded by nothing."""
    how = b"inline" if found.is_page else b"attachment"
    headers = [
        (b"content-type", found.kind.encode()),
        (b"content-length", str(found.size).encode()),
        (b"content-disposition", how + b'; filename="' + found.name.encode() + b'"'),
        (b"content-security-policy", (_PAGE_POLICY if found.is_page else "default-src 'none'; sandbox").encode()),
        *_ALWAYS,
    ]
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = found.size
        while left > 0:
            piece = await asyncio.to_thread(os.read, found.descriptor, min(_PIECE, left))
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": left > 0 and bool(piece)})
            if not piece:
                return
        if not found.size:
            await send({"type": "http.response.body", "body": b""})
    finally:
        os.close(found.descriptor)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
