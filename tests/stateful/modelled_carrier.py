"""A carrier in memory that judges every call it gets by what the sender could know.

It stands under the real client as its HTTP transport, shares no code with it, and answers as the live API was recorded
answering. Whatever it would have had to refuse, or what changed a device in a way that no look could have shown to be
right, it notes as a `wrong` of the run that sent it.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import httpx

ISSUED, ACTIVATED, SUSPENDED, DELETED, FACTORY_TEST = range(5)
ENABLED, DISABLED = 0, 1
SIM_MOVES = {
    (ISSUED, ACTIVATED),
    (ISSUED, FACTORY_TEST),
    (FACTORY_TEST, ACTIVATED),
    (ACTIVATED, SUSPENDED),
    (SUSPENDED, ACTIVATED),
}
ENDPOINT_MOVES = {(ENABLED, DISABLED), (DISABLED, ENABLED)}
LOOK_GOOD_FOR = timedelta(seconds=75)
"""A minute, and what calls on their way take."""

Half = tuple[str, int]
"""`sim` or `endpoint`, and its id."""


class Mishap(Enum):
    """What may become of one call."""

    BUSY = "503, not processed"
    LOST = "processed, and the connection is reset"
    HTML = "502 with a page of the edge"
    RATE_LIMITED = "429 with Retry-After: 0"
    STALE_TOKEN = "401"
    KILLED_BEFORE = "the process is killed before the call arrives"
    KILLED_AFTER = "the process is killed before the answer arrives"


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Sent:
    """One half that a run changed: where it was, where it went."""

    run: str
    half: Half
    before: int
    after: int
    at: int


@dataclass
class Pair:
    """A SIM and its endpoint; no endpoint where its id is None."""

    sim: int
    endpoint: int | None

    @property
    def iccid(self) -> str:
        """19 digits, and some end in zeros as real ones do."""
        return f"8988303{self.sim * 1000:012d}"


@dataclass
class ModelledCarrier(httpx.AsyncBaseTransport):
    """`mishaps` holds what becomes of the n-th call of a run, `moves` who else acts right before it, from 1 on.

    `refused`: halves of which every change is refused for good. `killed` is called when the process dies.
    """

    clock: Callable[[], datetime]
    pairs: list[Pair] = field(default_factory=list)
    status: dict[Half, int] = field(default_factory=dict)
    mishaps: dict[int, Mishap] = field(default_factory=dict)
    moves: dict[int, Callable[[], None]] = field(default_factory=dict)
    refused: set[Half] = field(default_factory=set)
    killed: Callable[[], None] = lambda: None
    run: str = ""
    calls: int = 0
    logins: int = 0
    token_good: bool = True
    sent: list[Sent] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    _now: int = 0
    _moved: dict[Half, tuple[int, str]] = field(default_factory=dict)
    _looks: dict[str, dict[Half, tuple[int, datetime]]] = field(default_factory=lambda: defaultdict(dict))
    _answered: dict[str, dict[Half, int]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, sim: int, endpoint: int | None) -> None:
        """One more device, in these statuses."""
        number = len(self.pairs) + 1
        pair = Pair(1000 + number, None if endpoint is None else 2000 + number)
        self.pairs.append(pair)
        self.status["sim", pair.sim] = sim
        if pair.endpoint is not None and endpoint is not None:
            self.status["endpoint", pair.endpoint] = endpoint

    def begins(self, run: str) -> None:
        """From now on calls are this run's, which may go on after a question or an approval."""
        self.run, self.calls = run, 0

    def someone_else(self, half: Half, status: int) -> None:
        """The Portal, another program or the carrier itself moves a device."""
        if self.status[half] != status:
            self._move(half, status, "")

    def pair_of(self, half: Half) -> Pair:
        """The device of a half."""
        kind, ident = half
        return next(pair for pair in self.pairs if ident == (pair.sim if kind == "sim" else pair.endpoint))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take one call."""
        self.calls += 1
        self.moves.pop(self.calls, lambda: None)()
        mishap = self.mishaps.pop(self.calls, None)
        if mishap is Mishap.KILLED_BEFORE:
            self._kill()
        if mishap is Mishap.BUSY:
            return _answer(503, {"error_code": 1601, "error_token": "Unavailable", "message": "Try again"})
        if mishap is Mishap.HTML:
            return httpx.Response(502, text="<html><body>Bad gateway</body></html>")
        if mishap is Mishap.RATE_LIMITED:
            return httpx.Response(429, headers={"Retry-After": "0"})
        if mishap is Mishap.STALE_TOKEN and not request.url.path.endswith("/authenticate"):
            return httpx.Response(401)
        lost = mishap in (Mishap.LOST, Mishap.KILLED_AFTER)
        response = self._take(request, lost=lost)
        if mishap is Mishap.KILLED_AFTER:
            self._kill()
        if mishap is Mishap.LOST:
            raise httpx.ReadError("reset by peer", request=request)
        return response

    def _kill(self) -> None:
        self.killed()
        raise Killed

    def _take(self, request: httpx.Request, *, lost: bool) -> httpx.Response:
        self._now += 1
        path = request.url.path.removeprefix("/api/").split("/")
        match request.method, *path:
            case "POST", "v1", "authenticate":
                self.logins += 1
                return _answer(200, {"auth_token": _jwt()}) if self.token_good else _answer(401, _UNAUTHORIZED)
            case "GET", "v1", kind:
                return self._listing(kind, request)
            case "GET", "v1", ("sim" | "endpoint") as kind, ident:
                known = (kind, int(ident)) in self.status
                return _answer(200, self._item((kind, int(ident)))) if known else _unknown(kind, ident)
            case "PATCH", "v1", ("sim" | "endpoint") as kind, ident:
                return self._change([((kind, int(ident)), _wish(request.content))], lost=lost)
            case "PATCH", "v2", "endpoint", "multi":
                wishes = [
                    (("endpoint", int(row["id"])), int(row["status"]["id"])) for row in json.loads(request.content)
                ]
                return self._change(wishes, lost=lost)
        self.wrongs.append(f"{self.run}: {request.method} {request.url.path} does not exist")
        return httpx.Response(404)

    def _listing(self, kind: str, request: httpx.Request) -> httpx.Response:
        return _page([self._item(half) for half in sorted(self.status) if half[0] == kind], request)

    def _item(self, half: Half) -> dict[str, Any]:
        """What a listing shows of it. Whoever reads an endpoint sees its SIM's status as well."""
        kind, ident = half
        pair = self.pair_of(half)
        self._looks[self.run][half] = self._now, self.clock()
        item: dict[str, Any] = {"id": ident, "status": {"id": self.status[half]}}
        if kind == "sim":
            item |= {"iccid": pair.iccid}
            return item | ({} if pair.endpoint is None else {"endpoint": {"id": pair.endpoint, "tags": None}})
        self._looks[self.run]["sim", pair.sim] = self._now, self.clock()
        sim = {"id": pair.sim, "iccid": pair.iccid, "status": {"id": self.status["sim", pair.sim]}}
        return item | {"name": f"device {ident}", "imei": None, "sim": sim}

    def _change(self, wishes: list[tuple[Half, int]], *, lost: bool) -> httpx.Response:
        """All of it or nothing."""
        if unknown := [half for half, _ in wishes if half not in self.status]:
            return _unknown(unknown[0][0], str(unknown[0][1]))
        if any(half in self.refused for half, _ in wishes):
            return httpx.Response(422)
        for half, status in wishes:
            self._judge(half, status)
        if any((self.status[half], status) not in _moves(half) for half, status in wishes):
            return _answer(409, {"error_code": 1405, "error_token": "Duplicated", "message": "Held already"})
        for half, status in wishes:
            self.sent.append(Sent(self.run, half, self.status[half], status, self._now))
            self._move(half, status, self.run)
            if not lost:
                self._answered[self.run][half] = status
        return httpx.Response(204)

    def _judge(self, half: Half, wanted: int) -> None:
        """Note what the sender should have known better."""
        held, pair = self.status[half], self.pair_of(half)
        sim = "sim", pair.sim
        legal = (held, wanted) in _moves(half)
        tested = half[0] == "endpoint" and self.status[sim] == FACTORY_TEST
        if held == wanted and self._answered[self.run].get(half) == wanted and not self._unseen(half):
            self.wrongs.append(f"{self.run}: {half} sent twice, although its answer had come")
        elif not legal and not self._unseen(half):
            self.wrongs.append(f"{self.run}: {half} from {held} to {wanted}, which it could have known")
        costly = wanted in (ACTIVATED, FACTORY_TEST) if half[0] == "sim" else tested
        if costly:
            seen_at = self._looks[self.run].get(sim, (0, datetime.min.replace(tzinfo=UTC)))[1]
            if tested and not self._unseen(sim):
                self.wrongs.append(f"{self.run}: {half} although its SIM is in Factory Test, which activates it")
            elif self._unseen(sim) and self.clock() - seen_at > LOOK_GOOD_FOR:
                self.wrongs.append(f"{self.run}: {half} to {wanted} on a look of {self.clock() - seen_at} ago")

    def _unseen(self, half: Half) -> bool:
        """Whether somebody else moved it after the run's last look at it, or it did so itself without an answer."""
        when, who = self._moved.get(half, (0, ""))
        looked = self._looks[self.run].get(half, (0, None))[0]
        ours = who == self.run and half in self._answered[self.run]
        return when > looked and not ours

    def _move(self, half: Half, status: int, who: str) -> None:
        self._now += 1
        pair = self.pair_of(half)
        known = not any(self._unseen(each) for each in self._halves(pair))
        was_off = self._paying_but_off(pair)
        tested = self.status["sim", pair.sim] == FACTORY_TEST
        self.status[half] = status
        self._moved[half] = self._now, who
        if half[0] == "endpoint" and tested:
            self.status["sim", pair.sim] = ACTIVATED  # the carrier does this by itself
            self._moved["sim", pair.sim] = self._now, ""
        # Out of Factory Test the SIM must go first, so that one moment can't be avoided.
        if who and known and not tested and not was_off and self._paying_but_off(pair):
            self.wrongs.append(f"{who}: {half} to {status} leaves a device paying but off")

    def _halves(self, pair: Pair) -> list[Half]:
        return [("sim", pair.sim)] + ([] if pair.endpoint is None else [("endpoint", pair.endpoint)])

    def _paying_but_off(self, pair: Pair) -> bool:
        off = pair.endpoint is None or self.status["endpoint", pair.endpoint] != ENABLED
        return self.status["sim", pair.sim] == ACTIVATED and off


_UNAUTHORIZED = {"error_code": 1101, "error_token": "Unauthorized", "message": "Unauthorized"}


def _moves(half: Half) -> set[tuple[int, int]]:
    return SIM_MOVES if half[0] == "sim" else ENDPOINT_MOVES


def _wish(content: bytes) -> int:
    return int(json.loads(content)["status"]["id"])


def _answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body)


def _unknown(kind: str, ident: str) -> httpx.Response:
    message = f"{kind.capitalize()} with Id '{ident}' not found."
    return _answer(404, {"error_code": 1401, "error_token": "InvalidReference", "message": message})


def _page(items: list[dict[str, Any]], request: httpx.Request) -> httpx.Response:
    size = int(request.url.params.get("per_page", "0")) or 1000
    pages = max(-(-len(items) // size), 1)
    number = min(max(int(request.url.params.get("page", "1")), 1), pages)
    told = {"X-Total-Count": len(items), "X-Total-Pages": pages, "X-Current-Page": number, "X-Count-Per-Page": size}
    some = items[(number - 1) * size : number * size]
    return httpx.Response(200, json=some, headers={name: str(value) for name, value in told.items()})


def _jwt() -> str:
    parts = ({"alg": "HS512"}, {"exp": 32_503_680_000})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])
