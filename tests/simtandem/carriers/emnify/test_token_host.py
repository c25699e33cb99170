"""The token reaches the host that it was configured with, and nobody else, whatever a carrier answers."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.emnify.client import Account, Emnify
from simtandem.carriers.protocol import Call
from simtandem.errors import AuthenticationFailed, CarrierError, CarrierRefused
from tests.simtandem.carriers.emnify.rig import MemoryJournal, logged_in, scripted
from tests.simtandem.runs.list_server import ListServer, list_server


@pytest.fixture
def thief(tmp_path: Path) -> Iterator[ListServer]:
    """Another listener on this machine."""
    with list_server(tmp_path, secure=False) as server:
        server.answers = {}
        yield server


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[ListServer]:
    (tmp_path / "carrier").mkdir()
    with list_server(tmp_path / "carrier", secure=False) as server:
        yield server


def account(url: str, home: Path) -> Account:
    return Account(url, "hush-hush", 1000, 60.0, 2, home)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_takes_the_token_along(
    tmp_path: Path, carrier: ListServer, thief: ListServer, status: int
) -> None:
    away = (status, {"Location": f"{thief.address}/api/v1/authenticate"}, b"")
    carrier.answers = {"/api/v1/authenticate": away}
    async with Emnify(account(carrier.address, tmp_path), MemoryJournal()) as adapter:
        with pytest.raises(AuthenticationFailed):
            await adapter.count_fleet()
    assert carrier.asked == ["/api/v1/authenticate"]
    assert thief.asked == []


async def test_no_redirect_of_a_call_takes_the_bearer_token_along(tmp_path: Path) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        if request.url.path.endswith("/authenticate"):
            return logged_in()
        return httpx.Response(307, headers={"Location": "https://thief.test/api/v1/sim"})

    async with scripted(tmp_path, answer) as rig:
        reply = await rig.transport.get("/api/v1/sim/1", spacing="sim", purpose="read")
    assert reply.kind.refused
    assert set(hosts) == {"carrier.test"}


@pytest.mark.parametrize("path", ["https://thief.test/x", "http://carrier.test/x", "https://carrier.test:444/x"])
async def test_a_path_that_leads_to_another_host_is_not_sent_nor_recorded(tmp_path: Path, path: str) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return logged_in()

    async with scripted(tmp_path, answer) as rig:
        with pytest.raises(CarrierRefused, match=r"would have left carrier\.test"):
            await rig.transport.send(Call("GET", path, "read"))
        assert [call.path for call in rig.journal.calls] == ["/api/v1/authenticate"]
    assert hosts == ["carrier.test"]
    assert issubclass(CarrierRefused, CarrierError)
