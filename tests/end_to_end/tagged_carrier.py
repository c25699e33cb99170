"""A carrier of its own, for selections: written from the API's documents, sharing nothing with simtandem's emulator.

It lists SIMs and endpoints page by page with their tags, names and dates, and takes changes of their statuses. Every
call is kept.
"""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "hush-tagged-token"
SIM_WORDS = ("Issued", "Activated", "Suspended", "Deleted", "Factory Test")
ENDPOINT_WORDS = ("Enabled", "Disabled", "Deleted")
PAGE = {"sim": 2, "endpoint": 3}
"""So small that every listing has pages."""


class TaggedCarrier:
    """`sims` and `endpoints` by their ids: a SIM has `status`, `endpoint`, perhaps `activated`; an endpoint `status`,
    `sim`, `name`, `tags`."""

    def __init__(self, sims: dict[int, dict[str, Any]], endpoints: dict[int, dict[str, Any]]) -> None:
        self.sims, self.endpoints = sims, endpoints
        self.calls: list[str] = []
        self.url = ""
        self.token = TOKEN

    def __enter__(self) -> Self:
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def do_GET(self) -> None:
                self.answered()

            def do_POST(self) -> None:
                self.answered()

            def do_PATCH(self) -> None:
                self.answered()

            def answered(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, content = carrier.answer(self.command, self.path, json.loads(body or "null"))
                data = b"" if content is None else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def stats(self) -> dict[str, dict[str, int]]:
        """How many calls each method and path had."""
        return {"by_route": {call: self.calls.count(call) for call in dict.fromkeys(self.calls)}}

    def answer(self, method: str, target: str, body: Any) -> tuple[int, dict[str, str], Any]:
        """What a call is answered."""
        url = urlsplit(target)
        what, _, ident = url.path.removeprefix("/api/v1/").removeprefix("/api/v2/").partition("/")
        self.calls.append(f"{method} {url.path}")
        if what == "authenticate":
            claims = (
                base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).decode().rstrip("=")
            )
            return 200, {}, {"auth_token": f"e30.{claims}.x"}
        table = self.sims if what == "sim" else self.endpoints
        if method == "PATCH":
            for each in body if ident == "multi" else [{"id": ident, **body}]:
                table[int(each["id"])]["status"] = each["status"]["id"]
            return 204, {}, None
        item = self._sim if what == "sim" else self._endpoint
        if ident:
            return (200, {}, item(int(ident))) if int(ident) in table else (404, {}, {"error_code": 1201})
        number, size = int(parse_qs(url.query).get("page", ["1"])[0]), PAGE[what]
        pages = max(1, -(-len(table) // size))
        start = (min(number, pages) - 1) * size
        headers = {"X-Total-Count": str(len(table)), "X-Total-Pages": str(pages), "X-Count-Per-Page": str(size)}
        return 200, headers, [item(each) for each in sorted(table)[start : start + size]]

    def _sim(self, ident: int) -> dict[str, Any]:
        sim = self.sims[ident]
        shown: dict[str, Any] = {"id": ident, "iccid": f"8988303{ident:012d}", "status": _status(sim, SIM_WORDS)}
        if sim.get("activated"):
            shown["activation_date"] = f"{sim['activated']}T08:15:30.000+0000"
        return shown | ({"endpoint": {"id": sim["endpoint"]}} if sim.get("endpoint") else {})

    def _endpoint(self, ident: int) -> dict[str, Any]:
        endpoint = self.endpoints[ident]
        shown = {
            "id": ident,
            "name": endpoint.get("name", f"device {ident}"),
            "tags": endpoint.get("tags"),
            "status": _status(endpoint, ENDPOINT_WORDS),
            "service_profile": {"id": 5, "name": "Data only"},
        }
        if sim := endpoint.get("sim"):
            shown["sim"] = {"id": sim, "iccid": f"8988303{sim:012d}", "status": _status(self.sims[sim], SIM_WORDS)}
        return shown


def _status(half: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    return {"id": half["status"], "description": words[half["status"]]}
