"""The stand-in for the call that changes a state: only as described at the start, and never without saying so."""

import httpx
import pytest

from simtandem.emulator.aeradmin.behaviour import REFUSED_CHANGE
from simtandem.emulator.aeradmin.server import API_KEY, AerAdminEmulator, HttpFaultRule, State, StateChange
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.aeradmin.asking import Asking, iccid_in
from tests.simtandem.emulator.hand_clock import HandClock


def test_without_a_description_there_is_no_such_call() -> None:
    with (
        AerAdminEmulator(1) as emulator,
        httpx.Client(base_url=emulator.url, timeout=60) as client,
    ):
        asking = Asking(client, API_KEY)
        iccid = emulator.change(lambda site: site.fleet.devices[0].profiles[0].iccid)
        assert asking.change(iccid, "do-suspend").status_code == 404


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        (State.ASSIGNED, "do-provision", ["Provision"]),
        (State.PROVISIONED, "do-bill", ["Bill"]),
        (State.ACTIVE_BILLED, "do-suspend", ["Suspend"]),
        (State.SUSPENDED, "do-bill", ["Bill"]),
        (State.PROVISIONED, "do-cancel", ["Cancel"]),
    ],
)
def test_change_moves_the_sim_and_says_that_it_is_a_stand_in(
    aeradmin: AerAdminEmulator, asking: Asking, before: State, word: str, after: list[str]
) -> None:
    iccid = iccid_in(aeradmin, before)
    answer = asking.change(iccid, word)
    assert (answer.status_code, answer.json()["resultCode"]) == (200, 0)
    assert answer.headers[STAND_IN] == "change of a state"
    assert asking.words(iccid) == after


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (State.ASSIGNED, "do-bill"),
        (State.ASSIGNED, "do-suspend"),
        (State.PROVISIONED, "do-suspend"),
        (State.ACTIVE_BILLED, "do-provision"),
        (State.SUSPENDED, "do-provision"),
        (State.CANCELED, "do-bill"),
    ],
)
def test_move_that_no_source_has_is_refused_inside_a_200(
    aeradmin: AerAdminEmulator, asking: Asking, before: State, word: str
) -> None:
    iccid = iccid_in(aeradmin, before)
    shown = asking.details(iccid).json().get("deviceAttributes")
    answer = asking.change(iccid, word)
    assert (answer.status_code, answer.json()["resultCode"]) == (200, REFUSED_CHANGE)
    assert asking.details(iccid).json().get("deviceAttributes") == shown


def test_assigned_is_billed_at_once_where_the_plan_allows_it(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    aeradmin.configure(assigned_to_billed=True)
    iccid = iccid_in(aeradmin, State.ASSIGNED)
    assert asking.change(iccid, "do-bill").json()["resultCode"] == 0
    assert asking.words(iccid) == ["Bill"]


@pytest.mark.parametrize(("setting", "code"), [("ok", 0), ("refused", REFUSED_CHANGE)])
def test_state_that_is_held_already_is_a_setting(
    aeradmin: AerAdminEmulator, asking: Asking, setting: str, code: int
) -> None:
    aeradmin.configure(same_state=setting)
    assert asking.change(iccid_in(aeradmin, State.SUSPENDED), "do-suspend").json()["resultCode"] == code


def test_change_shows_only_after_a_while_where_it_is_set_so(
    aeradmin: AerAdminEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    aeradmin.configure(change_takes_s=30)
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    asking.change(iccid, "do-suspend")
    assert asking.words(iccid) == ["Bill"]
    hand_clock.advance(30)
    assert asking.words(iccid) == ["Suspend"]


def test_change_reaches_all_sims_of_a_device_or_the_one_named(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = aeradmin.change(lambda site: site.fleet.devices[-1].profiles[1].iccid)
    aeradmin.configure(change_reaches="profile")
    asking.change(iccid, "do-cancel")
    assert asking.words(iccid) == ["Bill", "Cancel"]
    aeradmin.reset()
    asking.change(iccid, "do-cancel")
    assert asking.words(iccid) == ["Cancel", "Cancel"]


@pytest.mark.parametrize("other", [{"verb": "unknown"}, {"extra": "field"}])
def test_call_of_another_form_is_refused(aeradmin: AerAdminEmulator, asking: Asking, other: dict[str, str]) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    assert asking.change(iccid, "do-suspend", **other).status_code == 400
    assert asking.words(iccid) == ["Bill"]


def test_change_with_a_wrong_key_changes_nothing(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid, asking.key = iccid_in(aeradmin, State.ACTIVE_BILLED), "another"
    assert asking.change(iccid, "do-suspend").status_code == 401
    asking.key = API_KEY
    assert asking.words(iccid) == ["Bill"]


def test_unanswered_change_was_applied_where_the_fault_says_so(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    aeradmin.inject(HttpFaultRule("close", path="made/up", body=iccid, processed=True, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        asking.change(iccid, "do-suspend")
    assert asking.words(iccid) == ["Suspend"]
    assert aeradmin.stats()["faults"] == [{"kind": "close", "matched": 1, "fired": 1}]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("rest/x", {"id": "{id}"}, {"a": State.SUSPENDED}),
        ("rest/x", {"word": "{word}"}, {"a": State.SUSPENDED}),
        ("rest/x/{id}/{word}", None, {}),
    ],
)
def test_description_without_id_word_or_words_is_refused(path: str, body: object, words: dict[str, State]) -> None:
    with pytest.raises(ValueError, match="a change of state needs"):
        StateChange("POST", path, body, words)


def test_id_and_word_may_stand_in_the_path() -> None:
    change = StateChange("PUT", "rest/{id}/state/{word}", None, {"go": State.SUSPENDED})
    assert change.read("rest/123/state/go", b"") == {"id": "123", "word": "go"}
    assert change.read("rest/123/other/go", b"") is None
    assert change.read("rest/123/state/go", b"{}") is None


def test_a_placeholder_has_one_value_wherever_it_stands() -> None:
    change = StateChange("POST", "rest/{id}", {"id": "{id}", "do": ["{word}"]}, {"go": State.SUSPENDED})
    assert change.read("rest/1", b'{"id": "1", "do": ["go"]}') == {"id": "1", "word": "go"}
    assert change.read("rest/1", b'{"id": "2", "do": ["go"]}') is None
