"""Starting and stopping, with emulators of their own."""

import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.free_port import free_port


def test_emulator_answers_from_the_start_of_the_block_and_not_after_its_end() -> None:
    with Emulator(30) as emulator:
        assert httpx.get(f"{emulator.url}/_emulator/fleet").json()["sims"] + 1 == 30
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{emulator.url}/_emulator/fleet")


def test_stopping_does_not_wait_for_a_hanging_call() -> None:
    with Emulator(1) as emulator:
        emulator.inject(FaultRule(FaultKind.HANG, seconds=600))
        failures: list[type[Exception]] = []

        def call() -> None:
            try:
                httpx.get(f"{emulator.url}/api/v1/sim", timeout=60)
            except httpx.TransportError as error:
                failures.append(type(error))

        caller = threading.Thread(target=call)
        caller.start()
        while emulator.stats()["calls"] == 0:
            pass
    caller.join(60)
    assert len(failures) == 1


def test_two_emulators_are_two_carriers() -> None:
    with Emulator([Group(1)]) as one, Emulator([Group(2)]) as two:
        assert one.url != two.url
        fleets = [httpx.get(f"{each.url}/_emulator/fleet").json()["sims"] for each in (one, two)]
    assert fleets == [1, 2]


def test_port_and_token_can_be_chosen() -> None:
    port = free_port()
    with Emulator(port=port, token="mine") as emulator:
        assert emulator.url == f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{emulator.url}/api/v1/authenticate", json={"application_token": "mine"})
    assert answer.status_code == 200


def test_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Emulator(port=taken.getsockname()[1]).__enter__()


def test_answers_are_sent_without_delay(emulator: Emulator, stranger: httpx.Client) -> None:
    stranger.get("/_emulator/fleet")
    sockets = [each.transport.get_extra_info("socket") for each in emulator._server.server_state.connections]
    assert sockets
    assert all(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets)


def test_setting_that_does_not_exist_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="speed"):
        Emulator(speed=3)


def test_mistake_in_a_step_is_raised_where_it_was_asked_for(emulator: Emulator) -> None:
    with pytest.raises(LookupError, match="SIM 99"):
        emulator.change(lambda fleet: fleet.drift_delete_sim(99))
    with pytest.raises(ValueError, match="colour"):
        emulator.configure(colour="red")


def test_serve_says_its_url_and_returns_on_an_interrupt() -> None:
    program = "from simtandem.emulator.server import serve; serve(0, 25, 'mine', lambda url: print(url, flush=True))"
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        answer = httpx.post(f"{url}/api/v1/authenticate", json={"application_token": "mine"})
        assert answer.status_code == 200
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert (server.returncode, errors) == (0, "")
