"""The feed of changes: who, when, to what."""

from datetime import UTC, datetime
from typing import Any

import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.hand_clock import START, HandClock
from tests.simtandem.emulator.iot_accelerator.asking import FEED, Asking


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def feed(asking: Asking, **query: Any) -> list[dict[str, Any]]:
    imsis = [each["imsi"] for each in asking.all()]
    asked = {"identifier_type": "imsi", "identifiers": imsis, "since": moment(START)} | query
    answer = asking.client.post(FEED, json=asked)
    assert answer.status_code == 201, answer.text
    url, found = answer.headers["Location"], []
    while url:
        page = asking.client.get(url).json()
        found += page["changes"]
        url = page.get("next")
    return found


def test_change_by_a_request_names_it_and_who_asked(asking: Asking, hand_clock: HandClock) -> None:
    subscription = asking.all()[0]
    ticket = asking.changed([subscription["iccid"]], "ACTIVE_NO_BILLING")
    hand_clock.advance(5)
    (change,) = feed(asking)
    assert change == {
        "occured_at": "2025-06-15T15:06:41.000Z",
        "imsi": subscription["imsi"],
        "change": "CHANGE_SUBSCRIPTIONSTATE",
        "initiated_by": "operator@example.com",
        "subscription_request_id": ticket,
        "new_values": {"subscription_state": "ACTIVE-NO-BILLING"},
    }


def test_change_by_somebody_else_and_one_by_itself_can_be_told_apart(asking: Asking, hand_clock: HandClock) -> None:
    first, second = asking.iccs("ACTIVE")[:2]
    asking.control(f"subscriptions/{first}", {"state": "PAUSE"})
    asking.control(f"subscriptions/{second}", {"by_itself": "DEACTIVATED"})
    hand_clock.advance(5)
    by_somebody, by_itself = feed(asking)
    assert (by_somebody["initiated_by"], by_somebody["change"]) == ("someone@example.com", "CHANGE_SUBSCRIPTIONSTATE")
    assert (by_itself["initiated_by"], by_itself["change"]) == ("", "TRIGGER_ACTION")
    answer = asking.client.post(
        FEED,
        json={"identifier_type": "subscription-package", "identifiers": ["200200202_SP_01"], "since": moment(START)},
    )
    assert asking.client.get(answer.headers["Location"]).headers[STAND_IN] == "type of an automatic change"


def test_pages_ranges_times_and_types_choose(asking: Asking, hand_clock: HandClock) -> None:
    for icc in asking.iccs("ACTIVE"):
        asking.control(f"subscriptions/{icc}", {"state": "PAUSE"})
        hand_clock.advance(10)
    assert len(feed(asking, page_limit=2)) == 3
    assert len(feed(asking, since=moment(START + 10), until=moment(START + 20))) == 1
    assert feed(asking, changes=["TRIGGER_ACTION"]) == []
    one = {"start": "100783000000006", "end": "100783000000006"}
    assert len(feed(asking, identifiers=None, identifier_ranges=[one])) == 1


def test_page_may_be_empty_and_still_have_a_next(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.configure(changes_ready_s=30)
    asking.control(f"subscriptions/{asking.iccs('ACTIVE')[0]}", {"state": "PAUSE"})
    hand_clock.advance(1)
    asked = {"identifier_type": "imsi", "identifiers": ["100783000000005"], "since": moment(START)}
    url = asking.client.post(FEED, json=asked).headers["Location"]
    first = asking.client.get(url).json()
    assert first["changes"] == []
    hand_clock.advance(30)
    assert len(asking.client.get(first["next"]).json()["changes"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"identifier_type": "icc"},
        {"identifiers": []},
        {"identifiers": ["1"] * 1001},
        {"since": None},
        {"since": moment(START - 93 * 86_400)},
        {"until": moment(START - 1)},
        {"page_limit": 10_001},
        {"identifier_type": "subscription-package", "identifiers": ["a", "b"]},
    ],
)
def test_question_that_makes_no_sense_is_a_problem(asking: Asking, wrong: dict[str, Any]) -> None:
    asked = {"identifier_type": "imsi", "identifiers": ["1"], "since": moment(START)} | wrong
    answer = asking.client.post(FEED, json=asked)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_unknown_question_or_page_is_refused(asking: Asking) -> None:
    assert asking.client.get(f"{FEED}/HIST1").status_code == 404
    assert asking.client.get(f"{FEED}/HIST1", params={"page": "???"}).status_code == 400
