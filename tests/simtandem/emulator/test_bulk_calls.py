"""Creating, changing and deleting many endpoints in one call, over a real connection."""

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001
BULK = "/api/v2/endpoint/multi"
SHARED = {"service_profile": {"id": 7}, "tariff_profile": {"id": 8}, "status": {"id": 1}}


def wrong(answer: httpx.Response) -> list[int]:
    assert (answer.status_code, answer.json()["error_code"]) == (422, 1400)
    return [each["error_code"] for each in answer.json()["errors"]]


def test_many_endpoints_are_created_with_what_they_share(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2, SimStatus.ISSUED, None)])
    rows = [{"name": "a", "sim": {"id": SIM, "activate": True}}, {"name": "b", "sim": {"id": SIM + 1}}, {"name": "c"}]
    answer = client.post(BULK, json={**SHARED, "endpoints": rows})
    assert answer.status_code == 201
    assert [each["name"] for each in answer.json()] == ["a", "b", "c"]
    assert {each["service_profile"]["id"] for each in answer.json()} == {7}
    assert emulator.fleet.state_counts() == {"-/Disabled": 1, "Activated/Disabled": 1, "Issued/Disabled": 1}


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([{"sim": {"id": SIM}}, {"sim": {"id": SIM}}], [1405]),
        ([{"name": "good"}, {"sim": {"id": 99}}, {"name": 7}], [1401, 1403]),
        ([{"sim": {}}], [1402]),
        (None, [1402]),
    ],
)
def test_one_wrong_row_creates_nothing(
    emulator: Emulator, client: httpx.Client, rows: object, codes: list[int]
) -> None:
    emulator.refill([Group(1, SimStatus.ISSUED, None)])
    assert wrong(client.post(BULK, json={**SHARED, "endpoints": rows})) == codes
    assert len(emulator.fleet.endpoints) == 0


def test_sims_are_assigned_and_released_in_bulk(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(1, SimStatus.ACTIVATED), Group(1, None), Group(1, SimStatus.ISSUED, None)])
    rows = [{"id": ENDPOINT, "sim": {"id": None}}, {"id": ENDPOINT + 1, "sim": {"id": SIM + 1, "status": {"id": 5}}}]
    assert client.patch(BULK, json=rows).status_code == 204
    assert emulator.fleet.state_counts() == {
        "-/Disabled": 1,
        "Activated/-": 1,
        "Factory Test/Disabled": 1,
    }


def test_one_sim_is_not_given_to_two_endpoints_of_a_call(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2, None), Group(1, SimStatus.ISSUED, None)])
    rows = [{"id": ENDPOINT + each, "sim": {"id": SIM}} for each in (0, 1)]
    assert wrong(client.patch(BULK, json=rows)) == [1405]
    assert emulator.fleet.sims[SIM].endpoint_id is None


def test_an_unknown_row_is_named_with_404_and_code_1401(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(1)])
    answer = client.patch(BULK, json=[{"id": ENDPOINT, "status": {"id": 0}}, {"id": 99, "status": {"id": 0}}])
    assert (answer.status_code, answer.json()["error_code"]) == (404, 1401)
    assert answer.json()["message"] == "Endpoint with Id '99' not found."
    assert emulator.fleet.state_counts() == {"Issued/Disabled": 1}


@pytest.mark.parametrize(
    ("query", "states"),
    [("", {"Issued/-": 1, "Suspended/-": 1}), ("?delete_sims=true", {}), ("?delete_sims=false", None)],
)
def test_endpoints_are_deleted_and_their_sims_suspended_or_deleted(
    emulator: Emulator, client: httpx.Client, query: str, states: dict[str, int] | None
) -> None:
    emulator.refill([Group(1, SimStatus.ACTIVATED, EndpointStatus.ENABLED), Group(1), Group(1, None)])
    rows = [{"id": each} for each in emulator.fleet.endpoint_ids]
    assert client.request("DELETE", BULK + query, json=rows).status_code == 204
    assert emulator.fleet.state_counts() == ({"Issued/-": 1, "Suspended/-": 1} if states is None else states)


def test_an_unknown_id_deletes_nothing(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(1, None)])
    answer = client.request("DELETE", BULK, json=[{"id": ENDPOINT}, {"id": 99}])
    assert (answer.status_code, answer.json()["error_code"]) == (404, 1401)
    assert client.request("DELETE", BULK, json=[{}]).status_code == 400
    assert len(emulator.fleet.endpoints) == 1
