"""Deleting SIMs, over a real connection. Reading and changing them is shown with the other calls."""

import httpx

from schemas.statuses import SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM = 10_000_001
MANY = "/api/v1/sim/multi"


def test_sim_is_deleted_only_without_an_endpoint(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(1), Group(1, SimStatus.SUSPENDED, None)])
    refused = client.delete(f"/api/v1/sim/{SIM}")
    assert (refused.status_code, refused.json()["error_token"]) == (409, "NotAllowed")
    deleted = client.delete(f"/api/v1/sim/{SIM + 1}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"/api/v1/sim/{SIM + 1}").status_code == 404
    assert [each["event_type"]["id"] for each in client.get("/api/v1/event").json()] == [10]


def test_a_reseller_may_not_delete(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(1, SimStatus.SUSPENDED, None)])
    emulator.configure(role="reseller")
    refused = client.delete(f"/api/v1/sim/{SIM}")
    assert (refused.status_code, refused.json()["error_code"]) == (403, 1104)


def test_many_sims_are_deleted_or_none(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(3, SimStatus.ISSUED, None), Group(1)])
    unknown = client.request("DELETE", MANY, json=[{"id": SIM}, {"id": 99}])
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, 1401)
    assert client.request("DELETE", MANY, json=[{"id": SIM}, {"id": SIM + 3}]).status_code == 409
    assert len(emulator.fleet.sims) == 4
    assert client.request("DELETE", MANY, json=[{"id": SIM}, {"id": SIM + 1.0}, {"id": SIM}]).status_code == 204
    assert list(emulator.fleet.sims) == [SIM + 2, SIM + 3]


def test_migration_asks_for_user_credentials(client: httpx.Client) -> None:
    answer = client.post("/api/v1/sim/migration/workspace", json={"target_workspace": {"id": 5}})
    assert (answer.status_code, answer.json()["error_code"]) == (403, 1104)
