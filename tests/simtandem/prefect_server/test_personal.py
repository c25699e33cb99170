"""What a person does is noted, and what would blur who did it is refused."""

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from simtandem.prefect_server.people import Deeds
from simtandem.prefect_server.personal import Personal

RUN = "3f0c0c9e-0000-4000-8000-000000000001"
DEPLOYMENT = "3f0c0c9e-0000-4000-8000-00000000000d"
BEGIN = f"/api/deployments/{DEPLOYMENT}/create_flow_run"
RESUME = f"/api/flow_runs/{RUN}/resume"


class Prefect:
    """The app: it answers as it is told to, and notes what it is asked."""

    def __init__(self, status: int = 200, **content: Any) -> None:
        self.status = status
        self.content = content
        self.asked: list[tuple[str, str, bytes]] = []
        self.compressed = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        self.asked.append((scope["method"], scope["path"], body))
        self.compressed |= any(name == b"accept-encoding" for name, _ in scope["headers"])
        run = {"id": RUN, "state": {"state_details": {"pause_key": "approve-1"}}}
        told = json.dumps({**run, **self.content}).encode()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": told[:5], "more_body": True})
        await send({"type": "http.response.body", "body": told[5:]})


async def ask(app: Prefect, deeds: Deeds, method: str, path: str, body: bytes = b"{}") -> tuple[str, list[Any]]:
    """Ada asks; why it is refused, and what she is sent."""
    parts = [body[:3], body[3:]]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"accept-encoding", b"gzip")]}
    return await Personal(app, deeds)("ada", scope, receive, send), sent


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path)


@pytest.mark.parametrize("path", [BEGIN, f"{BEGIN}/", "/api/flow_runs", "/api/flow_runs/"])
async def test_who_begins_a_run_is_noted_and_is_answered_as_ever(deeds: Deeds, path: str) -> None:
    app = Prefect(status=201)
    refusal, sent = await ask(app, deeds, "POST", path, b'{"parameters": {}}')
    assert refusal == ""
    assert app.asked == [("POST", path, b'{"parameters": {}}')]
    assert json.loads(b"".join(each["body"] for each in sent[1:]))["id"] == RUN
    assert deeds.of(RUN) == {"": "ada"}
    assert not app.compressed, "the answer is read"


async def test_a_run_that_was_not_begun_is_nobodys(deeds: Deeds) -> None:
    await ask(Prefect(status=409), deeds, "POST", BEGIN)
    assert deeds.of(RUN) == {}


async def test_who_answers_is_noted_under_what_was_asked(deeds: Deeds) -> None:
    app = Prefect()
    app.content = {"status": "ACCEPT"}
    refusal, _ = await ask(app, deeds, "POST", RESUME, b'{"run_input": {}}')
    assert refusal == ""
    assert [each[:2] for each in app.asked] == [("GET", f"/api/flow_runs/{RUN}"), ("POST", RESUME)]
    assert app.asked[1][2] == b'{"run_input": {}}'
    assert deeds.of(RUN) == {"approve-1": "ada"}


@pytest.mark.parametrize("content", [{"status": "REJECT"}, {"status": "ABORT"}, {"status": "ACCEPT", "state": None}])
async def test_an_answer_that_was_not_taken_or_to_nothing_is_nobodys(deeds: Deeds, content: dict[str, Any]) -> None:
    app = Prefect()
    app.content = content
    await ask(app, deeds, "POST", RESUME)
    assert deeds.of(RUN) == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"/api/flow_runs/{RUN}", b'{"parameters": {"params": {}}}'),
        ("PATCH", f"/api/flow_runs/{RUN}/", b'{"name": "x", "job_variables": {}}'),
        ("PATCH", f"/api/flow_runs/{RUN}", b"[]"),
        ("PATCH", f"/api/flow_runs/{RUN}", b"nonsense"),
        ("PATCH", f"/api/flow_runs/{RUN}", b"x" * 2_000_000),
        ("POST", f"/api/flow_runs/{RUN}/input", b'{"key": "approve-1-response"}'),
        ("DELETE", f"/api/flow_runs/{RUN}/input/approve-1-response", b""),
    ],
)
async def test_what_somebody_else_asked_for_or_answered_is_not_changed(
    deeds: Deeds, method: str, path: str, body: bytes
) -> None:
    app = Prefect()
    refusal, sent = await ask(app, deeds, method, path, body)
    assert refusal
    assert (app.asked, sent) == ([], [])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"/api/flow_runs/{RUN}", b'{"name": "x", "tags": []}'),
        ("PATCH", f"/api/deployments/{DEPLOYMENT}", b'{"paused": true}'),
        ("POST", f"/api/flow_runs/{RUN}/input/filter", b"{}"),
        ("POST", "/api/flow_runs/filter", b"{}"),
        ("POST", f"/api/flow_runs/{RUN}/set_state", b'{"state": {"type": "CANCELLING"}}'),
        ("GET", f"/api/flow_runs/{RUN}", b""),
    ],
)
async def test_everything_else_is_prefects_matter(deeds: Deeds, method: str, path: str, body: bytes) -> None:
    app = Prefect()
    refusal, sent = await ask(app, deeds, method, path, body)
    assert refusal == ""
    assert app.asked == [(method, path, body)]
    assert sent[0]["status"] == 200
    assert deeds.of(RUN) == {}
