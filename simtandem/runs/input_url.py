"""A list at an address that someone gave in a form: from allowed schemes and hosts, never from inside this network.

A worker reaches what the person at the form does not: itself, its neighbours, the metadata of its cloud. So names are
looked up once, the addresses found are judged, and the connection goes to the one that was judged.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from schemas.hosts import plain_host
from simtandem.errors import InputError
from simtandem.intake import Bounds

_CHUNK = 1 << 20
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x20\x7f]+")
_WEB = ("https", "http")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SILENT_S, _LONGEST_S = 20.0, 240.0
_CREDENTIALS = re.compile(r"(?i).*(token|secret|passw|signature|credential|api.?key).*|sig|key|auth|code")
_TRANSLATED = tuple(ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What may be fetched. `hosts`, spelled as by `plain_host`: these alone, wherever they are; none: public ones."""

    schemes: tuple[str, ...] = ("https",)
    hosts: tuple[str, ...] = ()

    def require(self, url: SplitResult, first: SplitResult) -> None:
        """Raise `InputError` unless this may be fetched, on the way from the address that was given."""
        if url.scheme not in self.schemes:
            raise InputError(
                f"A list may not be fetched by {url.scheme}: allowed {_are(self.schemes)} (SIMTANDEM_LIST_SCHEMES). "
                "Nothing was sent."
            )
        if url.scheme in _WEB and plain_host(url.netloc) not in (self.hosts or (plain_host(first.netloc),)):
            raise InputError(
                "A list may not be fetched from that host, or its host leads on to another one. Nothing was sent.\n"
                "Hosts that are allowed: SIMTANDEM_LIST_HOSTS."
            )

    def allow(self, host: str, address: str) -> bool:
        """Whether a connection to this address may be made for that host."""
        found = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        if found.is_link_local or found.is_multicast or found.is_unspecified:
            return False
        return host in self.hosts or (found.is_global and not any(found in network for network in _TRANSLATED))


def fetch(text: str, rules: AddressRules, allowed: Bounds) -> bytes:
    """The bytes at an address, at most as many as are read. Raises `InputError`, which never quotes the address."""
    url = _checked(text)
    rules.require(url, url)
    try:
        return _from_web(url, rules, allowed) if url.scheme in _WEB else _from_store(text, allowed)
    except InputError:
        raise
    except Exception as error:  # each kind of store has its own
        raise _unreadable(type(error).__name__) from error


def _checked(text: str) -> SplitResult:
    """The address, if it is one, and no secret in it: a form's text is kept, shown and recorded."""
    try:
        url = urlsplit(text)
        whole = _PLAIN.fullmatch(text) and "::" not in text.split("?", maxsplit=1)[0].partition("://")[0]
        usable = (
            whole and url.port != 0 and (url.scheme not in _WEB or ((url.hostname or "").isascii() and url.hostname))
        )
    except ValueError:
        usable = False
    if not usable:
        raise InputError("The file's address is not one that can be read, such as https://host/path. Nothing was sent.")
    if "@" in url.netloc or any(_CREDENTIALS.fullmatch(name) for name, _ in parse_qsl(url.query)):
        raise InputError(
            "The file's address holds a user, password, token or signature; what is filled in here is kept and shown. "
            "Nothing was sent.\nGive that secret up, and put the list where it can be read without, or paste it."
        )
    return url


def _from_web(given: SplitResult, rules: AddressRules, allowed: Bounds) -> bytes:
    url, give_up = given, time.monotonic() + _LONGEST_S
    for _ in range(_MOST_REDIRECTS + 1):
        rules.require(url, given)
        with closing(_connected(url, rules)) as connection:
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "simtandem"})
            with closing(connection.getresponse()) as answer:
                if answer.status not in _REDIRECTS:
                    return _body(answer, allowed, give_up)
                url = _checked(urljoin(url.geturl(), answer.headers.get("Location") or ""))
    raise _unreadable("too many redirects")


def _body(answer: http.client.HTTPResponse, allowed: Bounds, give_up: float) -> bytes:
    if answer.status != http.client.OK:
        raise _unreadable(f"HTTP {answer.status}")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _unreadable("it is compressed")
    return _up_to(allowed, lambda: answer.read1(_CHUNK), give_up)


def _connected(url: SplitResult, rules: AddressRules) -> http.client.HTTPConnection:
    """A connection for one request, to an address that was judged."""
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    found = list(dict.fromkeys(str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    if not all(rules.allow(plain_host(url.netloc), address) for address in found):
        raise InputError(
            "The file's address leads into this machine's own network, where a form may not reach. Nothing was sent.\n"
            "Where that is wanted, name the host in SIMTANDEM_LIST_HOSTS."
        )
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=_SILENT_S)
    plain = _first_answering(found, port)
    try:
        context = ssl.create_default_context() if secure else None
        connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
    except BaseException:
        plain.close()
        raise
    return connection


def _first_answering(addresses: list[str], port: int) -> socket.socket:
    for address in addresses[:-1]:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout=_SILENT_S)
    return socket.create_connection((addresses[-1], port), timeout=_SILENT_S)


def _from_store(url: str, allowed: Bounds) -> bytes:
    import fsspec

    with fsspec.open(url, "rb") as source:
        return _up_to(allowed, lambda: source.read(_CHUNK), time.monotonic() + _LONGEST_S)


def _up_to(allowed: Bounds, read: Callable[[], bytes], give_up: float) -> bytes:
    data = bytearray()
    while part := read():
        data += part
        if len(data) > allowed.size:
            raise allowed.too_large()
        if time.monotonic() > give_up:
            raise _unreadable("it takes too long")
    return bytes(data)


def _unreadable(why: str) -> InputError:
    return InputError(
        f"The file can't be read from its URL ({why}). Nothing was sent.\n"
        "Check the address, and that the worker may reach it; an s3:// or gs:// address needs its fsspec package."
    )


def _are(words: tuple[str, ...]) -> str:
    return f"{'are' if len(words) > 1 else 'is'} {', '.join(words) or 'none'}"
