"""Every emulator is served by a command, too, and stops on Ctrl-C without a word."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from simtandem.emulator.aeradmin.server import serve


@pytest.mark.parametrize("package", ["aeradmin", "iot_accelerator"])
def test_serve_says_its_url_and_returns_on_an_interrupt(package: str) -> None:
    program = (
        f"from simtandem.emulator.{package}.server import serve; serve(0, 25, on_ready=lambda u: print(u, flush=True))"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        fleet = httpx.get(f"{url}/_emulator/fleet").json()
        assert 25 in fleet.values()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert (server.returncode, errors) == (0, "")


def test_port_that_is_taken_is_an_error_of_the_system() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(taken.getsockname()[1], 1)
