"""Ports for servers that are started later: none that this machine gives to a connection meanwhile."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_port() -> int:
    """A port that nobody listens on, and that no connection is given: other processes make thousands."""
    first_given = int(_RANGE.read_text(encoding="ascii").split()[0]) if _RANGE.exists() else 32_768
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(_LOWEST, first_given)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
