"""Who gets past the guard, and what Prefect is handed then."""

import base64
import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simtandem.prefect_server.guard import Guard, Names
from simtandem.prefect_server.login import LINK_PATH, LOGIN_PATH, SCRIPT_PATH, SESSION_PATH
from simtandem.prefect_server.people import Deeds, People
from simtandem.prefect_server.server_identity import PROOF_PATH

HERE = "127.0.0.1:4200"
CREDENTIAL = "simtandem:the-one-of-the-home"
OWN = "ops:correct-horse-99"


def basic(token: str) -> str:
    return f"Basic {base64.b64encode(token.encode()).decode()}"


@dataclass
class Prefect:
    """The app behind the guard: it notes what it is asked, and reads the first message of a websocket."""

    asked: list[MutableMapping[str, Any]] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.asked.append(scope)
        if scope["type"] == "websocket":
            await receive()
            self.told.append(json.loads((await receive())["text"]))
            self.told.append((await receive()).get("text"))
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/html"), (b"Referrer-Policy", b"unsafe-url")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"Prefect"})

    def authorization(self) -> str:
        return str(dict(self.asked[-1]["headers"]).get(b"authorization", b"").decode())


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def guard(prefect: Prefect, tmp_path: Path) -> Guard:
    return Guard(prefect, CREDENTIAL, Names(), tmp_path, own=OWN, cookie="simtandem-4200")


async def ask(guard: Guard, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
    """One request; headers with `_` for `-`."""
    all_headers = {"host": HERE} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "method": method, "path": path}
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message["body"].decode()

    await guard({**scope, "headers": [(n.encode(), v.encode()) for n, v in all_headers.items()]}, receive, send)
    return answer


@pytest.mark.parametrize("token", [CREDENTIAL, OWN])
async def test_who_has_a_credential_gets_in_and_prefect_sees_the_homes(
    guard: Guard, prefect: Prefect, token: str
) -> None:
    for header in (basic(token), f"bearer {token}"):
        assert (await ask(guard, "/api/block_documents/filter", "POST", authorization=header)).status == 200
        assert prefect.authorization() == basic(CREDENTIAL)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        basic(""),
        basic("simtandem"),
        basic(CREDENTIAL + "x"),
        f"Digest {CREDENTIAL}",
        "Basic /w==",
    ],
)
async def test_nobody_else_does(guard: Guard, prefect: Prefect, header: str) -> None:
    for path in ("/api", "/api/", "/api/block_documents/filter", "/api/health/../flow_runs", "/api/docs"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = await ask(guard, path, method, authorization=header)
            assert (answer.status, prefect.asked) == (401, []), path
    assert answer.headers["content-security-policy"]


async def test_without_an_own_credential_an_empty_one_opens_nothing(prefect: Prefect, tmp_path: Path) -> None:
    guard = Guard(prefect, CREDENTIAL, Names(), tmp_path)
    assert (await ask(guard, "/api/flows/filter", "POST", authorization=basic(""))).status == 401
    assert (await ask(guard, "/api/flows/filter", "POST", authorization="Bearer ")).status == 401


@pytest.mark.parametrize(
    "path", ["/", "/v2/deployments", "/v2/assets/index.js", "/api/health", "/api/ready", PROOF_PATH]
)
async def test_what_says_nothing_is_open(guard: Guard, path: str) -> None:
    assert (await ask(guard, path)).body == "Prefect"


async def test_that_it_is_there_is_only_read(guard: Guard) -> None:
    assert (await ask(guard, "/api/health", "POST")).status == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4200", "127.0.0.1.evil.example", "192.0.2.7:4200", "", "x@127.0.0.1", "[::1", "a/b"],
)
async def test_a_name_that_is_not_its_own_is_not_answered(guard: Guard, prefect: Prefect, host: str) -> None:
    for path in ("/", "/api/health", LOGIN_PATH, "/api/flow_runs/filter"):
        assert (await ask(guard, path, host=host, authorization=basic(CREDENTIAL))).status == 421
    assert prefect.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200", "LOCALHOST:9000", "[::1]:4200", "127.0.0.1"])
async def test_loopback_by_any_port_is_its_own_name(guard: Guard, host: str) -> None:
    """A tunnel or a container may have another port at its other end."""
    assert (await ask(guard, "/api/health", host=host)).status == 200


async def test_two_hosts_are_no_host(guard: Guard, prefect: Prefect) -> None:
    headers = [(b"host", HERE.encode()), (b"host", b"evil.example")]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await guard({"type": "http", "method": "GET", "path": "/", "headers": headers}, None, send)
    assert sent[0]["status"] == 421


def test_beyond_loopback_an_address_or_a_name_that_was_set_is_its_own() -> None:
    names = Names.of("0.0.0.0", "https://simtandem.example.org/v2")  # noqa: S104 - that is the point
    assert all(map(names.allow_host, ("192.0.2.7:4200", "[2001:db8::1]", "simtandem.example.org", "127.0.0.1:4200")))
    assert not names.allow_host("evil.example:4200")
    assert names.allow_origin("https://simtandem.example.org", "127.0.0.1:4200"), "a proxy may give another Host"
    assert not names.allow_origin("https://evil.example", "127.0.0.1:4200")
    one = Names.of("server.example.org", "")
    assert one.allow_host("server.example.org:4200")
    assert not Names.of("127.0.0.1", "").allow_host("192.0.2.7:4200")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:8000",
        "http://localhost:4200",
        "null",
        "file://",
        "http://[",
        "ftp://" + HERE,
    ],
)
async def test_another_page_is_not_answered(guard: Guard, prefect: Prefect, origin: str) -> None:
    for path in ("/api/health", "/api/flow_runs/filter", SESSION_PATH, LINK_PATH):
        answer = await ask(guard, path, "POST", origin=origin, authorization=basic(CREDENTIAL))
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
    assert prefect.asked == []


async def test_its_own_page_is_answered(guard: Guard) -> None:
    answer = await ask(
        guard,
        "/api/flows/filter",
        "POST",
        origin=f"http://{HERE}",
        sec_fetch_site="same-origin",
        authorization=basic(OWN),
    )
    assert answer.status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_page_loads_is_not_answered_and_a_link_is_followed(guard: Guard, site: str) -> None:
    loaded = {"sec_fetch_site": site, "sec_fetch_mode": "no-cors"}
    followed = {"sec_fetch_site": site, "sec_fetch_mode": "navigate"}
    assert (await ask(guard, "/api/health", **loaded)).status == 403
    assert (await ask(guard, "/v2/assets/index.js", **loaded)).status == 403
    assert (await ask(guard, "/v2/runs/flow-run/1", **followed)).status == 200
    assert (await ask(guard, LOGIN_PATH, **followed)).status == 200
    assert (await ask(guard, SESSION_PATH, "POST", **followed)).status == 403
    assert (await ask(guard, "/api/health", **followed)).status == 403


async def test_pages_may_call_nobody_else(guard: Guard) -> None:
    headers = (await ask(guard, "/v2/deployments")).headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert not [
        source for sources in policy.values() for source in sources.split() if "*" in source or "http" in source
    ]
    assert headers["referrer-policy"] == "no-referrer", "the app's own is replaced"


async def log_in(guard: Guard) -> tuple[str, str]:
    """What the page keeps, and what the browser sends as cookie."""
    code = (await ask(guard, LINK_PATH, "POST", authorization=basic(CREDENTIAL))).body
    answer = await ask(guard, SESSION_PATH, "POST", code, origin=f"http://{HERE}")
    assert answer.status == 200
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert set(attributes) == {"Path=/api", "HttpOnly", "SameSite=Strict"}
    return answer.body, cookie


async def test_a_browser_that_logged_in_gets_in_with_both_halves(guard: Guard, prefect: Prefect) -> None:
    half, cookie = await log_in(guard)
    path = "/api/flow_runs/filter"
    assert (await ask(guard, path, "POST", authorization=basic(half), cookie=f"a=b; {cookie}")).status == 200
    assert prefect.authorization() == basic(CREDENTIAL)
    assert (await ask(guard, path, "POST", authorization=basic(half))).status == 401
    assert (await ask(guard, path, "POST", cookie=cookie)).status == 401
    assert (await ask(guard, path, "POST", authorization=basic(cookie.split("=")[1]), cookie=cookie)).status == 401


async def test_a_session_makes_no_further_links(guard: Guard) -> None:
    half, cookie = await log_in(guard)
    assert (await ask(guard, LINK_PATH, "POST", authorization=basic(half), cookie=cookie)).status == 401
    assert (await ask(guard, LINK_PATH, "POST")).status == 401


async def test_a_code_that_is_none_logs_nobody_in(guard: Guard) -> None:
    for wrong in ("", "guessed", "x" * 5000):
        answer = await ask(guard, SESSION_PATH, "POST", wrong)
        assert answer.status == 401
        assert "set-cookie" not in answer.headers
    assert "location.hash" in (await ask(guard, SCRIPT_PATH)).body
    assert (await ask(guard, "/simtandem/anything")).status == 401


async def connect(guard: Guard, first: dict[str, Any], **headers: str) -> list[Any]:
    """A websocket, and what it is sent."""
    messages = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", **first},
        {"type": "websocket.receive", "text": "an event"},
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    listed = [(name.encode(), value.encode()) for name, value in ({"host": HERE} | headers).items()]
    await guard({"type": "websocket", "path": "/api/events/in", "headers": listed}, receive, send)
    return sent


@pytest.mark.parametrize(
    ("said", "token"),
    [
        ({"text": json.dumps({"type": "auth", "token": CREDENTIAL})}, CREDENTIAL),
        ({"text": json.dumps({"type": "auth", "token": OWN})}, CREDENTIAL),
        ({"text": json.dumps({"type": "auth", "token": "guessed"})}, ""),
        ({"text": json.dumps({"type": "auth", "token": None})}, ""),
        ({"text": json.dumps({"type": "other", "token": CREDENTIAL})}, ""),
        ({"text": "[1]"}, ""),
        ({"text": "nonsense"}, ""),
        ({"bytes": b"nonsense"}, ""),
    ],
)
async def test_a_websocket_says_its_credential_first(
    guard: Guard, prefect: Prefect, said: dict[str, Any], token: str
) -> None:
    await connect(guard, said)
    assert prefect.told == [{"type": "auth", "token": token}, "an event"]


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://127.0.0.1:8000"}])
async def test_a_websocket_of_another_page_is_closed(guard: Guard, prefect: Prefect, headers: dict[str, str]) -> None:
    sent = await connect(guard, {"text": json.dumps({"type": "auth", "token": CREDENTIAL})}, **headers)
    assert [each["type"] for each in sent] == ["websocket.close"]
    assert prefect.asked == []


async def test_the_start_of_the_server_is_prefects_matter(guard: Guard, prefect: Prefect) -> None:
    await guard({"type": "lifespan"}, None, None)
    assert [each["type"] for each in prefect.asked] == ["lifespan"]


RUN = "3f0c0c9e-0000-4000-8000-000000000001"


async def test_a_person_gets_in_with_a_credential_of_their_own(guard: Guard, prefect: Prefect, tmp_path: Path) -> None:
    ada = People(tmp_path).add("ada")
    assert (await ask(guard, "/api/flow_runs/filter", "POST", authorization=basic(ada))).status == 200
    assert prefect.authorization() == basic(CREDENTIAL)
    await connect(guard, {"text": json.dumps({"type": "auth", "token": ada})})
    assert prefect.told[0]["token"] == CREDENTIAL
    assert (await ask(guard, LINK_PATH, "POST", authorization=basic(ada))).status == 401, "a link is for nobody by name"
    People(tmp_path).remove("ada")
    assert (await ask(guard, "/api/flow_runs/filter", "POST", authorization=basic(ada))).status == 401


async def test_what_a_person_may_not_do_the_shared_credential_does(guard: Guard, tmp_path: Path) -> None:
    ada = People(tmp_path).add("ada")
    path, body = f"/api/flow_runs/{RUN}/input", "{}"
    refused = await ask(guard, path, "POST", body, authorization=basic(ada))
    assert refused.status == 403
    assert "resuming the run" in refused.body
    assert (await ask(guard, path, "POST", body, authorization=basic(CREDENTIAL))).status == 200


async def test_who_did_what_is_told_to_who_is_logged_in(guard: Guard, prefect: Prefect, tmp_path: Path) -> None:
    Deeds(tmp_path).note("ada", RUN)
    path = f"/api/simtandem/people/{RUN}"
    told = await ask(guard, path, authorization=basic(CREDENTIAL))
    assert json.loads(told.body) == {"": "ada"}
    assert (await ask(guard, path)).status == 401
    assert prefect.asked == []
