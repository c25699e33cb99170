"""Both of Aeris's platforms once more, written from what is published and sharing nothing with simtandem's emulators.

What an emulator and an adapter both get wrong, tests with that emulator don't see. These know only what public sources
record. AerAdmin's change of a state is recorded nowhere: path, method and words are made up, and settings say so.
Every call is kept; `faults` befall the calls that their pattern is found in (`METHOD path body`).
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answered = tuple[int, dict[str, str], Any]
PROBLEM = {"Content-Type": "application/problem+json"}


@dataclass
class Got:
    """A call that came. `carried_out`: the platform did what it asks for, whatever the caller heard of it."""

    at: float
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str
    carried_out: bool = False
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body}"


@dataclass
class Fault:
    """What befalls so many of the calls with this pattern: an answer in place of theirs, none (`status` 0), half."""

    pattern: str
    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    carried_out: bool = False
    half: bool = False
    times: int = 1


class Platform:
    """A server on a port. Subclasses answer."""

    token = ""

    def __init__(self) -> None:
        self.calls: list[Got] = []
        self.faults: list[Fault] = []
        self.on_call: Callable[[Got], object] = lambda got: None
        self._turn = threading.RLock()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """The calls are kept."""

            def serve(self) -> None:
                platform.serve(self)

            do_GET = do_POST = do_PUT = serve  # noqa: N815 - as http.server names them

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, got: Got) -> Answered:
        raise NotImplementedError

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in handler.headers.items()}
        got = Got(time.monotonic(), handler.command, url.path, parse_qs(url.query), headers, body)
        with self._turn:
            self.calls.append(got)
            fault = next((each for each in self.faults if each.times and re.search(each.pattern, str(got))), None)
            if fault:
                fault.times -= 1
            answer: Answered = (0, {}, b"")
            if not fault or fault.carried_out or fault.half:
                answer, got.carried_out = self.answer(got), True
            if fault and not fault.half:
                answer = (fault.status, fault.headers, fault.body)
            got.status = answer[0]
            self.on_call(got)
        _write(handler, *answer, half=bool(fault and fault.half))


def _write(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: Any, *, half: bool) -> None:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        if status:
            handler.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2] if half else content)
        if half or not status:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
    except OSError:  # the caller was killed
        handler.close_connection = True


class IndependentAerAdmin(Platform):
    """AerAdmin 5: details, 1047, errors inside HTTP 200, the 401 of a key; a change that shows after some seconds."""

    account, email = "70007", "ops@example.org"
    method, change = "PUT", "rest/made/up/lifecycle"

    def __init__(self, states: dict[str, str], shows_after_s: float = 0.3) -> None:
        self.states = dict(states)
        self.key = "Kx7f3a9c2e5d-hush"
        self.words = {"do-bill": "Bill", "do-suspend": "Suspend", "do-provision": "Provision"}
        self.effects: list[tuple[str, str]] = []
        self.said = "OK"
        self._shows_after_s = shows_after_s
        self._coming: dict[str, tuple[str, float]] = {}
        super().__init__()

    def variables(self) -> dict[str, str]:
        body = {"accountID": "{account}", "email": "{email}", "{id_kind}": "{id}", "verb": "{word}"}
        named = {
            "URL": self.url,
            "ACCOUNT_ID": self.account,
            "EMAIL": self.email,
            "API_KEY": self.key,
            "CALLS_PER_SECOND": "50",
            "SHOWS_WITHIN_S": "4",
            "STATUS_WORDS": "Suspend=Suspended, Provision=Provisioned",
            "CHANGE_METHOD": self.method,
            "CHANGE_PATH": self.change,
            "CHANGE_BODY": json.dumps(body),
            "CHANGE_WORDS": "Active-billed=do-bill, Suspended=do-suspend, Provisioned=do-provision",
        }
        return {"SIMTANDEM_CARRIER": "aeradmin"} | {f"SIMTANDEM_AERADMIN_{name}": it for name, it in named.items()}

    def answer(self, got: Got) -> Answered:
        rest = got.path.removeprefix("/AerAdmin_WS_5_0/")
        asked = json.loads(got.body or "{}")
        if got.query.get("apiKey") != [self.key] or asked.get("accountID") != self.account:
            said = f"AccountId and ApiKey are not linked. {got.query.get('apiKey')}"
            return 401, {}, {"code": 401, "status": "UNAUTHORIZED", "message": said}
        iccid = str(asked.get("ICCID"))
        coming = self._coming.get(iccid)
        if coming and time.monotonic() >= coming[1]:
            self.states[iccid] = self._coming.pop(iccid)[0]
        if (got.method, rest) == ("POST", "rest/devices/details"):
            return 200, {}, self._details(iccid)
        if (got.method, rest) == (self.method, self.change):
            return 200, {}, self._change(iccid, str(asked.get("verb")))
        return 404, {}, b""

    def changes(self) -> list[Got]:
        return [got for got in self.calls if got.path.endswith(self.change)]

    def _details(self, iccid: str) -> dict[str, Any]:
        state = self.states.get(iccid)
        if state is None:
            return _result(1047, "Device not Activated.")
        ids = {"iccId": iccid, "msisdn": "1" + iccid[-9:], "imsi": "310170" + iccid[-9:]}
        attributes = [
            {"result": {"resultCode": 0, "resultMessage": "OK"}, "deviceID": ids, "deviceStatus": each, "active": True}
            for each in state.split("+")
        ]
        profile = f"AER{iccid[-13:]}"
        return (
            _result(0, self.said)
            | {"deviceProfileId": profile, "reportGroup": self.said}
            | {
                "deviceAttributes": attributes,
                "customField": {self.said: self.said},
            }
        )

    def _change(self, iccid: str, word: str) -> dict[str, Any]:
        if iccid not in self.states or word not in self.words:
            return _result(17, f"{self.said} {self.key}")
        self.effects.append((iccid, self.words[word]))
        self._coming[iccid] = (self.words[word], time.monotonic() + self._shows_after_s)
        return _result(0, self.said)


def _result(code: int, message: str) -> dict[str, Any]:
    return {"transactionID": 1, "resultCode": code, "resultMessage": message, "opCompletionTimestamp": None}


@dataclass
class Request:
    """A change of many that the platform works on until `due`."""

    ident: str
    iccids: list[str]
    state: str
    created: float
    due: float
    done: dict[str, str] = field(default_factory=dict)


class IndependentIotAccelerator(Platform):
    """IoT Accelerator: two logins, state changes by ticket, polling with pages, finding, details, list by cursor."""

    user, password, company = "ops@example.org", "Pw91bd77c0-hush", "88000952"
    _dcp = "/dcpapi/rest/subscriptionManagement/v1"

    def __init__(self, states: dict[str, str], *, work_s: float = 1.0, life_s: float = 300, page: int = 3) -> None:
        self.states = dict(states)
        self.requests: list[Request] = []
        self.over: list[str] = []
        self._work_s, self._life_s, self._page = work_s, life_s, page
        self._tokens: dict[str, float] = {}
        self._hits: dict[str, list[float]] = {}
        super().__init__()

    def variables(self) -> dict[str, str]:
        named = {"URL": self.url, "USERNAME": self.user, "PASSWORD": self.password, "COMPANY": self.company}
        named |= {"BULK": "4", "POLL_S": "0.3", "SHOWS_WITHIN_S": "20", "LOST_WITHIN_S": "6"}
        return {"SIMTANDEM_CARRIER": "iot-accelerator"} | {
            f"SIMTANDEM_IOT_ACCELERATOR_{name}": it for name, it in named.items()
        }

    def answer(self, got: Got) -> Answered:
        self._work()
        if got.path == "/iot/api/auth/token":
            return self._limited("auth", 5, 60) or self._log_in(parse_qs(got.body).get("password"))
        if got.path == f"{self._dcp}/login":
            return self._log_in([json.loads(got.body)["password"]])
        token = got.headers.get("x-access-token") or got.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) < time.monotonic():
            return 401, PROBLEM, {"status": 401, "detail": f"Unauthorized: {token}", "httpStatus": 401, "message": "no"}
        if got.path.startswith(self._dcp):
            return self._log_in([self.password]) if got.path.endswith("/token-reissue") else self._manage(got)
        if got.path == "/iot/api/sica/subscriptions/requests/state-changes":
            return self._limited("requests", 10, 100) or self._submit(json.loads(got.body))
        return self._limited("details", 10, 150) or (200, {}, self._show(got))

    def asked(self) -> list[str]:
        """Every ICCID of every request that came to the platform, as often as it was asked for."""
        return [iccid for request in self.requests for iccid in request.iccids]

    def _log_in(self, password: list[str] | None) -> Answered:
        """Either login's answer, which has the other's fields as well."""
        if password != [self.password]:
            return 401, {}, {"code": 2040, "httpStatus": 401, "message": "Invalid credentials"}
        token, ends = f"hush-token-{len(self._tokens)}", int((time.time() + self._life_s) * 1000)
        self._tokens[token] = time.monotonic() + self._life_s
        bearer = {"access_token": token, "token_type": "JWT", "expires_in": int(self._life_s)}
        return 200, {}, bearer | {"message": "", "userId": self.user, "token": token, "expirationTime": ends}

    def _limited(self, path: str, a_second: int, a_minute: int) -> Answered | None:
        now, hits = time.monotonic(), self._hits.setdefault(path, [])
        second, minute = (sum(now - hit < within for hit in hits) for within in (1, 60))
        if second < a_second and minute < a_minute:
            hits.append(now)
            return None
        self.over.append(path)
        left = {"X-RateLimit-Remaining-Second": str(a_second - second), "X-RateLimit-Remaining-Minute": "0"}
        return 429, PROBLEM | left, {"status": 429, "detail": "Too Many Requests"}

    def _submit(self, asked: dict[str, Any]) -> Answered:
        ident, now = f"REQ{len(self.requests) + 1:012}", time.time()
        iccids, state = asked["subscriptions"]["identifiers"], asked["change"]["state"]
        self.requests.append(Request(ident, iccids, state, now, now + self._work_s))
        return 201, {}, {"subscription_request_id": ident}

    def _work(self) -> None:
        for request in self.requests:
            if request.done or time.time() < request.due:
                continue
            for iccid in request.iccids:
                able = (
                    self.states.get(iccid) in ("ACTIVE", "PAUSE", "DEACTIVATED") and self.states[iccid] != request.state
                )
                request.done[iccid] = "COMPLETED" if able else "FAILED"
                self.states |= {iccid: request.state} if able else {}

    def _manage(self, got: Got) -> Answered:
        if got.path.endswith("/requests/find"):
            after = json.loads(got.body).get("timeCreatedAfter", "1970-01-01T00:00:00Z")
            since = time.mktime(time.strptime(after[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
            return 200, {}, [{"subscriptionRequestId": one.ident} for one in self.requests if one.created >= since]
        one = next((each for each in self.requests if got.path.endswith(f"/requests/{each.ident}")), None)
        if one is None:
            return 404, {}, {"code": 4040, "httpStatus": 404, "message": "Not found"}
        page = int(got.query.get("page", ["0"])[0])
        ends = set(one.done.values())
        state = "COMPLETED_WITH_FAILURES" if "FAILED" in ends else "COMPLETED" if ends else "IN_PROGRESS"
        resources = [
            {
                "resourceId": iccid[-15:],
                "resourceState": one.done.get(iccid, "IN_PROGRESS"),
                "resourceProperties": [{"type": "ICCID", "value": iccid}, {"type": "IMSI", "value": iccid[-15:]}],
                "resourceFailureInfos": [],
            }
            for iccid in one.iccids[page * self._page : (page + 1) * self._page]
        ]
        return (
            200,
            {},
            {
                "subscriptionRequestId": one.ident,
                "subscriptionRequestType": "CHANGE_SUBSCRIPTIONSTATE",
                "subscriptionRequestState": state,
                "createdBy": self.user,
                "size": len(one.iccids),
                "timeCreated": {"epochSecond": int(one.created), "nano": 0},
                "subscriptionRequestResources": resources,
            },
        )

    def _show(self, got: Got) -> dict[str, Any]:
        if got.method == "POST":
            iccids = [each for each in json.loads(got.body)["identifierValues"] if each in self.states]
        else:
            cursor = got.query.get("cursor", [""])[0]
            iccids = sorted(each for each in self.states if each[-15:] > cursor)
        shown = iccids if got.method == "POST" else iccids[: self._page]
        found: dict[str, Any] = {
            "subscriptions": [{"iccid": each, "imsi": each[-15:], "state": self.states[each]} for each in shown],
            "size": len(shown),
        }
        if len(shown) < len(iccids):
            found["next"] = f"/details?q=COMPANY=={self.company}&order=IMSI&limit=100&cursor={shown[-1][-15:]}"
        return found
