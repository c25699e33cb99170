import pytest

from schemas.hosts import host_of, plain_host, spellings


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://cdn.emnify.net", "cdn.emnify.net"),
        ("https://CDN.Emnify.NET:443/", "cdn.emnify.net"),
        ("http://cdn.emnify.net.:80/api", "cdn.emnify.net"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://Carrier.test.:0443", "carrier.test"),
        ("http://carrier.test:", "carrier.test"),
        ("http://[::1]", "[::1]"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://[2001:DB8::1]:443", "[2001:db8::1]"),
    ],
)
def test_a_host_has_one_name(url: str, host: str) -> None:
    assert host_of(url) == host
    assert plain_host(host) == host


@pytest.mark.parametrize("host", ["cdn.emnify.net", "127.0.0.1:8080", "[::1]", "[::1]:8080"])
def test_every_spelling_is_of_that_host(host: str) -> None:
    assert host in spellings(host)
    assert {plain_host(each.upper()) for each in spellings(host)} == {host}


def test_other_ports_are_other_hosts() -> None:
    assert "carrier.test:8443" not in spellings("carrier.test")
