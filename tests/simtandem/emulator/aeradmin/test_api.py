"""What is answered as it was recorded, and what says of itself that it is a stand-in."""

import pytest

from simtandem.emulator.aeradmin.behaviour import UNKNOWN_DEVICE
from simtandem.emulator.aeradmin.server import API_KEY, AerAdminEmulator, State
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.aeradmin.asking import ROOT, Asking, iccid_in
from tests.simtandem.emulator.hand_clock import START, HandClock

RECORDED = {
    "transactionID",
    "resultCode",
    "resultMessage",
    "opCompletionTimestamp",
    "deviceProfileId",
    "deviceAttributes",
    "applicationType",
    "customField",
    "reportGroup",
    "containerId",
    "dataModelId",
    "registerOnAerCloud",
}
RECORDED_OF_A_SIM = {
    "result",
    "deviceID",
    "technology",
    "serviceName",
    "deviceStatus",
    "activationDate",
    "cancelCode",
    "ratePlan",
    "ratePlanLabel",
    "softwareVersion",
    "active",
    "lteOnly",
}


def test_billed_device_is_answered_as_recorded(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    answer = asking.details(iccid)
    body = answer.json()
    assert (answer.status_code, body["resultCode"], body["resultMessage"]) == (200, 0, "OK")
    assert body.keys() == RECORDED
    (sim,) = body["deviceAttributes"]
    assert sim.keys() == RECORDED_OF_A_SIM
    assert sim["result"] == {"resultCode": 0, "resultMessage": "OK"}
    assert (sim["deviceID"]["iccId"], sim["deviceStatus"]) == (iccid, "Bill")
    assert len(iccid) == 19
    assert len(body["deviceProfileId"]) == 16
    assert body["deviceProfileId"].startswith("AER")
    assert body["opCompletionTimestamp"] == "2025-06-15T15:06:40.000Z"
    assert STAND_IN not in answer.headers, "all of it was recorded"


def test_imsi_names_a_device_too(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    sim = asking.details(iccid).json()["deviceAttributes"][0]["deviceID"]
    again = asking.details(sim["imsi"], "IMSI")
    assert again.json()["deviceAttributes"][0]["deviceID"] == sim
    assert STAND_IN not in again.headers


def test_sim_that_was_never_provisioned_is_refused_inside_a_200(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    answer = asking.details(iccid_in(aeradmin, State.ASSIGNED))
    body = answer.json()
    assert answer.status_code == 200
    assert body.pop("transactionID")
    assert body == {"resultCode": 1047, "resultMessage": "Device not Activated.", "opCompletionTimestamp": None}
    assert answer.headers[STAND_IN] == "1047 for Assigned"


@pytest.mark.parametrize(
    ("state", "word"), [(State.PROVISIONED, "Provision"), (State.SUSPENDED, "Suspend"), (State.CANCELED, "Cancel")]
)
def test_other_words_are_settings_and_say_that_they_are_stand_ins(
    aeradmin: AerAdminEmulator, asking: Asking, state: State, word: str
) -> None:
    iccid = iccid_in(aeradmin, state)
    answer = asking.details(iccid)
    assert answer.json()["deviceAttributes"][0]["deviceStatus"] == word
    assert answer.headers[STAND_IN] == f"deviceStatus of {state}"
    aeradmin.configure(**{f"{state.lower()}_word": "Something"})
    assert asking.words(iccid) == ["Something"]


def test_device_with_two_sims_shows_each_with_its_own_status(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = aeradmin.change(lambda site: site.fleet.devices[-1].profiles[0].iccid)
    assert len(iccid) == 20
    assert asking.words(iccid) == ["Bill", "Suspend"]


@pytest.mark.parametrize("key", ["another-key", ""])
def test_key_that_is_not_the_accounts_is_answered_as_recorded(
    aeradmin: AerAdminEmulator, asking: Asking, key: str
) -> None:
    asking.key = key
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    recorded = {"code": 401, "status": "UNAUTHORIZED", "message": "AccountId and ApiKey are not linked."}
    for answer in (asking.details(iccid), asking.network(iccid)):
        assert (answer.status_code, answer.json()) == (401, recorded)


def test_account_that_is_not_the_keys_is_refused_too(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    answer = asking.details(iccid_in(aeradmin, State.ACTIVE_BILLED), accountID="2")
    assert answer.status_code == 401
    assert STAND_IN not in answer.headers


def test_key_ends_at_its_moment_in_the_middle_of_a_run(
    aeradmin: AerAdminEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    asking.control("keys", {API_KEY: START + 10})
    assert asking.details(iccid).status_code == 200
    hand_clock.advance(10)
    answer = asking.details(iccid)
    assert answer.status_code == 401
    assert answer.headers[STAND_IN] == "a key that has ended"


def test_network_details_have_no_status(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    profile_id = asking.details(iccid).json()["deviceProfileId"]
    body = asking.network(profile_id, "deviceProfileId").json()
    assert body["networkResponse"][0]["ICCID"] == body["activeProfile"]["ICCID"] == iccid
    assert {"dataSession", "registration"} <= body["networkResponse"][0].keys()
    assert "deviceStatus" not in str(body)


def test_unknown_device_has_a_code_that_nobody_takes_for_aeriss(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    answer = asking.details("8918512000000000000")
    assert (answer.status_code, answer.json()["resultCode"]) == (200, UNKNOWN_DEVICE)
    assert UNKNOWN_DEVICE < 0
    assert STAND_IN in answer.headers
    aeradmin.configure(unknown_device="1047")
    again = asking.details("8918512000000000000")
    assert again.json()["resultCode"] == 1047
    assert STAND_IN in again.headers


def test_one_sim_can_have_a_result_of_its_own(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    asking.control(f"sims/{iccid}", {"result": [5, "Made up."]})
    body = asking.details(iccid).json()
    assert body["resultCode"] == 0
    assert body["deviceAttributes"][0]["result"] == {"resultCode": 5, "resultMessage": "Made up."}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"accountID": "1", "email": "a@b.example"}'])
def test_call_that_names_no_device_is_refused_as_a_stand_in(
    aeradmin: AerAdminEmulator, asking: Asking, body: bytes
) -> None:
    assert aeradmin.url
    answer = asking.client.post(ROOT + "rest/devices/details", params={"apiKey": API_KEY}, content=body)
    assert answer.status_code == 400
    assert STAND_IN in answer.headers


def test_root_answers_500_as_a_sign_of_life(asking: Asking) -> None:
    assert asking.client.get(ROOT).status_code == 500


def test_no_rate_limit_unless_one_is_set(aeradmin: AerAdminEmulator, asking: Asking, hand_clock: HandClock) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    assert {asking.details(iccid).status_code for _ in range(20)} == {200}
    aeradmin.configure(calls_per_second=2)
    assert [asking.details(iccid).status_code for _ in range(3)] == [200, 200, 429]
    hand_clock.advance(1)
    assert asking.details(iccid).status_code == 200
