"""Details by ids, and lists with a cursor."""

import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator
from simtandem.emulator.iot_accelerator.subscriptions import Inventory, SubscriptionGroup
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.iot_accelerator.asking import Asking


def test_details_are_as_documented(asking: Asking) -> None:
    answer = asking.details(["99987100783000000005"])
    assert STAND_IN not in answer.headers
    (found,) = answer.json()["subscriptions"]
    assert found == {
        "enterprise": "78000003",
        "iccid": "99987100783000000005",
        "imsi": "100783000000005",
        "msisdn": "200783000000005",
        "organizationId": "3.78.3",
        "state": "ACTIVE",
    }


@pytest.mark.parametrize(
    ("group", "field"),
    [
        ("ENTERPRISE", "enterpriseName"),
        ("DATES", "lastSubscriptionChangeDateAt"),
        ("PACKAGE", "subscriptionPackageName"),
        ("SIM_SPEC", "simSpecificationId"),
        ("LOCK_STATE", "subscriptionStateLocked"),
        ("LABEL", "label"),
    ],
)
def test_more_fields_come_only_where_they_are_asked_for(asking: Asking, group: str, field: str) -> None:
    iccs = asking.iccs("DEACTIVATED")[:1]
    assert field not in asking.details(iccs).json()["subscriptions"][0]
    assert field in asking.details(iccs, additionalFields=group).json()["subscriptions"][0]


def test_unknown_ids_are_left_out_or_refuse_all_as_set(platform: IotAcceleratorEmulator, asking: Asking) -> None:
    ids = [*asking.iccs("ACTIVE"), "1"]
    answer = asking.details(ids)
    assert (len(answer.json()["subscriptions"]), answer.headers[STAND_IN]) == (3, "unknown identifiers")
    platform.configure(unknown_identifiers="refused")
    assert asking.details(ids).status_code == 404


@pytest.mark.parametrize("body", [{}, {"identifierType": "ICC"}, {"identifierType": "EID", "identifierValues": ["1"]}])
def test_details_of_nothing_are_a_problem(asking: Asking, body: dict[str, object]) -> None:
    answer = asking.client.post("/iot/api/subscriptions/details", json=body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "Bad Request"


def test_list_goes_on_by_cursor_until_there_is_no_next(asking: Asking) -> None:
    first = asking.listed(limit=4).json()
    assert first["size"] == 4
    assert first["next"] == "/details?q=COMPANY==78000003&order=IMSI&limit=4&cursor=100783000000008"
    seen, path = first["subscriptions"], first["next"]
    while path:
        page = asking.client.get(f"/iot/api/subscriptions{path}").json()
        seen += page["subscriptions"]
        path = page.get("next")
    assert len({each["imsi"] for each in seen}) == len(seen) == 9


def test_list_of_the_last_full_page_has_no_next(asking: Asking) -> None:
    assert "next" not in asking.listed(limit=9).json()
    assert "next" in asking.listed(limit=8).json()


def test_subscription_that_appears_while_a_list_is_read_repeats_nothing(
    platform: IotAcceleratorEmulator, asking: Asking
) -> None:
    first = asking.listed(limit=4).json()
    platform.change(lambda site: site.inventory.add(1, SubscriptionGroup(), site.clock()))
    rest = asking.listed(limit=10, cursor="100783000000008").json()["subscriptions"]
    assert len(first["subscriptions"]) + len(rest) == 9


def test_label_finds_its_own(asking: Asking) -> None:
    found = asking.listed(q="label==depot").json()["subscriptions"]
    assert [each["iccid"] for each in found] == asking.iccs("DEACTIVATED")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"q": ""}, 400),
        ({"q": "STATE==ACTIVE"}, 400),
        ({"order": "state"}, 400),
        ({"limit": 0}, 400),
        ({"limit": 10_001}, 400),
        ({"q": "COMPANY==1"}, 403),
    ],
)
def test_list_that_makes_no_sense_is_a_problem(asking: Asking, query: dict[str, object], status: int) -> None:
    assert asking.listed(**query).status_code == status


def test_same_inventory_each_time_with_every_state_one_may_set() -> None:
    one, other = Inventory.filled(100, 0), Inventory.filled(100, 0)
    assert one == other
    assert len(one.subscriptions) == 100
    assert sum(count > 0 for count in one.summary()["states"].values()) == 6
