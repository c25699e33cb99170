"""Who gets in to the Prefect server that simtandem starts, and who does not."""

import json
import os
import pty
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from simtandem.emulator.seeding import Group
from tests.operation.conftest import HOOK
from tests.operation.foreign_page import ForeignPage
from tests.operation.site import COMMAND, PATIENCE_S, Site, pasted, until

pytestmark = pytest.mark.timeout(600)
SECRETS = {"include_secrets": True}
NOBODY = 65534


@pytest.fixture
def anybody(site: Site) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with httpx.Client(base_url=site.address, timeout=60) as client:
        yield client


def test_a_client_without_the_credential_gets_nothing(site: Site, anybody: httpx.Client) -> None:
    bulk = site.deployment("bulk-update")
    before = len(site.runs("bulk-update"))
    asked = [
        ("POST", "/api/block_documents/filter", SECRETS),
        ("POST", f"/api/deployments/{bulk['id']}/create_flow_run", {"job_variables": {"command": "id"}}),
        ("POST", "/api/flow_runs/", {"flow_id": bulk["flow_id"]}),
        ("PATCH", f"/api/deployments/{bulk['id']}", {"job_variables": {"command": "id"}}),
        ("PATCH", "/api/work_pools/simtandem", {"base_job_template": {}}),
        ("GET", "/api/admin/settings", None),
        ("GET", "/api/openapi.json", None),
        ("POST", "/simtandem/link", None),
        ("POST", "/simtandem/session", None),
    ]
    for headers in ({}, {"Authorization": "Basic c2ltdGFuZGVtOg=="}, {"Authorization": "Bearer simtandem"}):
        for method, path, body in asked:
            assert anybody.request(method, path, json=body, headers=headers).status_code == 401, path
    assert HOOK in str(site.post("/block_documents/filter", **SECRETS)), "with it, that is what would be read"
    assert len(site.runs("bulk-update")) == before
    assert site.deployment("bulk-update")["job_variables"] == bulk["job_variables"]


def test_a_foreign_name_is_not_answered_and_no_page_is_allowed_in(site: Site, anybody: httpx.Client) -> None:
    token = anybody.build_request("GET", "/")
    site._log_in(token)
    mine = {"Authorization": token.headers["Authorization"]}
    for path in ("/", "/api/health", "/v2/deployments"):
        assert anybody.get(path, headers={**mine, "Host": f"evil.example:{site.port}"}).status_code == 421
    for headers in ({"Origin": "http://127.0.0.1:8000"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = anybody.post("/api/block_documents/filter", json=SECRETS, headers={**mine, **headers})
        assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (403, None)
    own = anybody.get("/api/health", headers={"Origin": site.address})
    assert own.headers.get("Access-Control-Allow-Origin") in (None, site.address)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_of_the_machine_gets_nothing(site: Site) -> None:
    looks = f"""
import urllib.request, urllib.error
for file in {[str(site.home / "prefect" / name) for name in ("auth", "server.json", "prefect.db")]!r}:
    try:
        print("READ", open(file, "rb").read()[:20])
    except OSError:
        pass
blocks = "{site.address}/api/block_documents/filter"
request = urllib.request.Request(blocks, b"{{}}", {{"Content-Type": "application/json"}})
try:
    print("READ", urllib.request.urlopen(request, timeout=60).read()[:20])
except urllib.error.HTTPError as error:
    print(error.code)
"""
    tried = subprocess.run(
        ["/usr/bin/env", "python3", "-c", looks],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": f"/usr/local/bin:/usr/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert tried.stdout.split() == ["401"], tried


def test_a_run_whose_command_was_changed_is_not_started(site: Site) -> None:
    bulk, proof = site.deployment("bulk-update"), site.home.parent / "shell"
    command = f"sh -c 'env > {proof}'"
    asked = {"parameters": {"params": {"file": "sim_id\n1\n"}}, "state": {"type": "SCHEDULED"}}
    path = f"/deployments/{bulk['id']}/create_flow_run"
    run = site.post(path, **asked, idempotency_key=str(uuid4()), job_variables={"command": command})["id"]
    state = site.reaches(run)
    assert state["name"] == "Input unusable"
    assert "another command. Nothing was sent" in state["message"]

    kept = bulk["job_variables"]
    assert site.answer(
        "PATCH", f"/deployments/{bulk['id']}", {"job_variables": {**kept, "command": command}}
    ).is_success
    try:
        run = site.post(path, **asked, idempotency_key=str(uuid4()))["id"]
        assert "another command" in site.reaches(run)["message"]
    finally:
        site.answer("PATCH", f"/deployments/{bulk['id']}", {"job_variables": kept})
    assert not proof.exists()


def test_deploy_and_worker_carry_the_credential_from_another_terminal(site: Site) -> None:
    deployed = site.run("deploy")
    assert deployed.returncode == 0, deployed.stderr
    log = site.home.parent / "worker.log"
    with log.open("wb") as kept:
        worker = subprocess.Popen([COMMAND, "worker"], env=site.variables, stdout=kept, stderr=kept)
    try:

        def name() -> bool:
            found = site.post("/work_pools/simtandem/workers/filter")
            return f"simtandem-{socket.gethostname()}-{worker.pid}" in {each["name"] for each in found}

        until(name, "the worker asks for runs", lambda: _alive(worker, log))
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(PATIENCE_S)


def _alive(process: "subprocess.Popen[bytes]", log: Path) -> None:
    assert process.poll() is None, log.read_text()


def test_the_credential_goes_to_no_other_server(site: Site) -> None:
    """Somebody else's server at PREFECT_API_URL learns nothing that opens the home's."""
    with ForeignPage(site.address, "") as foreign:
        site.run("deploy", PREFECT_API_URL=f"{foreign.address}/api")
        assert foreign.fetched
    assert foreign.authorizations == {""}


def test_on_a_terminal_the_link_is_opened_too_and_no_argument_shows_it(site: Site) -> None:
    opened = site.home.parent / "opened"
    browser = site.home.parent / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {opened}\n')
    browser.chmod(0o755)
    reading, writing = pty.openpty()
    variables = site.variables | {"DISPLAY": ":9", "BROWSER": f"{browser} %s", "TERM": "xterm"}
    try:
        subprocess.run([COMMAND, "ui"], env=variables, stdout=writing, stderr=writing, timeout=PATIENCE_S, check=True)
        printed = os.read(reading, 10_000).decode()
    finally:
        os.close(reading)
        os.close(writing)
    until(opened.exists, "a browser")
    code = printed.split("#")[1].split()[0]
    page = Path(opened.read_text().strip().removeprefix("file://"))
    assert code not in opened.read_text()
    assert code in page.read_text()
    assert page.stat().st_mode & 0o077 == 0


def test_without_a_server_there_is_no_link(site: Site, tmp_path: Path) -> None:
    made = site.run("ui", SIMTANDEM_HOME=str(tmp_path / "other"))
    assert made.returncode != 0
    assert "simtandem up" in made.stderr


@pytest.mark.parametrize("weak", ["admin:admin", "aaaaaaaaaaaaaaaaaaaaaaaa"])
def test_a_weak_credential_of_the_operators_starts_nothing(site: Site, tmp_path: Path, weak: str) -> None:
    variables = {"SIMTANDEM_HOME": str(tmp_path / "other"), "PREFECT_SERVER_API_AUTH_STRING": weak}
    refused = site.run("up", "--port", "1", **variables)
    assert refused.returncode == 2
    assert "too weak" in refused.stderr
    assert weak not in refused.stderr


def test_who_asks_and_who_approves_is_authenticated_where_people_have_credentials(
    site: Site, fleet: Callable[..., None], anybody: httpx.Client, person: Callable[[str], tuple[str, str]]
) -> None:
    fleet(Group(2))
    ada, grace = (person(name) for name in ("ada", "grace"))
    form = f"/api/deployments/{site.deployment('bulk-update')['id']}/create_flow_run"
    asked = {"file": pasted(2), "mode": "apply", "ask_first": True, "requested_by": "Mallory"}
    begun = anybody.post(form, json={"parameters": {"params": asked}, "state": {"type": "SCHEDULED"}}, auth=ada)
    assert begun.status_code == 201, begun.text
    run = begun.json()["id"]
    site.reaches(run, "Suspended")

    changed = anybody.patch(f"/api/flow_runs/{run}", json={"parameters": {"params": {}}}, auth=grace)
    beside = anybody.post(f"/api/flow_runs/{run}/input", json={"key": "x", "value": "1"}, auth=grace)
    assert (changed.status_code, beside.status_code) == (403, 403)
    answer = {"run_input": {"decision": "approve", "who": "Mallory"}}
    resumed = anybody.post(f"/api/flow_runs/{run}/resume", json=answer, auth=grace)
    assert resumed.json()["status"] == "ACCEPT", resumed.text
    assert site.reaches(run)["name"] == "Completed"

    [(detail,)] = site.ledger("SELECT detail FROM run_states WHERE state = 'approved' ORDER BY seq DESC LIMIT 1")
    known = json.loads(detail)
    assert (known["who"], known["identity"]) == ("grace", "authenticated")
    assert (known["requested_by"], known["requested_by_identity"]) == ("ada", "authenticated")
    assert site.run("people", "remove", "ada").returncode == 0
    assert anybody.get("/api/admin/version", auth=ada).status_code == 401
    assert site.run("people", "list").stdout.split() == ["grace"]
