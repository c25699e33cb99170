"""`simtandem up`: a Prefect server, the deployments, a worker, on one machine, until Ctrl-C.

This process watches over the two others. One that dies is started again; when this one dies, however it dies, the
server ends because nobody holds its lock any more, and the worker because its parent is gone.
"""

import asyncio
import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from rich.console import Console

from simtandem.errors import InputError
from simtandem.host.private_home import keep_private
from simtandem.prefect_server.flow_start import Orchestration
from simtandem.settings import Settings, child_environment, prefect_auth_string

_LOOK_S = 1.0
_AGAIN_AFTER_S = (1, 2, 5, 10, 30)
_STEADY_S = 60.0  # a worker that ran for so long is not failing again and again
_WORKER_ENDS_WITHIN_S = 40.0
_PR_SET_PDEATHSIG = 1


async def up(settings: Settings, host: str, port: int, console: Console) -> None:
    """Serve until SIGINT or SIGTERM. Raises `InputError`, `OrchestrationError`."""
    _refuse_an_open_door(host)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Orchestration(settings, host=host, port=port) as prefect:
        console.print("Starting Prefect …", style="dim")
        url = await prefect.ready()
        from simtandem.prefect_server.crashed_runs import end_runs_without_process
        from simtandem.prefect_server.deployments import deploy

        deployed = await deploy(settings)
        if _is_loopback(host):
            await end_runs_without_process()
        if settings.emnify_token is None:
            console.print("SIMTANDEM_EMNIFY_TOKEN is not set: runs need the Secret block simtandem-emnify-token.")
        worker = Worker(settings.home)
        worker.start()
        address = url.removesuffix("/api")
        console.print(f"{address}/v2/deployments is where runs are started. Ctrl-C ends it all.")
        console.print(f"  {len(deployed.deployments)} deployments, {len(deployed.automations)} automations, 1 worker.")
        try:
            while not stop.is_set():
                await prefect.keep_up()
                worker.keep_up()
                await _wait(stop, _LOOK_S)
        finally:
            console.print("Stopping: runs under way are cancelled in good order …", style="dim")
            await asyncio.to_thread(worker.stop)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _refuse_an_open_door(host: str) -> None:
    if not _is_loopback(host) and not prefect_auth_string():
        raise InputError(
            f"--host {host}: whoever reaches that address could change live SIMs. Nothing was started.\n"
            "Set PREFECT_SERVER_API_AUTH_STRING=user:password (and PREFECT_API_AUTH_STRING for clients) first, "
            "or stay on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
                [sys.executable, "-P", "-m", "simtandem.prefect_server.up"],
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


def main() -> None:
    """The worker's process: end with the parent, and be a Prefect worker."""
    keep_private()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    from prefect.cli import app

    _let_results_stand()
    sys.argv = ["prefect", "worker", "start", "--pool", "simtandem", "--type", "process", "--name", _name()]
    app()


def _let_results_stand() -> None:
    """Have the worker leave the state of a run that has ended, also where it was just cancelling that run.

    By itself it calls the run "cancelled successfully", by force: over the counts that a cancelled run leaves in its
    state, and over the result of a run that had completed meanwhile.
    """
    from prefect.runner._state_proposer import StateProposer

    propose = StateProposer.propose_cancelled

    async def propose_where_none_is(self: Any, flow_run: Any, state_updates: Any = None) -> bool:
        now = (await self._client.read_flow_run(flow_run.id)).state
        if now is not None and now.is_final():
            return bool(now.is_cancelled())
        return await propose(self, flow_run, state_updates)

    StateProposer.propose_cancelled = propose_where_none_is  # type: ignore[method-assign]


def _name() -> str:
    return f"simtandem-{socket.gethostname()}"


if __name__ == "__main__":
    main()
