"""Batches of SIMs are looked at and registered by their code, over a real connection."""

import httpx
import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

BATCH = "/api/v1/sim_batch/bic/BIC-1"


@pytest.fixture(autouse=True)
def batch(emulator: Emulator) -> None:
    emulator.refill([Group(2, SimStatus.ISSUED, None, bic="BIC-1"), Group(1)])


@pytest.mark.parametrize(("body", "status"), [({}, "Issued"), ({"sim_status": {"id": 4}}, "Factory Test")])
def test_batch_is_registered_once_with_a_status(
    emulator: Emulator, client: httpx.Client, body: object, status: str
) -> None:
    assert client.get(BATCH).json()["quantity"] == "2"
    registered = client.patch(BATCH, json=body)
    assert [each["id"] for each in registered.json()["sim"]] == emulator.fleet.sim_ids[:2]
    assert emulator.fleet.state_counts()[f"{status}/-"] == 2
    assert client.get("/api/v1/event").json()[0]["event_type"]["id"] == 48
    assert client.get(BATCH).status_code == 400
    again = client.patch(BATCH, json=body)
    assert (again.status_code, again.json()["errors"][0]["error_code"]) == (422, 1406)


def test_unknown_batch_is_404_to_look_at_and_422_to_register(client: httpx.Client) -> None:
    assert client.get(BATCH + "0").status_code == 404
    unknown = client.patch(BATCH + "0", json={})
    assert (unknown.status_code, unknown.json()["errors"][0]["error_code"]) == (422, 1401)


@pytest.mark.parametrize(("status", "code"), [({"id": 2}, 1406), ({"id": 9}, 1401), ({}, 1402)])
def test_status_that_the_sims_can_not_have_registers_nothing(
    emulator: Emulator, client: httpx.Client, status: object, code: int
) -> None:
    refused = client.patch(BATCH, json={"sim_status": status})
    assert (refused.status_code, refused.json()["errors"][0]["error_code"]) == (422, code)
    assert client.get(BATCH).status_code == 200
    assert emulator.fleet.events == []
