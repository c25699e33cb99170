"""Operators, blacklists and SMS, over a real connection."""

import httpx
import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

ENDPOINT = "/api/v1/endpoint/20000001"


@pytest.fixture(autouse=True)
def device(emulator: Emulator) -> None:
    emulator.refill([Group(1)])


def test_operator_is_blacklisted_once(client: httpx.Client) -> None:
    assert [each["id"] for each in client.get("/api/v1/operator").json()] == [3, 4]
    assert client.put(f"{ENDPOINT}/operator_blacklist/3").status_code == 204
    twice = client.put(f"{ENDPOINT}/operator_blacklist/3")
    assert (twice.status_code, twice.json()["error_code"], twice.json()["error_token"]) == (409, 1405, "Duplicated")
    assert [each["name"] for each in client.get(f"{ENDPOINT}/operator_blacklist").json()] == ["Vodafone"]
    assert client.delete(f"{ENDPOINT}/operator_blacklist/3").status_code == 204
    assert client.get(f"{ENDPOINT}/operator_blacklist").json() == []


@pytest.mark.parametrize("path", [f"{ENDPOINT}/operator_blacklist/99", "/api/v1/endpoint/99/operator_blacklist/3"])
def test_unknown_operator_or_endpoint_is_404(client: httpx.Client, path: str) -> None:
    assert client.put(path).json()["error_code"] == 1401


def test_sms_is_kept_with_its_address(emulator: Emulator, client: httpx.Client) -> None:
    sent = client.post(f"{ENDPOINT}/sms", json={"payload": "hello", "source_address": "1234"})
    assert (sent.status_code, sent.headers["Location"]) == (201, f"{emulator.url}{ENDPOINT}/sms/1")
    assert [each["payload"] for each in client.get(f"{ENDPOINT}/sms").json()] == ["hello"]
    assert client.post(f"{ENDPOINT}/sms", json={}).json()["errors"][0]["error_token"] == "Required"
    emulator.reset()
    emulator.refill([Group(1)])
    assert emulator.fleet.sms == {}
