"""Endpoints are created, given SIMs, released from them, deleted: over a real connection."""

from typing import Any

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001
NEW = {
    "name": "pump",
    "status": {"id": 0},
    "service_profile": {"id": 398490},
    "tariff_profile": {"id": 414470},
}


@pytest.fixture(autouse=True)
def fleet(emulator: Emulator) -> None:
    """A pair in use; an Issued SIM on its own; an endpoint on its own; a pair in Factory Test."""
    on, off = EndpointStatus.ENABLED, EndpointStatus.DISABLED
    emulator.refill(
        [
            Group(1, SimStatus.ACTIVATED, on),
            Group(1, SimStatus.ISSUED, None),
            Group(1, None, off),
            Group(1, SimStatus.FACTORY_TEST, on),
        ]
    )


def patch(client: httpx.Client, body: object, endpoint: int = ENDPOINT + 1) -> httpx.Response:
    return client.patch(f"/api/v1/endpoint/{endpoint}", json=body)


def show(client: httpx.Client, endpoint: int = ENDPOINT + 1) -> Any:
    return client.get(f"/api/v1/endpoint/{endpoint}").json()


def wrong(answer: httpx.Response) -> list[tuple[int, str]]:
    """Code and message of what a refused body has wrong."""
    body = answer.json()
    assert (answer.status_code, body["error_code"], body["error_token"]) == (422, 1400, "InputValidationFailed")
    return [(each["error_code"], each["message"]) for each in body["errors"]]


def kinds(client: httpx.Client) -> list[tuple[int, str]]:
    """Types and descriptions of all events."""
    return [(each["event_type"]["id"], each["description"]) for each in client.get("/api/v1/event").json()]


def test_created_endpoint_is_shown_and_named_in_location(emulator: Emulator, client: httpx.Client) -> None:
    answer = client.post("/api/v1/endpoint", json={**NEW, "tags": "a,b", "imei": "8677300511111142"})
    assert answer.status_code == 201
    created = answer.json()
    assert answer.headers["Location"] == f"{emulator.url}/api/v1/endpoint/{created['id']}"
    assert (created["sim"], created["imei_with_luhn"], created["status"]["description"]) == (None, None, "Enabled")
    shown = show(client, created["id"])
    assert (shown["name"], shown["tags"], shown["imei"]) == ("pump", "a,b", "8677300511111142")
    assert "sim" not in shown


def test_answer_to_a_new_endpoint_is_empty_where_configured(emulator: Emulator, client: httpx.Client) -> None:
    emulator.configure(created_body=False)
    answer = client.post("/api/v1/endpoint", json=NEW)
    assert (answer.status_code, answer.content) == (201, b"")
    assert client.get(answer.headers["Location"]).json()["name"] == "pump"


@pytest.mark.parametrize(
    ("sim", "settings", "status"),
    [
        ({"id": SIM + 1}, {}, "Issued"),
        ({"id": SIM + 1, "activate": True}, {}, "Activated"),
        ({"id": SIM + 1, "activate": True}, {"factory_test_mode": True}, "Factory Test"),
        ({"id": SIM + 1, "activate": True, "status": {"id": 1}}, {"factory_test_mode": True}, "Activated"),
        ({"id": float(SIM + 1), "status": {"id": 4}}, {}, "Factory Test"),
        ({"id": SIM + 1}, {"assigned_sims_activated": True}, "Activated"),
    ],
)
def test_new_endpoint_takes_its_sim_and_activates_it_where_asked(
    emulator: Emulator, client: httpx.Client, sim: object, settings: dict[str, object], status: str
) -> None:
    emulator.configure(**settings)
    created = client.post("/api/v1/endpoint", json={**NEW, "sim": sim}).json()
    assert (created["sim"]["id"], created["sim"]["status"]["description"]) == (SIM + 1, status)
    assert client.get(f"/api/v1/sim/{SIM + 1}").json()["endpoint"]["id"] == created["id"]
    assert (51, f"SIM {SIM + 1} assigned to endpoint {created['id']}") in kinds(client)


def test_new_endpoint_needs_two_profiles_and_a_status(emulator: Emulator, client: httpx.Client) -> None:
    assert wrong(client.post("/api/v1/endpoint", json={})) == [
        (1402, "Endpoint - service_profile is required."),
        (1402, "Endpoint - tariff_profile is required."),
        (1402, "Endpoint - status is required."),
    ]
    taken = client.post("/api/v1/endpoint", json={**NEW, "sim": {"id": SIM}, "service_profile": {"id": -1}})
    assert wrong(taken) == [
        (1401, "Service profile with Id '-1' not found."),
        (1405, f"SIM with Id '{SIM}' is already assigned to Endpoint with Id '{ENDPOINT}'."),
    ]
    assert client.post("/api/v1/endpoint", content=b"{").json()["error_code"] == 1000
    assert len(emulator.fleet.endpoints) == 3


def test_sim_is_assigned_and_released_by_patch(client: httpx.Client) -> None:
    assert patch(client, {"sim": {"id": SIM + 1}}).status_code == 204
    assert patch(client, {"sim": {"id": SIM + 1}}).status_code == 204  # it has it already
    assert show(client)["sim"]["id"] == SIM + 1
    assert client.get(f"/api/v1/sim/{SIM + 1}").json()["endpoint"]["id"] == ENDPOINT + 1
    assert patch(client, {"sim": {"id": None}}).status_code == 204
    assert patch(client, {"sim": {"id": None}}).status_code == 204  # it has none any more
    assert "sim" not in show(client)
    assert "endpoint" not in client.get(f"/api/v1/sim/{SIM + 1}").json()
    assert kinds(client) == [
        (51, f"SIM {SIM + 1} assigned to endpoint {ENDPOINT + 1}"),
        (50, f"SIM {SIM + 1} released from endpoint {ENDPOINT + 1}"),
    ]


def test_another_sim_takes_the_place_of_the_first(client: httpx.Client) -> None:
    assert patch(client, {"sim": {"id": SIM + 1, "status": {"id": 1}}}, ENDPOINT).status_code == 204
    assert show(client, ENDPOINT)["sim"]["status"]["id"] == 1
    assert "endpoint" not in client.get(f"/api/v1/sim/{SIM}").json()


def test_sim_that_is_unknown_or_in_use_or_can_not_have_the_status_is_refused(client: httpx.Client) -> None:
    assert wrong(patch(client, {"sim": {"id": 99}})) == [(1401, "SIM with Id '99' not found.")]
    in_use = f"SIM with Id '{SIM}' is already assigned to Endpoint with Id '{ENDPOINT}'."
    assert wrong(patch(client, {"sim": {"id": SIM}, "name": "x"})) == [(1405, in_use)]
    moved = wrong(patch(client, {"sim": {"id": SIM, "status": {"id": 4}}}, ENDPOINT))
    assert moved == [(1406, "SIM - Status can't change from 'Activated' to 'Factory Test'.")]
    assert show(client)["name"] == f"device-{ENDPOINT + 1}"


def test_every_documented_field_is_changed(client: httpx.Client) -> None:
    body = {
        "name": "valve",
        "tags": "x",
        "imei": "8677300511111142",
        "imei_lock": True,
        "ip_address": "10.1.2.3",
        "ip_address_space": {"id": 1},
        "service_profile": {"id": 7.0},
        "tariff_profile": {"id": 8},
    }
    assert patch(client, body).status_code == 204
    shown = show(client)
    for name in ("name", "tags", "imei", "imei_lock", "ip_address"):
        assert shown[name] == body[name]
    assert (shown["service_profile"]["id"], shown["tariff_profile"]["id"]) == (7, 8)
    assert patch(client, {"tags": None, "imei": None}).status_code == 204
    assert (show(client)["tags"], show(client)["imei"]) == (None, None)
    assert patch(client, {}).status_code == 204


def test_endpoint_is_deleted_only_without_a_sim(emulator: Emulator, client: httpx.Client) -> None:
    refused = client.delete(f"/api/v1/endpoint/{ENDPOINT}")
    assert (refused.status_code, refused.json()["error_token"]) == (409, "NotAllowed")
    assert patch(client, {"sim": {"id": None}}, ENDPOINT).status_code == 204
    deleted = client.delete(f"/api/v1/endpoint/{ENDPOINT}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"/api/v1/endpoint/{ENDPOINT}").status_code == 404
    assert SIM in emulator.fleet.sims


def test_id_of_a_deleted_endpoint_is_not_given_again(client: httpx.Client) -> None:
    first = client.post("/api/v1/endpoint", json=NEW).json()["id"]
    client.delete(f"/api/v1/endpoint/{first}")
    assert client.post("/api/v1/endpoint", json=NEW).json()["id"] == first + 1


def test_connectivity_is_shown_and_reset(client: httpx.Client) -> None:
    path = f"/api/v1/endpoint/{ENDPOINT}/connectivity"
    assert client.get(path).json() == {"status": {"description": "OFFLINE"}, "services": []}
    assert client.patch(path, json={"location": None}).status_code == 204
    assert [each["event_type"]["id"] for each in client.get("/api/v1/event").json()] == [68]
    assert client.patch("/api/v1/endpoint/99/connectivity", json={"pdp_context": None}).status_code == 404


def test_a_reset_activates_a_sim_in_factory_test(client: httpx.Client) -> None:
    assert client.patch(f"/api/v1/endpoint/{ENDPOINT + 2}/connectivity", json={"pdp_context": None}).status_code == 204
    assert client.get(f"/api/v1/sim/{SIM + 2}").json()["status"]["id"] == 1
    assert [each["event_source"]["id"] for each in client.get("/api/v1/event").json()] == [2, 1]
