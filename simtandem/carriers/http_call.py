"""One call over HTTP, from its place in the rate limit to an answer that means something. Knows no carrier.

It is sent once. What an answer means is the adapter's to say (`Reader`); whether to send again is its caller's.
"""

import asyncio
import math
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from simtandem.carriers.patience import MANY_WITHIN_S
from simtandem.carriers.protocol import Answer, Call, Journal, Outdated
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.carriers.response_body import OF_A_PAGE, Unusable, parse, read_body
from simtandem.errors import CarrierRefused
from simtandem.host import clock
from simtandem.text.redaction import redacted

_LONGEST_MESSAGE, _SHOWN_MESSAGE = 2000, 160
_REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id")


class Kind(StrEnum):
    """What to do about an answer."""

    OK = "ok"
    UNAUTHORIZED = "unauthorized"  # the key or the token is not valid (any more)
    THROTTLED = "throttled"  # wait, then again
    UNREACHED = "unreached"  # certainly not processed: again
    UNANSWERED = "unanswered"  # perhaps processed: read back before a change is sent again
    REFUSED = "refused"  # trying again would not help


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read. `code` is the carrier's own, a number or a word; `sentence` is for a person, without secrets.

    `ticket` names the request that the answer is about, as the record keeps it (`protocol.ticket_note`).
    """

    kind: Kind
    status: int | None
    sentence: str = ""
    code: str = ""
    data: object = None
    ticket: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """What came back: `flaw` says why the body can't be used, and is empty where it can. `data` is None for no body."""

    status: int
    data: object
    flaw: str
    headers: httpx.Headers


Reader = Callable[[Received], Reply]
"""An adapter's reading of an answer that came."""

Counted = Callable[[Mapping[str, str]], Mapping[str, int]]


def says_nothing(_headers: Mapping[str, str]) -> Mapping[str, int]:
    """Headers that do not say how many calls were counted."""
    return {}


@dataclass(frozen=True, slots=True)
class Content:
    """What goes out beside method and path. None of it is recorded; the record has what `Call.body` says."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


class Sender:
    """Sends calls of one account: each has its place in the rate limit, and is in the journal before it leaves."""

    def __init__(self, http: httpx.AsyncClient, budget: CallBudget, journal: Journal) -> None:
        self._http = http
        self._budget = budget
        self._journal = journal

    async def send(
        self, call: Call, content: Content, windows: Iterable[Window], read: Reader, counted: Counted = says_nothing
    ) -> Reply:
        """Send once. A 429 makes everybody wait who shares the rate limit; it is returned nevertheless.

        `counted`: how many calls of a window the carrier has counted, by the window's name, as an answer's headers say.
        Raises `Outdated` where the call waited until it was not fresh any more, and `Interrupted` after a halt.
        """
        request = self._http.build_request(
            call.method, call.path, params=dict(content.query), headers=dict(content.headers), content=content.body
        )
        self._require_own_host(request.url)
        changes = call.purpose == "change"
        place = self._budget.place(
            windows, unless=lambda: _stale(call), changes=changes, follows_up=call.follows_up, tell=not changes
        )
        async with place as slot:
            call_id = await self._journal.intent(call)
            begun = clock.steady()
            if await slot.confirmed():
                reply, fault = await self._exchange(request, read)
                slot.counted(counted(reply.headers))
            else:
                reply, fault = Reply(Kind.UNREACHED, None, TOO_LATE), TOO_LATE
        known = _code(reply.code)
        request_id = redacted(next((reply.headers[name] for name in _REQUEST_ID_HEADERS if name in reply.headers), ""))
        answer = Answer(reply.status, clock.steady() - begun, known, fault, reply.ticket or request_id[:64])
        await self._journal.answer(call_id, answer)
        if reply.kind is Kind.THROTTLED:
            self._budget.throttled(_retry_after(reply.headers))
        elif reply.status is not None:
            self._budget.answered()
        return reply

    def _require_own_host(self, url: httpx.URL) -> None:
        """Keys and tokens go to the host that they were configured with, for any path."""
        own = self._http.base_url
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            raise CarrierRefused(f"A call would have left {own.host} with its key. It was not sent.", "misdirected")

    async def _exchange(self, request: httpx.Request, read: Reader) -> tuple[Reply, str]:
        """The reply, and the name of the fault where no usable answer came."""
        try:
            async with asyncio.timeout(MANY_WITHIN_S):
                received = await self._received(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Reply(Kind.UNREACHED, None, f"no connection to {request.url.host}"), type(error).__name__
        except httpx.InvalidURL as error:  # httpx looks where a redirect leads, also where it is not followed
            return Reply(Kind.REFUSED, None, REDIRECTS), type(error).__name__
        except (httpx.HTTPError, TimeoutError) as error:
            return Reply(Kind.UNANSWERED, None, "the connection broke before an answer"), type(error).__name__
        reply = read(received)
        return reply, reply.sentence if reply.kind is Kind.UNANSWERED else ""

    async def _received(self, request: httpx.Request) -> Received:
        response = await self._http.send(request, stream=True, follow_redirects=False)
        flaw, data = "", None
        try:
            data = parse(await read_body(response, OF_A_PAGE))
        except Unusable as unusable:
            flaw = str(unusable)
        finally:
            await response.aclose()
        return Received(response.status_code, data, flaw, response.headers)


def trusted(base_url: str) -> ssl.SSLContext | bool:
    """Whose certificates are good for this address, as httpx takes it: the usual authorities', slow to read.

    Over plain HTTP none is asked for, and nobody's is good.
    """
    return httpx.URL(base_url).scheme != "http" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


TOO_LATE = "it was kept until it might not be sent any more"
REDIRECTS = "the carrier redirects the call: is the base address right?"

BY_STATUS = {
    401: (Kind.UNAUTHORIZED, "the carrier does not accept the key or token"),
    403: (Kind.REFUSED, "the account may not do this"),
    404: (Kind.REFUSED, "the carrier does not have it"),
    408: (Kind.UNANSWERED, "the carrier gave up waiting for the request"),
    429: (Kind.THROTTLED, "too many requests"),
}


def by_status(received: Received, code: str = "", message: str = "") -> Reply:
    """The reply to an answer whose HTTP status is none of success; `code` and `message` are the carrier's."""
    status = received.status
    if status >= 500:
        kind, sentence = Kind.UNANSWERED, "the carrier failed to answer"
    elif 300 <= status < 400:
        kind, sentence = Kind.REFUSED, REDIRECTS
    else:
        kind, sentence = BY_STATUS.get(status, (Kind.REFUSED, "the carrier refused the request"))
    detail = f"HTTP {status}" + (f", code {code}" if code else "") + (f": {message}" if message else "")
    return Reply(kind, status, f"{sentence} ({detail})", code, headers=received.headers)


def unusable(received: Received, why: str = "") -> Reply:
    """An answer that came, and can't be used: whether the call was processed, nobody knows."""
    reason = why or received.flaw or "it is not what was asked for"
    return Reply(Kind.UNANSWERED, received.status, f"the carrier's answer can't be used: {reason}")


def shown(message: object) -> str:
    """A carrier's message as it may be recorded and shown: short, on one line, without secrets."""
    if not isinstance(message, str):
        return ""
    printable = "".join(each if each.isprintable() else " " for each in redacted(message[:_LONGEST_MESSAGE]))
    return " ".join(printable.split())[:_SHOWN_MESSAGE]


def _stale(call: Call) -> bool:
    if not call.fresh():
        raise Outdated(sent=False)
    return False


def _code(code: str) -> int | None:
    """A code as the record keeps it: only a number."""
    number = code.removeprefix("-")
    return int(code) if number.isascii() and number.isdigit() and len(number) < 10 else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, where the carrier says so in digits."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
