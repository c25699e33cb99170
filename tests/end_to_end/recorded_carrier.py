"""A carrier of the tests' own, which answers as the live API was recorded answering. It shares no code with ours.

Devices are numbered from 1: SIM n is `SIM + n`, its endpoint `ENDPOINT + n`. Statuses are the API's numbers.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SIM, ENDPOINT = 30_000_000, 40_000_000
ISSUED, ACTIVATED, SUSPENDED, FACTORY_TEST = 0, 1, 2, 4
ENABLED, DISABLED = 0, 1

Answer = tuple[int, object, dict[str, str]]


@dataclass
class Call:
    """A call as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    at: float = field(default_factory=time.monotonic)

    @property
    def changes(self) -> bool:
        """Whether it asks for a status."""
        return self.method == "PATCH"


class RecordedCarrier:
    """Use as a context manager. `answers` may answer a call before the carrier does; `moves` runs before each call."""

    def __init__(self, devices: int = 0, sim: int = ISSUED, endpoint: int = DISABLED) -> None:
        self.token = "recorded"
        self.sims: dict[int, Any] = {}
        self.endpoints: dict[int, Any] = {}
        self.calls: list[Call] = []
        self.answers: Callable[[Call], Answer | None] = lambda _call: None
        self._lock = threading.RLock()
        self.add(devices, sim, endpoint)
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                status, body, headers = carrier.take(self.command, self.path, json.loads(raw) if raw else None)
                sent = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if sent:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> "RecordedCarrier":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, devices: int, sim: int = ISSUED, endpoint: int | None = DISABLED) -> None:
        """Add devices at the end of the fleet; without `endpoint`, SIMs alone."""
        first = len(self.sims) + 1
        for number in range(first, first + devices):
            self.sims[SIM + number] = sim
            if endpoint is not None:
                self.endpoints[ENDPOINT + number] = endpoint

    def count(self, method: str, ending: str = "") -> int:
        """How many calls came with this method to a path that ends so."""
        return sum(call.method == method and call.path.endswith(ending) for call in self.calls)

    def take(self, method: str, target: str, body: Any) -> Answer:
        """Answer a call."""
        parts = urlsplit(target)
        call = Call(method, parts.path, parse_qs(parts.query), body)
        with self._lock:
            self.calls.append(call)
            return self.answers(call) or self._answer(call)

    def _answer(self, call: Call) -> Answer:
        match call.method, *call.path.removeprefix("/api/").split("/"):
            case "POST", "v1", "authenticate":
                return 200, {"auth_token": _jwt()}, {}
            case "GET", "v1", ("sim" | "endpoint") as what:
                items = [self._item(what, ident) for ident in (self.sims if what == "sim" else self.endpoints)]
                return _page(items, call.query, 2500 if what == "sim" else 1000)
            case "GET", "v1", ("sim" | "endpoint") as what, ident:
                return self._found(what, ident) or (200, self._item(what, int(ident)), {})
            case "PATCH", "v1", ("sim" | "endpoint") as what, ident:
                return self._found(what, ident) or self._change(what, {int(ident): call.body["status"]["id"]})
            case "PATCH", "v2", "endpoint", "multi":
                wishes = {row["id"]: row["status"]["id"] for row in call.body}
                missing = [ident for ident in wishes if ident not in self.endpoints]
                return _unknown("endpoint", str(missing[0])) if missing else self._change("endpoint", wishes)
        return 404, {"message": "no Route matched with those values"}, {}

    def _found(self, what: str, ident: str) -> Answer | None:
        """The refusal of an id that does not exist."""
        held = self.sims if what == "sim" else self.endpoints
        if not ident.lstrip("-").isdigit():
            return 400, {"error_code": 1000, "error_token": "BadRequest", "message": "Bad request"}, {}
        return None if int(ident) in held else _unknown(what, ident)

    def _change(self, what: str, wishes: dict[int, int]) -> Answer:
        held = self.sims if what == "sim" else self.endpoints
        if any(held[ident] == wanted for ident, wanted in wishes.items()):
            return 409, {"error_code": 1405, "error_token": "Duplicated", "message": "Status is held already"}, {}
        held.update(wishes)
        return 204, None, {}

    def _item(self, what: str, ident: int) -> dict[str, Any]:
        number = ident - (SIM if what == "sim" else ENDPOINT)
        item: dict[str, Any] = {"id": ident}
        if what == "sim":
            item |= {"iccid": _iccid(number), "status": _status(self.sims[ident]), "activation_date": "2024-01-01+0000"}
            if ENDPOINT + number in self.endpoints:
                item["endpoint"] = {"id": ENDPOINT + number, "name": f"device {number}", "tags": None, "imei": None}
            return item
        item |= {"name": f"device {number}", "status": _status(self.endpoints[ident]), "tags": None, "imei": None}
        if SIM + number in self.sims:
            item["sim"] = {"id": SIM + number, "iccid": _iccid(number), "status": _status(self.sims[SIM + number])}
        return item


def refusing(call_is: Callable[[Call], bool], status: int, body: object = None) -> Callable[[Call], Answer | None]:
    """Answers some calls with this, and leaves the others to the carrier."""
    return lambda call: (status, body, {}) if call_is(call) else None


def serving(carrier: RecordedCarrier) -> Iterator[RecordedCarrier]:
    """For fixtures."""
    with carrier:
        yield carrier


def _unknown(what: str, ident: str) -> Answer:
    message = f"{what.capitalize()} with Id '{ident}' not found."
    return 404, {"error_code": 1401, "error_token": "InvalidReference", "message": message}, {}


def _status(held: Any) -> Any:
    return {"id": held} if isinstance(held, int) else held


def _page(items: list[dict[str, Any]], query: dict[str, list[str]], most: int) -> Answer:
    per_page = min(int(query.get("per_page", ["0"])[0]) or most, most)
    pages = max(-(-len(items) // per_page), 1)
    number = min(max(int(query.get("page", ["1"])[0]), 1), pages)
    told = {"X-Total-Count": len(items), "X-Total-Pages": pages, "X-Current-Page": number, "X-Count-Per-Page": per_page}
    some = items[(number - 1) * per_page : number * per_page]
    return 200, some, {name: str(value) for name, value in told.items()}


def _iccid(number: int) -> str:
    return f"8988303{number:012d}"


def _jwt() -> str:
    parts = ({"alg": "HS512"}, {"exp": int(time.time()) + 7 * 86_400})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])
