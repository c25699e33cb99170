"""Control over HTTP, faults that any service can have, and what is counted."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator, IotFaultRule
from tests.simtandem.emulator.iot_accelerator.asking import Asking


def test_fleet_is_filled_with_groups_or_a_mixture(asking: Asking) -> None:
    groups = [{"count": 2, "state": "PAUSE"}, {"icc": "99987100783000000099", "state": "ACTIVE"}]
    filled = asking.control("fleet", {"groups": groups}).json()
    assert (filled["subscriptions"], filled["states"]["PAUSE"], filled["states"]["ACTIVE"]) == (3, 2, 1)
    assert asking.states(["99987100783000000099"]) == ["ACTIVE"]
    assert asking.control("fleet", {"devices": 50}).json()["subscriptions"] == 50


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("fleet", {"devices": "many"}, 400),
        ("fleet", {"groups": [{"state": "ASLEEP"}]}, 400),
        ("fleet", {"groups": [{"size": 1}]}, 400),
        ("fleet", {"groups": [{"count": 2, "icc": "1"}]}, 400),
        ("config", {"speed": 1}, 400),
        ("config", {"batch": "some"}, 400),
        ("faults", {"rules": [{"kind": "sulk"}]}, 400),
        ("subscriptions/1", {"state": "PAUSE"}, 404),
        ("requests/REQ1", {"shown_as": "UNKNOWN"}, 404),
    ],
)
def test_mistake_is_answered_with_a_sentence_and_changes_nothing(
    asking: Asking, path: str, body: object, status: int
) -> None:
    before = asking.client.get("/_emulator/fleet").json()
    answer = asking.control(path, body)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert asking.client.get("/_emulator/fleet").json() == before


def test_word_that_nobody_knows_can_be_shown(asking: Asking) -> None:
    icc = asking.iccs("ACTIVE")[0]
    asking.control(f"subscriptions/{icc}", {"shown_as": "HIBERNATING"})
    assert asking.states([icc]) == ["HIBERNATING"]


def test_reset_puts_everything_back(platform: IotAcceleratorEmulator, asking: Asking) -> None:
    asking.control(f"subscriptions/{asking.iccs('ACTIVE')[0]}", {"state": "PAUSE"})
    platform.configure(batch="atomic")
    asking.control("reset", {})
    assert platform.stats()["calls"] == 0
    assert asking.listed().status_code == 401, "tokens are gone"
    assert asking.client.get("/_emulator/config").json()["batch"] == "partial"
    asking.log_in()
    assert len(asking.iccs("ACTIVE")) == 3


def test_routes_are_counted_without_ids_and_calls_at_once_too(platform: IotAcceleratorEmulator, asking: Asking) -> None:
    ticket = asking.changed(asking.iccs("ACTIVE"), "PAUSE")
    platform.configure(latency_s=0.05)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: asking.poll(ticket), range(3)))
    stats = asking.client.get("/_emulator/stats", params={"log": "1"}).json()
    route = "GET /dcpapi/rest/subscriptionManagement/v1/subscriptions/requests/{id}"
    assert stats["by_route"][route] == 3
    assert stats["most_in_flight"] >= 2
    assert len(stats["log"]) == stats["calls"]


@pytest.mark.parametrize(
    ("kind", "status"), [("error", 500), ("html", 502), ("too_many", 429), ("malformed_json", 200), ("cut_json", 200)]
)
def test_fault_is_answered(platform: IotAcceleratorEmulator, asking: Asking, kind: str, status: int) -> None:
    platform.inject(IotFaultRule(kind))
    assert asking.listed().status_code == status


@pytest.mark.parametrize("kind", ["reset", "close", "truncated"])
def test_fault_breaks_the_connection(platform: IotAcceleratorEmulator, asking: Asking, kind: str) -> None:
    platform.inject(IotFaultRule(kind))
    with pytest.raises(httpx.TransportError):
        asking.listed()


def test_path_that_is_not_there_is_a_problem(asking: Asking) -> None:
    answer = asking.client.post("/dcpapi/rest/subscriptionManagement/v1/subscriptions/1:suspendSubscription")
    assert answer.status_code == 404
