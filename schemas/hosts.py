"""One spelling for a host, however a person or an older version wrote it.

Locks, the call budget and the ledger identify carriers by their host. Upper case, the scheme's own port and a dot at
the end name the same one. Ledgers keep what older versions recorded, so queries ask for every spelling.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = ("443", "80")


def plain_host(netloc: str) -> str:
    """The host, and its port where that is not the one of https or http: `CDN.emnify.net.:443` is `cdn.emnify.net`."""
    host, port = _split(netloc.strip().casefold())
    return f"{host}:{port}" if port and port not in _DEFAULT_PORTS else host


def host_of(url: str) -> str:
    """The plain host of an http(s) address."""
    return plain_host(urlsplit(url).netloc)


def is_loopback(name: str) -> bool:
    """Whether a host, without port or brackets, is this machine itself by its name, without asking a resolver."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.casefold().rstrip(".") == "localhost"


def spellings(host: str) -> list[str]:
    """A host in every form, in lower case, that `plain_host` makes one of."""
    name, port = _split(plain_host(host))
    ports = [f":{port}"] if port else ["", *(f":{each}" for each in _DEFAULT_PORTS)]
    dots = [""] if name.startswith("[") else ["", "."]
    return [f"{name}{dot}{each}" for dot in dots for each in ports]


def _split(netloc: str) -> tuple[str, str]:
    """Name and port. The colons of an IPv6 address are in brackets."""
    name, colon, port = netloc.rpartition(":")
    if not colon or "]" in port:
        name, port = netloc, ""
    return name.rstrip("."), port.lstrip("0")
