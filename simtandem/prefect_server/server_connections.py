"""No connection to the address of a home's Prefect server while that server is not alive.

Prefect's clients send the credential with each request and each websocket, and connect again automatically when the
server is gone: to any program that has its port by then. They connect in many places, so the rule is set where each of
them ends: Python reports every connection of this process before it is made.
"""

import errno
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from simtandem.prefect_server.server_process import is_held

_HOMES: dict[tuple[str, int], Path] = {}


def only_while_alive(home: Path, url: str) -> None:
    """From now on, refuse this process connections to that address while no server of that home is alive."""
    parts = urlsplit(url)
    if not _HOMES:
        sys.addaudithook(_refuse_without_server)
    for *_, address in socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM):
        _HOMES[str(address[0]), int(address[1])] = home


def _refuse_without_server(event: str, about: tuple[object, ...]) -> None:
    if event != "socket.connect" or not isinstance(about[1], tuple):
        return
    home = _HOMES.get(about[1][:2])
    if home is not None and not is_held(home / "server.pid"):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "The Prefect server of this home is not alive.")
