"""`simtandem up` as it runs on a server: its processes, its API, and people who are told how runs went."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.hostile_folder import HostileFolder

COMMAND = str(Path(sys.executable).with_name("simtandem"))
PATIENCE_S = 180.0  # a busy machine is slow; a test that hangs should still end
FIRST = 10_000_001
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
AT_WORK = ["PENDING", "RUNNING", "CANCELLING"]
ROLES = {
    "server": "simtandem.prefect_server.server_process",
    "worker": "simtandem.prefect_server.worker",
    "up": f"{COMMAND}\0up",
    "flow": "prefect.engine",
}


class Site:
    """One `simtandem up` with a home and a port of its own."""

    def __init__(self, folder: Path, port: int, variables: Mapping[str, str], command: str = COMMAND) -> None:
        self.command = command
        self.home = folder / "home"
        self.hostile = HostileFolder(folder / "downloads")
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.said = folder / "up.log"
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "COLUMNS": "200",
            "SIMTANDEM_HOME": str(self.home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            **variables,
        }
        self._up: subprocess.Popen[bytes] | None = None
        self._api = httpx.Client(base_url=f"{self.address}/api", timeout=60, auth=self._log_in)

    def _log_in(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Basic {b64encode(self.credential.encode()).decode()}"
        return request

    @property
    def credential(self) -> str:
        """What its clients log in with; empty before it was started."""
        file = self.home / "prefect" / "auth"
        return file.read_text() if file.exists() else ""

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """A command of the operator's, in another terminal."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.home.parent,
            env=self.variables | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def add_person(self, name: str) -> tuple[str, str]:
        """Somebody with a credential of their own: what they log in with."""
        added = self.run("people", "add", name)
        assert added.returncode == 0, added.stderr
        user, _, secret = added.stdout.splitlines()[0].partition(":")
        return user, secret

    def link(self) -> str:
        """What `simtandem ui` prints: it logs a browser in."""
        made = self.run("ui")
        assert made.returncode == 0, made.stderr
        return made.stdout.splitlines()[0]

    def start(self) -> None:
        """Start it, and wait until it says that it is up."""
        before = self.said.stat().st_size if self.said.exists() else 0
        with self.said.open("ab") as log:
            self._up = subprocess.Popen(
                [self.command, "up", "--port", str(self.port)],
                cwd=self.hostile.path,
                env=self.variables,
                stdout=log,
                stderr=log,
                umask=0o022,
            )
        until(lambda: b"Press Ctrl-C to stop" in self.said.read_bytes()[before:], "simtandem up", self._alive)

    def _alive(self) -> None:
        assert self._up is not None
        assert self._up.poll() is None, self.said.read_text()

    def ready(self) -> None:
        """Start it where it is not up, and end the runs that a failed test left behind."""
        if self._up is None or self._up.poll() is not None:
            self.cut_power()
            self.start()
        left = self.runs(state={"type": {"any_": [*AT_WORK, "PAUSED", "SCHEDULED"]}})
        for run in (each for each in left if each["state"]["name"] != "Scheduled" or not each["auto_scheduled"]):
            self.answer("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
        for pid in self.processes("flow"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.processes("flow"), "no run is under way")

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._up is not None
        self._up.send_signal(signal.SIGINT)
        return self._up.wait(PATIENCE_S)

    def end_everything(self) -> None:
        """Whatever of it is left, and this object."""
        self.cut_power()
        self._api.close()

    def cut_power(self) -> None:
        """kill -9 of all its processes at once, by their ids."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._up is not None:
            self._up.wait(PATIENCE_S)

    def processes(self, role: str = "") -> list[int]:
        """Processes with this home in their environment; with a role, those that have it."""
        ours = f"SIMTANDEM_HOME={self.home}\0".encode()
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and ours in (folder / "environ").read_bytes() + b"\0":
                    command = (folder / "cmdline").read_bytes().decode()
                    if not role or ROLES[role] in command:
                        found.append(int(folder.name))
        return found

    def kill(self, role: str) -> None:
        """kill -9 of the process with that role."""
        [pid] = self.processes(role)
        os.kill(pid, signal.SIGKILL)
        if role == "up" and self._up is not None:
            self._up.wait(PATIENCE_S)
        until(lambda: pid not in self.processes(role), f"the {role} is gone")

    @contextlib.contextmanager
    def frozen(self, role: str) -> Iterator[None]:
        """In this block the process with that role exists and does nothing; it may be killed there."""
        [pid] = self.processes(role)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if pid in self.processes(role):
                os.kill(pid, signal.SIGCONT)

    def get(self, path: str) -> Any:
        """What the API answers."""
        return self._content(self.answer("GET", path))

    def post(self, path: str, **body: Any) -> Any:
        """As `get`, with a body."""
        return self._content(self.answer("POST", path, body))

    def answer(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The answer to a request, asked again while the server is away, or its database busy, as its clients do."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._api.request(method, path, json=body)
            except httpx.TransportError:
                answer = httpx.Response(503)
            if answer.status_code != 503:
                return answer
            assert time.monotonic() < give_up, "the server stays away"
            time.sleep(0.2)

    @staticmethod
    def _content(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment, by the name it shares with its flow."""
        found: dict[str, Any] = self.get(f"/deployments/name/{name}/{name}")
        return found

    def begin(self, deployment: str = "bulk-update", **params: Any) -> str:
        """A run of bulk-update, as the button of a deployment's form makes it; its id."""
        asked = {"parameters": {"params": params}, "state": {"type": "SCHEDULED"}}
        return str(self.post(self._form(deployment), idempotency_key=str(uuid4()), **asked)["id"])

    def refused(self, **params: Any) -> httpx.Response:
        """The answer to a form that is not to pass."""
        return self.answer("POST", self._form(), {"parameters": {"params": params}})

    def _form(self, deployment: str = "bulk-update") -> str:
        found = self.get(f"/deployments/name/bulk-update/{deployment}")
        return f"/deployments/{found['id']}/create_flow_run"

    def runs(self, deployment: str = "", **wanted: Any) -> list[dict[str, Any]]:
        """Flow runs, the newest first; of one deployment, where one is named."""
        of = {"deployments": {"name": {"any_": [deployment]}}} if deployment else {}
        found: list[dict[str, Any]] = self.post(
            "/flow_runs/filter", flow_runs=wanted, sort="EXPECTED_START_TIME_DESC", **of
        )
        return found

    def state(self, run: str) -> dict[str, Any]:
        """The state of a flow run."""
        found: dict[str, Any] = self.get(f"/flow_runs/{run}")["state"]
        return found

    def states(self, run: str) -> list[str]:
        """The names of all states a flow run has had, in order."""
        found = self.get(f"/flow_run_states/?flow_run_id={run}")
        return [each["name"] for each in sorted(found, key=lambda each: str(each["timestamp"]))]

    def reaches(self, run: str, *names: str) -> dict[str, Any]:
        """Wait until the run's state has one of these names; until it has ended where none is given."""
        state: dict[str, Any] = {}

        def there() -> bool:
            state.update(self.state(run))
            return state["name"] in names if names else state["type"] in ENDED

        def ended() -> None:
            assert not names or state.get("type") not in ENDED, state

        until(there, f"{run} is {names or 'ended'}", ended)
        return state

    def decide(self, run: str, decision: str, **more: str) -> dict[str, Any]:
        """Answer the approval form as the UI does; what the API says to it."""
        answer = {"decision": decision, "who": "Ada", "why": "depot 7 opens", **more}
        told: dict[str, Any] = self.post(f"/flow_runs/{run}/resume", run_input=answer)
        return told

    def artifacts(self, run: str) -> dict[str, Any]:
        """What the run shows, newest of each kind: `The plan`, `Refused` and so on."""
        found = self.post("/artifacts/filter", artifacts={"flow_run_id": {"any_": [run]}}, sort="UPDATED_DESC")
        told = [(each["description"] or "", each["data"]) for each in reversed(found)]
        return {description.split(":")[0]: data for description, data in told}

    def ledger(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """What the ledger says, read beside those who write it."""
        with contextlib.closing(sqlite3.connect(self.home / "ledger.sqlite", timeout=60)) as connection:
            return connection.execute(query, values).fetchall()


def pasted(sims: int, status: str = "activated", *extra: str) -> str:
    """A list of the fleet's first SIMs, as it is pasted into the form."""
    rows = [f"{FIRST + number},{status}" for number in range(sims)]
    return "\n".join(["sim_id,status", *rows, *extra]) + "\n"


def until(true: Callable[[], bool], what: str, check: Callable[[], None] = lambda: None) -> None:
    """Wait for something that other processes do; `check` fails early."""
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        check()
        assert time.monotonic() < give_up, f"in vain: {what}"
        time.sleep(0.1)
