"""Starts flows, and a Prefect server to report to: the operator's, where `PREFECT_API_URL` names one, or our own.

The embedded server is a child process on a loopback port, with its database and its log in SIMTANDEM_HOME. Runs at the
same time share it: each holds a shared lock on a file, and the server, once nobody holds it any more, ends by itself.
So it outlives no run for long, not even one that was killed, and no run loses it to another one that ends first.

Prefect is imported only in the child (`main`): commands that need no server must not pay for it.
"""

import asyncio
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from importlib import import_module
from pathlib import Path
from shutil import disk_usage
from types import TracebackType
from typing import Any, Self

from schemas.parameters import BulkUpdate
from simtandem.errors import Interrupted, OrchestrationError
from simtandem.settings import Settings, child_environment, export, prefect_api_url, prefect_ui_url

_READY_WITHIN_S = 180.0
_LINGER_S = 3.0  # after the last run has let go: what it told last is still being stored
_LOOK_S = 0.25
_DRAIN_S = 5
_GONE_AFTER = 5  # looks without an answer, for a server that is not our child

_ROOM = 16 << 20  # bytes; with less than that Prefect's database does not get far
_LOG_END = 20_000
_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")

_CLIENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "simtandem",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # what is said before and after the flow is for this terminal
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the run's own output says it better; the UI has it all
}
_SERVER = {
    **_CLIENT,
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
}


class Orchestration:
    """A Prefect API for the run inside the `with` block. It boots at once, in the background; `ready` waits for it."""

    def __init__(self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host = host
        self._port = port
        self._home = settings.home / "prefect"
        self._url = prefect_api_url()
        self.own = self._url is None
        self._using: int | None = None
        self._starting: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._silent = 0

    def __enter__(self) -> Self:
        if self.own:
            try:
                self._attach()
            except OSError as error:
                raise OrchestrationError(_not_started(self._home, f"It can't be prepared: {error}.")) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    async def ready(self) -> str:
        """Wait until the API answers. Prefect's client is told where it is and imported meanwhile."""
        here = {"PREFECT_HOME": str(self._home)} if self.own else {}
        export({**_CLIENT, **here, "PREFECT_API_URL": str(self._url)})
        imported = asyncio.create_task(asyncio.to_thread(import_module, "flows.bulk_update"))
        await self._answering()
        await imported
        return str(self._url)

    async def _answering(self) -> None:
        give_up = time.monotonic() + _READY_WITHIN_S
        while not await asyncio.to_thread(_healthy, self._url):
            if not self.own:
                raise OrchestrationError(
                    f"No Prefect server answers at PREFECT_API_URL ({self._url}). Nothing was sent.\n"
                    "Start it, or unset PREFECT_API_URL to use an embedded one."
                )
            if (self._child and self._child.poll() is not None) or time.monotonic() > give_up:
                raise OrchestrationError(_not_started(self._home, f"See {self._home / 'server.log'}."))
            await asyncio.sleep(0.1)
        self._let_go_of_starting()

    async def keep_up(self) -> None:
        """Start the server again if it is gone: ours, or the one that was there before us and that we use."""
        if self._child is not None:
            gone = self._child.poll() is not None
        else:
            self._silent = 0 if await asyncio.to_thread(_healthy, self._url) else self._silent + 1
            gone = self._silent >= _GONE_AFTER
        if gone:
            self._silent = 0
            self._let_go()
            self._attach()
            await self._answering()

    def _attach(self) -> None:
        """Hold the shared lock; find the server that runs, or start one while nobody else does."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._starting = _lock(self._home / "starting.lock", fcntl.LOCK_EX)
        self._using = _lock(self._home / "server.lock", fcntl.LOCK_SH)
        address = self._home / "server.json"
        self._url = _noted(address)
        if self._url and _healthy(self._url):
            self._let_go_of_starting()
            return
        port = self._port or _free_port()
        self._url = f"http://{'127.0.0.1' if self._host == '0.0.0.0' else self._host}:{port}/api"  # noqa: S104 - not bound here
        address.write_text(json.dumps({"url": self._url}))
        variables = {
            **_SERVER,
            "PREFECT_HOME": str(self._home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self._home / 'prefect.db'}",
            "PREFECT_API_URL": self._url,
            "PREFECT_UI_URL": prefect_ui_url() or f"{self._url.removesuffix('/api')}/v2",
        }
        with (self._home / "server.log").open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                [
                    sys.executable,
                    "-P",  # a file of the current folder must not stand in for a module
                    "-m",
                    "simtandem.orchestration",
                    self._host,
                    str(port),
                    str(self._home / "server.lock"),
                ],
                env=child_environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is meant for the run, which still reports after it
            )

    def _let_go(self) -> None:
        self._let_go_of_starting()
        if self._using is not None:
            os.close(self._using)
            self._using = None

    def _let_go_of_starting(self) -> None:
        if self._starting is not None:
            os.close(self._starting)
            self._starting = None


async def run_bulk_update(request: BulkUpdate) -> BaseException | None:
    """Run the flow in this process, against the API that is `ready`. Returns the error that ended it, if one did."""
    from prefect.exceptions import TerminationSignal

    from flows.bulk_update import bulk_update

    try:
        state = await bulk_update(request, return_state=True)
    except TerminationSignal:
        return Interrupted("Stopped before anything was sent.")
    result = await state.aresult(raise_on_failure=False) if state.data is not None else None
    return result if isinstance(result, BaseException) else None


def _lock(file: Path, mode: int) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, mode)
    return descriptor


def _noted(address: Path) -> str | None:
    """The URL noted there; None where there is none, or one whose writer was killed in the middle of it."""
    try:
        return str(json.loads(address.read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _not_started(home: Path, hint: str) -> str:
    """That the embedded server did not start, and why: a full disk is named, whatever else came of it."""
    told = "The embedded Prefect server did not start"
    if not _disk_is_full(home, hint):
        return f"{told}. Nothing was sent.\n{hint}"
    return (
        f"{told}: the disk of SIMTANDEM_HOME ({home.parent}) is full. Nothing was sent.\n"
        f"Make room, {_ROOM >> 20} MB at least, then run again."
    )


def _disk_is_full(home: Path, hint: str) -> bool:
    try:
        log = (home / "server.log").read_bytes()[-_LOG_END:].decode(errors="replace")
    except OSError:
        log = ""
    try:
        return any(word in log + hint for word in _FULL) or disk_usage(home.parent).free < _ROOM
    except OSError:  # no such folder: something else is wrong
        return False


def _healthy(url: str | None) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - http, ours or the operator's
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """The embedded server's process: serve on the given address until nobody uses the lock file any more."""
    host, port, lock_file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    import uvicorn
    from prefect.server.api.server import create_app

    _let_writers_queue_up()
    config = uvicorn.Config(create_app(), host=host, port=port, log_level="warning", timeout_graceful_shutdown=_DRAIN_S)
    server = uvicorn.Server(config)

    def end_when_unused() -> None:
        descriptor, unused_for = os.open(lock_file, os.O_RDWR), 0.0
        while unused_for < _LINGER_S:
            time.sleep(_LOOK_S)
            if _try_exclusive(descriptor):
                unused_for += _LOOK_S
                if unused_for < _LINGER_S:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
            else:
                unused_for = 0.0
        server.should_exit = True  # holding the lock until the end: who comes now waits, then starts a new server

    threading.Thread(target=end_when_unused, daemon=True).start()
    server.run()


def _let_writers_queue_up() -> None:
    """Have every transaction of Prefect's server take SQLite's lock when it begins, as Prefect does for some.

    The others begin by reading. Where somebody has written meanwhile, SQLite refuses their first write at once, however
    long they might wait: clients get a 503, and what an automation does with an event is done twice, or not at all.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_at_once(self: Any, session: Any, **_: bool) -> Any:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_at_once  # type: ignore[assignment, method-assign]


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
