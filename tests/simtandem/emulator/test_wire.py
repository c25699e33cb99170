"""Below HTTP: what the bytes and the socket look like from the other side."""

import socket

import httpx
import pytest

from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator


def connect(emulator: Emulator) -> socket.socket:
    host, port = emulator.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def ask(client: httpx.Client, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n".encode()


def test_reset_is_a_reset_and_close_an_orderly_end(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.RESET, times=1), FaultRule(FaultKind.CLOSE, times=1))
    with connect(emulator) as line:
        line.sendall(ask(client, "/api/v1/sim"))
        with pytest.raises(ConnectionResetError):
            line.recv(1000)
    with connect(emulator) as line:
        line.sendall(ask(client, "/api/v1/sim"))
        assert line.recv(1000) == b""


def test_truncated_answer_promises_more_than_it_sends(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(50)])
    emulator.inject(FaultRule(FaultKind.TRUNCATED, times=1))
    with connect(emulator) as line:
        line.sendall(ask(client, "/api/v1/sim"))
        received = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    promised = int(next(each for each in head.lower().split(b"\r\n") if each.startswith(b"content-length:"))[15:])
    assert len(body) == promised // 2 > 0


def test_body_that_comes_in_pieces_is_put_together(emulator: Emulator) -> None:
    body = f'{{"application_token": "{emulator.token}"}}'.encode()
    with connect(emulator) as line:
        line.sendall(b"POST /api/v1/authenticate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 16):
            line.sendall(body[at : at + 16])
        assert line.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_caller_who_leaves_in_the_middle_of_a_body_has_made_no_call(emulator: Emulator, client: httpx.Client) -> None:
    with connect(emulator) as line:
        line.sendall(b"POST /api/v1/authenticate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    client.get("/api/v1/sim")
    assert emulator.stats()["calls"] == 2  # the fixture's login, and this listing
