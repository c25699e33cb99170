"""A run that is asked for as urgent is made where it waits for no other; any other one is made as it was asked for."""

import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from simtandem.prefect_server.deployments import FLOWS, QUEUES
from simtandem.prefect_server.inner_requests import whole
from simtandem.prefect_server.urgent_runs import FOR_URGENT, QUEUE, UrgentRuns

IDS = {name: f"3f0c0c9e-0000-4000-8000-00000000000{number}" for number, name in enumerate(FLOWS)}
URGENT_LIST = {"params": {"file": "a.csv", "urgent": True}}


def create(name: str) -> str:
    return f"/api/deployments/{IDS[name]}/create_flow_run"


class Prefect:
    """The app: it has the deployments that simtandem makes, and notes what it is asked to make."""

    def __init__(self, **defaults: dict[str, Any]) -> None:
        self.deployments = {name: self.deployment(name, flow) for name, flow in FLOWS.items()}
        for name, parameters in defaults.items():
            self.deployments[name.replace("_", "-")]["parameters"] = parameters
        self.made: list[tuple[str, bytes]] = []

    @staticmethod
    def deployment(name: str, flow: str) -> dict[str, Any]:
        queue = "urgent" if name.endswith("-urgent") else "changes"
        return {"id": IDS[name], "name": name, "flow_id": flow, "work_queue_name": queue, "parameters": {}}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        status = 200
        found: dict[str, Any] = {}
        if scope["method"] == "GET":
            told = scope["path"].rpartition("/")[2]
            ours = [each for each in self.deployments.values() if told in (each["id"], each["name"])]
            found, status = (ours[0], 200) if ours else ({}, 404)
        else:
            body = await whole(receive) or b""
            assert dict(scope["headers"])[b"content-length"] == str(len(body)).encode()
            assert dict(scope["headers"])[b"authorization"] == b"hush"
            self.made.append((scope["path"], body))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})


async def ask(app: Prefect, path: str, body: bytes, method: str = "POST") -> tuple[str, bytes]:
    """What Prefect is asked to make."""
    parts = [body[:9], body[9:]]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", str(len(body)).encode()), (b"authorization", b"hush")]
    await UrgentRuns(app)({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    assert sent[0]["status"] == 200
    [made] = app.made
    return made


def test_every_deployment_whose_runs_wait_has_one_for_urgent_runs() -> None:
    assert {**FOR_URGENT, **dict.fromkeys(FOR_URGENT.values())}.keys() <= FLOWS.keys()
    assert {name for name in FLOWS if name.endswith("-urgent")} == set(FOR_URGENT.values())
    assert QUEUE in QUEUES


@pytest.mark.parametrize("queue", [{}, {"work_queue_name": "changes"}, {"work_queue_name": "urgent"}])
@pytest.mark.parametrize("end", ["", "/"])
async def test_an_urgent_run_is_made_from_the_deployment_for_urgent_ones(queue: dict[str, str], end: str) -> None:
    """The form sends the deployment's own queue with each run."""
    asked = {"parameters": URGENT_LIST, "name": "stolen", "tags": ["depot"], **queue}
    path, body = await ask(Prefect(), create("bulk-update") + end, json.dumps(asked).encode())
    assert path == create("bulk-update-urgent")
    assert json.loads(body) == {**asked, "work_queue_name": None}


async def test_an_urgent_look_is_made_from_the_one_for_urgent_looks() -> None:
    asked = {"parameters": {"account": "eu", "urgent": True}}
    path, body = await ask(Prefect(), create("scheduled-updates"), json.dumps(asked).encode())
    assert path == create("scheduled-updates-urgent")
    assert json.loads(body)["parameters"] == asked["parameters"]


async def test_what_the_form_has_as_json_is_read() -> None:
    asked = {"parameters": {"params": {"__prefect_kind": "json", "value": json.dumps(URGENT_LIST["params"])}}}
    path, body = await ask(Prefect(), create("bulk-update"), json.dumps(asked).encode())
    assert path == create("bulk-update-urgent")
    assert json.loads(body)["parameters"] == asked["parameters"]


@pytest.mark.parametrize("given", [{}, {"parameters": {}}, {"parameters": None}])
async def test_what_a_deployment_does_by_default_is_done_urgently(given: dict[str, Any]) -> None:
    app = Prefect(bulk_update=URGENT_LIST, bulk_update_urgent={"params": {"urgent": True}})
    path, body = await ask(app, create("bulk-update"), json.dumps(given).encode())
    assert (path, json.loads(body)["parameters"]) == (create("bulk-update-urgent"), URGENT_LIST)


ELSEWHERE = b'{"parameters": {"params": {"urgent": true}}, "work_queue_name": "night"}'


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("bulk-update", b'{"parameters": {"params": {"file": "a.csv", "urgent": false}}}'),
        ("bulk-update", b'{"parameters": {"params": {"file": "a.csv"}}}'),
        ("bulk-update", b'{"parameters": {"params": {"urgent": "true"}}}'),
        ("bulk-update", b'{"parameters": {"params": "urgent"}}'),
        ("bulk-update", b'{"parameters": {"params": {"__prefect_kind": "json", "value": "{urgent"}}}'),
        ("bulk-update", b'{"parameters": {"__prefect_kind": "json", "value": "[]"}}'),
        ("bulk-update", b'{"parameters": "urgent"}'),
        ("bulk-update", b"[]"),
        ("bulk-update", b"urgent"),
        ("bulk-update", b""),
        ("bulk-update", ELSEWHERE),
        ("bulk-update-urgent", json.dumps({"parameters": URGENT_LIST}).encode()),
        ("fleet-audit", b'{"parameters": {"urgent": true}}'),
    ],
)
async def test_any_other_run_is_made_as_it_was_asked_for(name: str, body: bytes) -> None:
    assert await ask(Prefect(), create(name), body) == (create(name), body)


async def test_where_there_is_no_deployment_for_urgent_runs_the_named_one_makes_it() -> None:
    app = Prefect()
    del app.deployments["bulk-update-urgent"]
    body = json.dumps({"parameters": URGENT_LIST}).encode()
    assert await ask(app, create("bulk-update"), body) == (create("bulk-update"), body)


async def test_a_deployment_of_another_flow_that_is_only_called_so_makes_nothing() -> None:
    app = Prefect()
    app.deployments["bulk-update-urgent"]["flow_id"] = "another"
    body = json.dumps({"parameters": URGENT_LIST}).encode()
    assert await ask(app, create("bulk-update"), body) == (create("bulk-update"), body)


async def test_what_makes_no_run_passes_as_it_is() -> None:
    path, body = f"/api/deployments/{IDS['bulk-update']}/schedules", json.dumps({"parameters": URGENT_LIST}).encode()
    assert await ask(Prefect(), path, body) == (path, body)


async def test_whoever_is_gone_before_all_was_said_gets_no_run() -> None:
    app = Prefect()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": create("bulk-update"), "headers": []}
    await UrgentRuns(app)(scope, receive, receive)
    assert app.made == []
