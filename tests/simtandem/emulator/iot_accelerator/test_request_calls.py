"""Batch changes: accepted, polled, found again, and what can go wrong with them."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator, IotFaultRule
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.hand_clock import START, HandClock
from tests.simtandem.emulator.iot_accelerator.asking import CHANGES, Asking


def state_of(asking: Asking, ticket: str) -> str:
    state: str = asking.poll(ticket).json()["subscriptionRequestState"]
    return state


def test_change_is_accepted_and_carried_out_while_the_clock_goes_on(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.configure(pending_s=5, work_s=5)
    iccs = asking.iccs("ACTIVE")
    answer = asking.change(iccs, "PAUSE")
    assert answer.status_code == 201
    assert STAND_IN not in answer.headers, "documented in full"
    ticket = answer.json()["subscription_request_id"]
    assert ticket.startswith("REQ")
    assert (state_of(asking, ticket), asking.states(iccs)) == ("PENDING", ["ACTIVE"] * 3)
    hand_clock.advance(5)
    assert (state_of(asking, ticket), asking.states(iccs)) == ("IN_PROGRESS", ["ACTIVE"] * 3)
    hand_clock.advance(5)
    assert (state_of(asking, ticket), asking.states(iccs)) == ("COMPLETED", ["PAUSE"] * 3)


def test_subscriptions_of_a_request_are_done_one_after_the_other(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.configure(work_s=0, sim_s=1)
    ticket = asking.changed(asking.iccs("ACTIVE"), "PAUSE")
    hand_clock.advance(2)
    assert asking.lines(ticket) == ["COMPLETED", "COMPLETED", "IN_PROGRESS"]
    counters = asking.poll(ticket).json()["subscriptionRequestResourceCounters"]
    assert (counters["completed"], counters["inProgress"], counters["failed"]) == (2, 1, 0)
    hand_clock.advance(1)
    assert state_of(asking, ticket) == "COMPLETED"


def test_poll_names_the_subscriptions_page_by_page_from_page_zero(asking: Asking, hand_clock: HandClock) -> None:
    iccs = asking.iccs("ACTIVE")
    ticket = asking.changed(iccs, "PAUSE")
    hand_clock.advance(1)
    pages = [asking.poll(ticket, page=page, perPage=2).json() for page in range(3)]
    assert [page["size"] for page in pages] == [3, 3, 3], "the size of the request, not of the page"
    shown = [each for page in pages for each in page["subscriptionRequestResources"]]
    properties = [{each["type"]: each["value"] for each in line["resourceProperties"]} for line in shown]
    assert [each["ICCID"] for each in properties] == iccs
    assert {each["TARGET_SUBSCRIPTION_STATE"] for each in properties} == {"PAUSE"}
    assert pages[0]["timeCreated"] == {"epochSecond": int(START), "nano": 0}
    assert asking.poll(ticket).headers["Content-Type"] == "application/vnd.dcp-v1+json"


def test_failures_have_reasons_and_leave_the_others_done(asking: Asking, hand_clock: HandClock) -> None:
    good, locked, blocked = asking.iccs("ACTIVE")[0], asking.iccs("PAUSE")[0], asking.iccs("OPERATOR_BLOCKED")[0]
    ticket = asking.changed([good, locked, blocked, "99987000000000000000"], "DEACTIVATED")
    hand_clock.advance(1)
    answer = asking.poll(ticket)
    body = answer.json()
    assert body["subscriptionRequestState"] == "COMPLETED_WITH_FAILURES"
    assert asking.lines(ticket) == ["COMPLETED", "FAILED", "FAILED", "FAILED"]
    failures = [line["resourceFailureInfos"] for line in body["subscriptionRequestResources"]]
    assert failures[0] == []
    assert all(each[0]["getErrorType"] == "DCP_ERROR" for each in failures[1:])
    assert "reasons" in answer.headers[STAND_IN]
    assert asking.states([good, locked, blocked]) == ["DEACTIVATED", "PAUSE", "OPERATOR_BLOCKED"]


def test_batch_can_be_all_or_nothing(platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock) -> None:
    platform.configure(batch="atomic")
    good, locked = asking.iccs("ACTIVE")[0], asking.iccs("PAUSE")[0]
    ticket = asking.changed([good, locked], "DEACTIVATED")
    hand_clock.advance(60)
    assert (state_of(asking, ticket), asking.lines(ticket)) == ("REJECTED", ["REJECTED", "REJECTED"])
    assert asking.states([good]) == ["ACTIVE"]


@pytest.mark.parametrize(("setting", "state"), [("failed", "COMPLETED_WITH_FAILURES"), ("completed", "COMPLETED")])
def test_state_that_is_held_already_is_a_setting(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock, setting: str, state: str
) -> None:
    platform.configure(same_state=setting)
    ticket = asking.changed(asking.iccs("ACTIVE"), "ACTIVE")
    hand_clock.advance(1)
    assert state_of(asking, ticket) == state


@pytest.mark.parametrize(("days", "state"), [(59, "ACTIVE"), (61, "TERMINATED")])
def test_terminated_comes_back_within_its_quarantine_only(
    asking: Asking, hand_clock: HandClock, days: int, state: str
) -> None:
    iccs = asking.iccs("TERMINATED")
    hand_clock.advance(days * 86_400)
    asking.log_in()
    asking.changed(iccs, "ACTIVE")
    hand_clock.advance(1)
    assert asking.states(iccs) == [state]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subscriptions": {"identifier_type": "ICC", "identifiers": []}, "change": {"state": "PAUSE"}},
        {"subscriptions": {"identifier_type": "EID", "identifiers": ["1"]}, "change": {"state": "PAUSE"}},
        {"subscriptions": {"identifier_type": "ICC", "identifiers": [1]}, "change": {"state": "PAUSE"}},
        {"subscriptions": {"identifier_type": "ICC", "identifiers": ["1"]}, "change": {"state": "pause"}},
        {"subscriptions": {"identifier_type": "ICC", "identifiers": ["1"]}, "change": {"state": "OPERATOR_BLOCKED"}},
    ],
)
def test_change_that_makes_no_sense_is_a_problem(asking: Asking, body: dict[str, Any]) -> None:
    answer = asking.client.post(CHANGES, json=body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "status": 400,
        "detail": "Missing mandatory request parameters and/or incorrect parameter format",
    }


@pytest.mark.parametrize("kind", ["imsi", "MSISDN", "Icc"])
def test_kind_of_id_is_read_in_either_case(asking: Asking, hand_clock: HandClock, kind: str) -> None:
    first = asking.all()[0]
    value = first[{"icc": "iccid"}.get(kind.lower(), kind.lower())]
    assert asking.change([value], "PAUSE", kind).status_code == 201
    hand_clock.advance(1)
    assert asking.states([first["iccid"]]) == ["PAUSE"]


def test_more_identifiers_than_set_are_refused_as_a_stand_in(platform: IotAcceleratorEmulator, asking: Asking) -> None:
    platform.configure(most_identifiers=2)
    answer = asking.change(["1", "2", "3"], "PAUSE")
    assert answer.status_code == 400
    assert STAND_IN in answer.headers


def test_unknown_request_is_not_found_in_the_form_of_subscription_management(asking: Asking) -> None:
    answer = asking.poll("REQ1")
    assert answer.status_code == 404
    assert answer.json()["httpStatus"] == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers[STAND_IN] == "code"


def test_request_whose_answer_was_lost_is_found_by_its_time(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    iccs = asking.iccs("ACTIVE")
    asking.changed(iccs[:1], "PAUSE")
    hand_clock.advance(100)
    sent_at = datetime.fromtimestamp(hand_clock(), UTC).isoformat()
    platform.inject(IotFaultRule("close", method="POST", path="state-changes", processed=True))
    with pytest.raises(httpx.RemoteProtocolError):
        asking.change(iccs[1:], "PAUSE")
    hand_clock.advance(1)
    answer = asking.find(
        subscriptionRequestTypes=["CHANGE_SUBSCRIPTIONSTATE"],
        createdBy="operator@example.com",
        timeCreatedAfter=sent_at,
    )
    (found,) = answer.json()
    assert "items of find" in answer.headers[STAND_IN]
    assert asking.lines(found["subscriptionRequestId"]) == ["COMPLETED", "COMPLETED"]
    assert asking.states(iccs) == ["PAUSE"] * 3


def test_find_filters_sorts_and_limits(platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock) -> None:
    iccs = asking.iccs("ACTIVE")
    tickets = []
    for icc in iccs:
        tickets.append(asking.changed([icc], "PAUSE"))
        hand_clock.advance(10)
    late = asking.changed(iccs[:1], "ACTIVE")
    platform.configure(found_as="strings")
    assert asking.find().json() == [*tickets, late]
    assert asking.find(subscriptionRequestStates=["COMPLETED"]).json() == tickets
    newest = asking.find(sortOrder={"sortField": "TIME_CREATED_AFTER", "descending": True}, limit=2).json()
    assert newest == [late, tickets[2]]
    before = datetime.fromtimestamp(START + 10, UTC).isoformat()
    assert asking.find(timeCreatedBefore=before).json() == tickets[:1]
    assert asking.find(createdBy="someone@example.com").json() == []
    assert asking.find(timeCreatedBefore="yesterday").status_code == 400


def test_lost_ticket_was_carried_out_and_nobody_knows_it(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.inject(IotFaultRule("lost_ticket", path="state-changes"))
    iccs = asking.iccs("ACTIVE")
    ticket = asking.changed(iccs, "PAUSE")
    hand_clock.advance(1)
    assert asking.poll(ticket).status_code == 404
    assert asking.find().json() == []
    assert asking.states(iccs) == ["PAUSE"] * 3


def test_slow_ticket_takes_longer(platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock) -> None:
    platform.inject(IotFaultRule("slow_ticket", path="state-changes", seconds=100, times=1))
    slow, quick = (asking.changed([icc], "PAUSE") for icc in asking.iccs("ACTIVE")[:2])
    hand_clock.advance(50)
    assert (state_of(asking, slow), state_of(asking, quick)) == ("PENDING", "COMPLETED")
    hand_clock.advance(51)
    assert state_of(asking, slow) == "COMPLETED"


def test_rejected_ticket_changes_nothing(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.inject(IotFaultRule("rejected_ticket", path="state-changes"))
    iccs = asking.iccs("ACTIVE")
    ticket = asking.changed(iccs, "PAUSE")
    hand_clock.advance(60)
    assert (state_of(asking, ticket), asking.states(iccs)) == ("REJECTED", ["ACTIVE"] * 3)


def test_some_of_a_batch_fail_as_told_or_every_other_one(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    iccs = asking.iccs("ACTIVE")
    platform.inject(IotFaultRule("failed_sims", path="state-changes", ids=(iccs[1],), reason="Because.", times=1))
    ticket = asking.changed(iccs, "PAUSE")
    hand_clock.advance(1)
    assert asking.lines(ticket) == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "Because." in asking.poll(ticket).text
    platform.inject(IotFaultRule("failed_sims", path="state-changes"))
    again = asking.changed(iccs, "DEACTIVATED")
    hand_clock.advance(1)
    assert asking.lines(again) == ["FAILED", "COMPLETED", "FAILED"]


def test_request_is_shown_in_any_state(asking: Asking) -> None:
    ticket = asking.changed(asking.iccs("ACTIVE"), "PAUSE")
    asking.control(f"requests/{ticket}", {"shown_as": "UNKNOWN"})
    assert state_of(asking, ticket) == "UNKNOWN"
    asking.control(f"requests/{ticket}", {"shown_as": ""})
    assert state_of(asking, ticket) == "IN_PROGRESS"


def test_two_requests_for_one_subscription_are_carried_out_in_the_order_of_their_time(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    platform.inject(IotFaultRule("slow_ticket", path="state-changes", seconds=10, times=1))
    iccs = asking.iccs("ACTIVE")[:1]
    asking.changed(iccs, "PAUSE")
    asking.changed(iccs, "DEACTIVATED")
    hand_clock.advance(60)
    assert asking.states(iccs) == ["PAUSE"], "the slow one came last"
