"""What a form may have fetched: a real https server answers, and other ones must not hear of it."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from simtandem.errors import InputError
from simtandem.intake import Bounds
from simtandem.runs.input_url import AddressRules, fetch
from tests.simtandem.runs.list_server import ListServer, list_server

LIST = b"sim_id,status\n1,activated\n"
PUBLIC = AddressRules()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListServer]:
    with list_server(tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
def server(running: ListServer, monkeypatch: pytest.MonkeyPatch) -> ListServer:
    """It, its CA trusted by this process."""
    monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
    running.asked.clear()
    running.answers = {"/depot.csv": (200, {}, LIST), "/depot.csv?version=3": (200, {}, LIST + b"2,activated\n")}
    return running


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListServer]:
    """Another host, which nobody allowed."""
    with list_server(tmp_path_factory.mktemp("plain"), secure=False) as other:
        other.answers = {"/stolen": (200, {}, b"stolen")}
        yield other


def read(url: str, *hosts: str, schemes: tuple[str, ...] = ("https",), bounds: Bounds = Bounds(1)) -> bytes:  # noqa: B008
    return fetch(url, AddressRules(schemes, hosts), bounds)


def test_a_list_is_fetched_by_https_from_a_host_that_is_allowed(server: ListServer) -> None:
    assert read(f"{server.address}/depot.csv", server.host) == LIST
    assert read(f"{server.address}/depot.csv?version=3", server.host).count(b"\n") == 3


def test_a_host_that_can_not_prove_its_name_is_not_read(server: ListServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(InputError, match="SSLCertVerificationError"):
        read(f"{server.address}/depot.csv", server.host)
    assert server.asked == []


@pytest.mark.parametrize("named", ["127.0.0.1", "localhost", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_reached_unless_it_is_named(server: ListServer, named: str) -> None:
    port = urlsplit(server.address).port
    with pytest.raises(InputError, match=r"own network|can't be read from its URL \(gaierror\)"):
        read(f"https://{named}:{port}/depot.csv")
    assert server.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104 - judged, not bound
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "fd00:ec2::254", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::1", "ff02::1",
    ],
)  # fmt: skip
def test_no_address_of_an_inner_network_is_public(address: str) -> None:
    assert not PUBLIC.allow("lists.example.org", address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are(address: str) -> None:
    assert PUBLIC.allow("lists.example.org", address)


def test_a_host_that_is_named_may_be_inside_but_never_a_cloud_s_metadata() -> None:
    rules = AddressRules(hosts=("lists.internal",))
    assert rules.allow("lists.internal", "10.0.0.7")
    assert not rules.allow("other.internal", "10.0.0.7")
    assert not rules.allow("lists.internal", "169.254.169.254")


def test_the_connection_goes_to_the_address_that_was_judged(
    server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may be looked up to something else the second time."""
    looked: list[str] = []
    port = urlsplit(server.address).port
    real = socket.getaddrinfo

    def look_up(host: str, *more: object, **given: object) -> object:
        if host != "lists.test":
            return real(host, *more, **given)  # type: ignore[arg-type]
        looked.append(host)
        return real("192.0.2.1" if len(looked) == 1 else "127.0.0.1", port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(InputError):
        read(f"https://lists.test:{port}/depot.csv")
    assert looked == ["lists.test"]
    assert server.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_and_none_to_another(
    server: ListServer, plain: ListServer, status: int
) -> None:
    server.answers |= {
        "/here": (status, {"Location": "/depot.csv"}, b""),
        "/away": (status, {"Location": f"{plain.address}/stolen"}, b""),
        "/file": (status, {"Location": "file:///etc/passwd"}, b""),
        "/nowhere": (status, {}, b""),
        "/round": (status, {"Location": "/round"}, b""),
        "/user": (status, {"Location": f"https://me:pw@{server.host}/depot.csv"}, b""),
    }
    assert read(f"{server.address}/here", server.host) == LIST
    for path, says in {
        "/away": "may not be fetched by http",
        "/file": "may not be fetched by file|not one that can be read",
        "/nowhere": "too many redirects",
        "/round": "too many redirects",
        "/user": "holds a user",
    }.items():
        with pytest.raises(InputError, match=says):
            read(f"{server.address}{path}", server.host)
    with pytest.raises(InputError, match="leads on to another one"):
        read(f"{server.address}/away", server.host, schemes=("https", "http"))
    assert plain.asked == []


def test_another_host_than_those_named_is_not_asked(server: ListServer, plain: ListServer) -> None:
    with pytest.raises(InputError, match="SIMTANDEM_LIST_HOSTS"):
        read(f"{plain.address}/stolen", server.host, schemes=("https", "http"))
    assert plain.asked == []


def test_plain_http_needs_to_be_allowed(plain: ListServer) -> None:
    with pytest.raises(InputError, match="may not be fetched by http: allowed is https"):
        read(f"{plain.address}/stolen", plain.host)
    assert plain.asked == []
    assert read(f"{plain.address}/stolen", plain.host, schemes=("http",)) == b"stolen"
    plain.asked.clear()


@pytest.mark.parametrize(
    "url",
    [
        "https://me:pw@{host}/depot.csv",
        "https://me@{host}/depot.csv",
        "https://{host}/depot.csv?token=abc",
        "https://{host}/depot.csv?a=1&X-Amz-Signature=abc",
        "https://{host}/depot.csv?sig=abc",
        "https://{host}/depot.csv?api_key=abc",
        "ftp://me:pw@{host}/depot.csv",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_repeated(server: ListServer, url: str) -> None:
    with pytest.raises(InputError, match="holds a user, password, token or signature") as refused:
        read(url.format(host=server.host), server.host)
    assert "pw" not in str(refused.value).replace("password", "")
    assert "abc" not in str(refused.value)
    assert server.asked == []


def test_what_is_too_large_compressed_or_no_answer_is_not_used(server: ListServer) -> None:
    server.answers |= {
        "/large": (200, {}, b"x" * (2 << 20)),
        "/lies": (200, {"Content-Length": "10"}, b"x" * 10),
        "/packed": (200, {"Content-Encoding": "gzip"}, b"x"),
        "/broken": (500, {}, b"root:x:0:0"),
    }
    assert len(read(f"{server.address}/lies", server.host)) == 10
    for path, says in {"/large": "at most 1 MB", "/packed": "compressed", "/broken": "HTTP 500"}.items():
        with pytest.raises(InputError, match=says) as refused:
            read(f"{server.address}{path}", server.host)
        assert "root" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["memory://x::file:///etc/passwd", "simplecache::file:///etc/passwd", "https:///etc/passwd", "https://h:0/"]
)
def test_no_other_way_leads_to_a_file(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not one that can be read"):
        read(url, schemes=("https", "memory", "file"))
