"""The control calls, over a real connection."""

import re

import httpx
import pytest

from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001
PAIR = {"groups": [{"sim": "Factory Test", "endpoint": "Enabled"}]}


def control(client: httpx.Client, path: str, body: object) -> httpx.Response:
    return client.post(f"/_emulator/{path}", json=body)


def test_fleet_is_filled_from_groups_or_as_a_mixture(stranger: httpx.Client) -> None:
    groups = [{"count": 3}, {"sim": "Activated", "endpoint": None}, {"sim": None, "sim_id": None, "endpoint_id": 7}]
    answer = control(stranger, "fleet", {"groups": groups})
    states = {"-/Disabled": 1, "Activated/-": 1, "Issued/Disabled": 3}
    assert answer.json() == {"sims": 4, "endpoints": 4, "states": states}
    assert stranger.get("/_emulator/fleet").json() == answer.json()
    assert sum(control(stranger, "fleet", {"devices": 40}).json()["states"].values()) == 40


def test_another_fleet_starts_the_counts_afresh(client: httpx.Client) -> None:
    client.get("/api/v1/sim")
    control(client, "fleet", PAIR)
    assert client.get("/_emulator/stats").json()["calls"] == 0
    assert client.get("/api/v1/sim").status_code == 200  # the token is still good


def test_config_is_changed_and_shown(stranger: httpx.Client) -> None:
    assert control(stranger, "config", {"calls": 7, "latency_s": 0}).json()["calls"] == 7
    assert stranger.get("/_emulator/config").json()["calls"] == 7


def test_faults_are_replaced_and_ended(client: httpx.Client) -> None:
    rules = [{"kind": "error", "method": "GET", "path": "/sim", "status": 500}]
    assert control(client, "faults", {"rules": rules, "seed": 3}).json() == {"rules": 1}
    assert client.get("/api/v1/sim").status_code == 500
    assert client.get("/_emulator/stats").json()["faults"] == [{"kind": "error", "matched": 1, "fired": 1}]
    control(client, "faults", {"rules": []})
    assert client.get("/api/v1/sim").status_code == 200


def test_sim_is_moved_by_itself_by_somebody_and_deleted(emulator: Emulator, stranger: httpx.Client) -> None:
    control(stranger, "fleet", PAIR)
    assert control(stranger, f"sims/{SIM}", {"move": "volume_reached"}).json()["status"]["description"] == "Activated"
    assert control(stranger, f"sims/{SIM}", {"status": "Suspended"}).json()["status"]["id"] == 2
    assert [event.source for event in emulator.fleet.events] == [1, 2]
    assert control(stranger, f"sims/{SIM}", {"delete": True}).json() == {"deleted": SIM}
    assert control(stranger, f"sims/{SIM}", {"status": "Activated"}).status_code == 404


def test_endpoint_is_changed_by_somebody_and_deleted(emulator: Emulator, stranger: httpx.Client) -> None:
    control(stranger, "fleet", PAIR)
    assert control(stranger, f"endpoints/{ENDPOINT}", {"status": "Disabled"}).json()["status"]["id"] == 1
    assert emulator.fleet.sims[SIM].status == "Factory Test"
    assert control(stranger, f"endpoints/{ENDPOINT}", {"delete": True}).json() == {"deleted": ENDPOINT}
    assert emulator.fleet.sims[SIM].endpoint_id is None


def test_device_is_shown_otherwise_than_it_is(emulator: Emulator, client: httpx.Client) -> None:
    control(client, "fleet", PAIR)
    odd = {"show": {"status": {"id": 9, "description": "Lost"}, "eid": "1"}, "hide": ["imsi"]}
    control(client, f"sims/{SIM}", odd)
    sim, inner = client.get("/api/v1/sim").json()[0], client.get(f"/api/v1/endpoint/{ENDPOINT}").json()["sim"]
    assert sim["status"] == inner["status"] == {"id": 9, "description": "Lost"}
    assert (sim["eid"], "eid" in inner, "imsi" in sim, "imsi" in inner) == ("1", False, False, False)
    assert control(client, f"endpoints/{ENDPOINT}", {"show": {"status": None}}).json()["status"] is None
    control(client, f"sims/{SIM}", {"show": {}})
    assert client.get(f"/api/v1/sim/{SIM}").json()["status"]["id"] == 4
    assert emulator.fleet.events == []


def test_event_of_any_type_is_added(client: httpx.Client) -> None:
    control(client, "fleet", PAIR)
    added = {"type": 99, "words": "Teleported", "description": "Gone.", "source": 1, "sim": SIM}
    assert control(client, "events", added).json()["endpoint"]["id"] == ENDPOINT
    assert control(client, "events", {"type": 67}).json()["event_type"]["description"] == "User switched workspace"
    events = client.get("/api/v1/event").json()
    assert [each["event_type"]["id"] for each in events] == [99, 67]
    assert (events[0]["event_type"]["description"], events[0]["event_source"]["id"]) == ("Teleported", 1)


def test_faults_by_id_are_set_up(client: httpx.Client) -> None:
    control(client, "fleet", PAIR)
    control(client, "faults", {"rules": [{"kind": "refused", "ids": [SIM], "status": 409, "code": 1405}]})
    assert client.get(f"/api/v1/sim/{SIM}").json()["error_token"] == "Duplicated"


def test_control_calls_are_no_carrier_calls_and_need_no_token(emulator: Emulator, stranger: httpx.Client) -> None:
    emulator.configure(calls=0)
    control(stranger, "fleet", PAIR)
    assert stranger.get("/_emulator/stats").json()["calls"] == 0
    assert stranger.get("/api/v1/sim").status_code == 429


def test_stats_give_every_call_on_demand(client: httpx.Client) -> None:
    client.get(f"/api/v1/sim/{SIM}")
    assert "log" not in client.get("/_emulator/stats").json()
    log = client.get("/_emulator/stats?log=1").json()["log"]
    assert [line[1:] for line in log] == [["POST /api/v1/authenticate", 200], ["GET /api/v1/sim/{id}", 404]]


def test_reset_puts_everything_back(emulator: Emulator, client: httpx.Client) -> None:
    control(client, "fleet", PAIR)
    control(client, "config", {"calls": 3})
    control(client, "faults", {"rules": [{"kind": "reset"}]})
    assert control(client, "reset", {}).json() == {"sims": 0, "endpoints": 0, "states": {}}
    assert client.get("/api/v1/sim").status_code == 401  # no fault, no limit reached, and the token is forgotten
    assert client.get("/_emulator/config").json()["calls"] == 2000
    assert emulator.stats()["calls"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("fleet", {}, 400),
        ("fleet", {"devices": "many"}, 400),
        ("fleet", {"devices": 3, "groups": []}, 400),
        ("fleet", {"groups": [{"sim": "Asleep"}]}, 400),
        ("fleet", {"groups": [3]}, 400),
        ("fleet", {"groups": [{"colour": "red"}]}, 400),
        ("fleet", {"groups": [{"sim_id": 1}, {"sim_id": 1}]}, 400),
        ("config", {"speed": 3}, 400),
        ("config", {"calls": "many"}, 400),
        ("config", [], 400),
        ("faults", {"rules": {}}, 400),
        ("faults", {"rules": [{"kind": "explode"}]}, 400),
        (f"sims/{SIM}", {"status": "Asleep"}, 400),
        (f"sims/{SIM}", {}, 400),
        (f"sims/{SIM}", {"show": []}, 400),
        (f"endpoints/{ENDPOINT}", {"hide": {}}, 400),
        ("events", {}, 400),
        ("events", {"type": 8, "source": 7}, 400),
        ("events", {"type": 8, "sim": 99}, 404),
        (f"sims/{SIM + 1}", {"move": "volume_reached"}, 400),
        ("sims/99", {"delete": True}, 404),
        (f"endpoints/{ENDPOINT}", {"move": "volume_reached"}, 400),
        ("endpoints/99", {"status": "Enabled"}, 404),
        ("nothing", {}, 404),
    ],
)
def test_mistaken_control_call_is_refused_with_a_sentence_and_changes_nothing(
    stranger: httpx.Client, path: str, body: object, status: int
) -> None:
    before = control(stranger, "fleet", {"groups": [{"sim": "Factory Test", "endpoint": "Enabled"}, {}]}).json()
    answer = control(stranger, path, body)
    assert answer.status_code == status
    message = answer.json()["message"]
    assert message
    assert not re.search(r"SimStatus|EndpointStatus|Source|__init__|<", message), "words of Python"
    assert stranger.get("/_emulator/fleet").json() == before
