"""`simtandem up`: a Prefect server, the deployments, a worker, on one machine, until Ctrl-C.

This process watches over the two others. One that dies is started again; when this one dies, however it dies, the
server ends because nobody holds its lock any more, and the worker because its parent is gone.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from schemas.hosts import is_loopback
from simtandem.errors import InputError
from simtandem.prefect_server.browser import show_link
from simtandem.prefect_server.credential import own_credential
from simtandem.prefect_server.flow_start import Orchestration
from simtandem.prefect_server.reach import without_access
from simtandem.settings import Settings, child_environment

_LOOK_S = 1.0
_AGAIN_AFTER_S = (1, 2, 5, 10, 30)
_STEADY_S = 60.0  # a worker that ran for so long is not failing again and again
_WORKER_ENDS_WITHIN_S = 40.0


async def serve(settings: Settings, host: str, port: int, console: Console, *, with_worker: bool = True) -> None:
    """Serve until SIGINT or SIGTERM. Raises `InputError`, `OrchestrationError`."""
    _refuse_an_open_door(host)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        _serve_metrics(settings, stack, console)
        prefect = await stack.enter_async_context(Orchestration(settings, host=host, port=port))
        console.print("Starting Prefect …", style="dim")
        url = await prefect.ready()
        from simtandem.prefect_server.crashed_runs import end_runs_without_process
        from simtandem.prefect_server.deployments import deploy

        deployed = await deploy(settings)
        worker = Worker(settings.home) if with_worker else None
        if worker is not None:
            if is_loopback(host):
                await end_runs_without_process()
            for sentence in without_access():
                console.print(sentence, markup=False)
            worker.start()
        address = url.removesuffix("/api")
        console.print(f"{address}/v2/deployments is where runs are started. Press Ctrl-C to stop.")
        workers = "1 worker" if with_worker else "no worker: runs wait for `simtandem worker`"
        console.print(f"  {len(deployed.deployments)} deployments, {len(deployed.automations)} automations, {workers}.")
        await asyncio.to_thread(_let_in, settings.home, console)
        try:
            while not stop.is_set():
                await prefect.keep_up()
                if worker is not None:
                    worker.keep_up()
                await _wait(stop, _LOOK_S)
        finally:
            if worker is not None:
                console.print("Stopping: runs under way are cancelled cleanly …", style="dim")
                await asyncio.to_thread(worker.stop)


def _serve_metrics(settings: Settings, stack: AsyncExitStack, console: Console) -> None:
    if settings.metrics_port is not None:
        from simtandem.prefect_server.metrics import MetricsServer

        metrics = stack.enter_context(MetricsServer(settings))
        console.print(f"{metrics.address} has metrics for Prometheus.")


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _let_in(home: Path, console: Console) -> None:
    """The operator's browser. A log keeps no link: anyone who reads it could be quicker."""
    if console.is_terminal:
        show_link(home / "prefect", console)
    else:
        console.print("  `simtandem ui` makes a link that logs a browser in.")


def _refuse_an_open_door(host: str) -> None:
    if not is_loopback(host) and not own_credential():
        raise InputError(
            f"--host {host}: clients beyond this machine need a credential. Nothing was started.\n"
            "Set PREFECT_SERVER_API_AUTH_STRING=user:password here and the same in PREFECT_API_AUTH_STRING for these "
            "clients, or stay on 127.0.0.1."
        )


class Worker:
    """The Prefect worker's process, its log in a file."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._started_at = 0.0
        self._start_at = 0.0

    def start(self) -> None:
        """Start it."""
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        with (self._home / "prefect" / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "simtandem.prefect_server.worker"],
                env=child_environment({}),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep_up(self) -> None:
        """Start it again if it died, later each time it dies soon."""
        now = asyncio.get_running_loop().time()
        if self._process is not None and self._process.poll() is not None:
            self._process = None
            self._failures = 0 if now - self._started_at > _STEADY_S else self._failures + 1
            self._start_at = now + _AGAIN_AFTER_S[min(self._failures, len(_AGAIN_AFTER_S)) - 1]
        if self._process is None and now >= self._start_at:
            self.start()

    def stop(self) -> None:
        """Ask it to end, and its runs with it; after a while it is ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_WORKER_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
