"""The installation of docs/compose.yaml from services on this machine: `python -m tests.operation.large_site`.

PostgreSQL and Redis of localhost stand for theirs; Redis is used where the package for it is installed
(requirements-hosts.txt). Everything else is started here with the environment that the file gives it, tried with a run
on each worker, and ended.
"""

import getpass
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import redis
import yaml  # type: ignore[import-untyped]
from psycopg import sql

from simtandem.emulator.server import Emulator, Group
from tests.simtandem.ledger.conftest import connect, postgres_url
from tests.source_modules import ROOT

BIN = Path(sys.executable).parent
_READY_WITHIN_S = 180.0
_PORT = 4271
_REDIS = (14, 15)
"""Numbers of databases in Redis, which are emptied."""


@contextmanager
def databases() -> Iterator[tuple[str, str]]:
    """Two new ones, for Prefect and for the ledger; their names."""
    names = (f"large_prefect_{secrets.token_hex(4)}", f"large_ledger_{secrets.token_hex(4)}")
    for name in names:
        _execute("CREATE DATABASE {}", name)
    try:
        yield names
    finally:
        for name in names:
            _execute("DROP DATABASE {} WITH (FORCE)", name)


def _execute(statement: str, name: str) -> None:
    with connect(postgres_url()) as server:
        server.execute(sql.SQL(statement).format(sql.Identifier(name)))


def environments(prefect: str, ledger: str, store: Path) -> dict[str, dict[str, str]]:
    """What the file gives to its services, with this machine in the place of theirs."""
    password = secrets.token_hex(16)
    services: dict[str, Any] = yaml.safe_load((ROOT / "docs/compose.yaml").read_text())["services"]
    places = {
        "simtandem:PG@postgres/prefect": f"{getpass.getuser()}@127.0.0.1:5432/{prefect}",
        "simtandem:PG@postgres/simtandem": f"{getpass.getuser()}@127.0.0.1:5432/{ledger}",
        "http://prefect:4200": f"http://127.0.0.1:{_PORT}",
        "redis://redis:6379/1": f"redis://127.0.0.1:6379/{_REDIS[1]}",
    }
    found = {}
    for name, service in services.items():
        values = {}
        for variable, value in service.get("environment", {}).items():
            text = re.sub(r"\$\{POSTGRES_PASSWORD[^}]*\}", "PG", value)
            text = re.sub(r"\$\{\w+[^}]*\}", password, text)
            for there, here in places.items():
                text = text.replace(there, here)
            if not variable.startswith("AWS_"):  # no such store here: a folder stands for it
                values[variable] = text.replace("s3://simtandem/runs", str(store))
        found[name] = values
    found["prefect"] |= {"PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1", "PREFECT_REDIS_MESSAGING_DB": str(_REDIS[0])}
    if find_spec("prefect_redis") is None:
        kept = found["prefect"].items()
        found["prefect"] = {name: value for name, value in kept if "redis" not in f"{name}{value}".lower()}
    return found


def main() -> None:
    """Start it all, carry out a run on each worker, say how it went, end it all."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="large-site-", ignore_cleanup_errors=True))
        )
        carrier = stack.enter_context(Emulator([Group(20)]))
        given = environments(*stack.enter_context(databases()), folder / "store")
        common = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        stack.callback(_empty_redis)
        auth = tuple(given["prefect"]["PREFECT_SERVER_API_AUTH_STRING"].split(":"))
        api = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{_PORT}/api", auth=auth, timeout=60))  # type: ignore[arg-type]

        def start(name: str, *command: str, **more: str) -> "Popen[bytes]":
            home = folder / name
            home.mkdir(mode=0o700, exist_ok=True)
            variables = (
                common | given[name] | {"PREFECT_HOME": str(home / "prefect"), "SIMTANDEM_HOME": str(home)} | more
            )
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = Popen(command, env=variables, cwd=home, stdout=log, stderr=log, start_new_session=True)
            stack.callback(_end, process)
            return process

        start("prefect", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(_PORT))
        _until(lambda: api.get("/health").is_success, folder)
        assert start("deploy", "simtandem", "deploy").wait(_READY_WITHIN_S) == 0, (folder / "deploy.log").read_text()
        sims = sorted(carrier.fleet.sims)
        for number, name in enumerate(("worker-1", "worker-2")):
            carrier_settings = {"SIMTANDEM_EMNIFY_URL": carrier.url, "SIMTANDEM_EMNIFY_TOKEN": carrier.token}
            worker = start(name, "simtandem", "worker", **carrier_settings)
            ids = "\n".join(map(str, ["sim_id", *sims[number * 10 : number * 10 + 10]]))
            _empty_redis()  # it holds nothing that a run needs
            state = _run(api, {"file": ids, "to": "activated", "mode": "apply", "accept_large": True}, folder)
            print(f"a run on {name}: {state['name']}, {state['message']}", flush=True)
            worker.send_signal(signal.SIGINT)
            worker.wait(60)
        assert set(carrier.fleet.state_counts()) == {"Activated/Enabled"}


def _run(api: httpx.Client, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    deployment = api.get("/deployments/name/bulk-update/bulk-update").json()
    begun = api.post(f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": {"params": request}})
    assert begun.is_success, begun.text
    run = f"/flow_runs/{begun.json()['id']}"
    _until(lambda: api.get(run).json()["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED"}, folder)
    state: dict[str, Any] = api.get(run).json()["state"]
    assert state["type"] == "COMPLETED", state
    return state


def _until(true: Any, folder: Path) -> None:
    give_up = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, "\n".join(each.read_text()[-3000:] for each in folder.glob("*.log"))
        time.sleep(0.5)


def _empty_redis() -> None:
    for number in _REDIS:
        try:
            redis.Redis(db=number).flushdb()
        except redis.ConnectionError:
            return


def _end(process: "Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
