"""Each in a process of its own: the rule stays for as long as a process lives."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.prefect_server.server_identity import ServerNote

SERVER = """
import sys; from pathlib import Path
from simtandem.prefect_server import server_process
alive = server_process._sole_server(Path(sys.argv[1])); print("up", flush=True); sys.stdin.read()
"""
RULE = """
import sys, socket; from pathlib import Path
from simtandem.prefect_server.server_connections import only_while_alive
home, port = Path(sys.argv[1]), int(sys.argv[2])
only_while_alive(home, f"http://127.0.0.1:{port}/api")
"""
CONNECT = """
try:
    socket.create_connection(("127.0.0.1", port), 5).sendall(b"credential")
except ConnectionRefusedError as error:
    print("refused")
"""
PREFECT = """
import asyncio
from prefect.client.orchestration import get_client
from prefect.events.clients import PrefectEventsClient
from prefect.events import Event
from prefect.settings import get_current_settings
assert get_current_settings().api.auth_string.get_secret_value() == "simtandem:secret"

async def call():
    for client in (get_client(), PrefectEventsClient(reconnection_attempts=0)):
        try:
            async with client as entered:
                await (entered.hello() if hasattr(entered, "hello") else entered._reconnect())
        except Exception as error:
            print("failed")
asyncio.run(call())
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Someone who has the port now, and waits."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening


def heard(listener: socket.socket) -> bytes:
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        return b""
    with connection:
        connection.settimeout(5)
        return connection.recv(1000) or b"a connection"


def run(code: str, home: Path, listener: socket.socket, **variables: str) -> str:
    command = [sys.executable, "-c", code, str(home), str(listener.getsockname()[1])]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def test_nothing_reaches_who_takes_the_port_of_a_server_that_is_dead(tmp_path: Path, listener: socket.socket) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "server.pid")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"up\n"
        assert run(RULE + CONNECT, tmp_path, listener) == ""
        assert heard(listener) == b"credential"
        server.kill()
    assert (tmp_path / "server.pid").read_text()
    assert run(RULE + CONNECT, tmp_path, listener) == "refused\n"
    assert heard(listener) == b""


def test_other_addresses_are_not_concerned(tmp_path: Path, listener: socket.socket) -> None:
    run(RULE.replace("{port}", "9") + CONNECT, tmp_path, listener)
    assert heard(listener) == b"credential"


def test_neither_requests_nor_websockets_of_prefect_carry_the_credential_there(
    tmp_path: Path, listener: socket.socket
) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    told = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "simtandem:secret", "PREFECT_HOME": str(tmp_path)}
    assert run(RULE + PREFECT, tmp_path, listener, **told) == "failed\nfailed\n"
    assert heard(listener) == b""


@pytest.mark.parametrize(("same", "expected"), [(True, b""), (False, b"credential")])
def test_a_worker_and_a_run_keep_to_the_server_of_their_home(
    tmp_path: Path, listener: socket.socket, same: bool, expected: bytes
) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    (tmp_path / "prefect").mkdir()
    ServerNote.new(url if same else "http://127.0.0.1:9/api").write(tmp_path / "prefect" / "server.json")
    rule = """
import sys, socket; from pathlib import Path
from simtandem.prefect_server.prefect_settings import keep_to_own_server
from simtandem.settings import load_home
port = int(sys.argv[2])
keep_to_own_server(load_home())
"""
    run(rule + CONNECT, tmp_path, listener, PREFECT_API_URL=url, SIMTANDEM_HOME=str(tmp_path))
    assert heard(listener) == expected
