"""Control over HTTP, faults, and what is counted."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from simtandem.emulator.aeradmin.server import AerAdminEmulator, HttpFaultRule, State
from tests.simtandem.emulator.aeradmin.asking import Asking, iccid_in
from tests.simtandem.emulator.hand_clock import HandClock


def test_fleet_is_filled_with_groups_or_a_mixture(asking: Asking) -> None:
    groups = [{"count": 2, "state": "Suspended"}, {"states": ["Active-billed", "Assigned"], "iccid_digits": 20}]
    filled = asking.control("fleet", {"groups": groups}).json()
    assert (filled["devices"], filled["states"]["Suspended"], filled["states"]["Assigned"]) == (3, 2, 1)
    assert asking.control("fleet", {"devices": 30}).json()["devices"] == 30


def test_one_iccid_can_be_chosen(asking: Asking) -> None:
    asking.control("fleet", {"groups": [{"iccid": "8918123412341234123", "state": "Active-billed"}]})
    assert asking.words("8918123412341234123") == ["Bill"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("fleet", {"devices": "many"}, 400),
        ("fleet", {"groups": [{"state": "Asleep"}]}, 400),
        ("fleet", {"groups": [{"size": 1}]}, 400),
        ("config", {"speed": 1}, 400),
        ("faults", {"rules": [{"kind": "sulk"}]}, 400),
        ("faults", {"rules": {}}, 400),
        ("keys", {"a": "never"}, 400),
        ("sims/1", {"state": "Suspended"}, 404),
        ("nothing", {}, 404),
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


def test_somebody_at_aerport_moves_a_sim_and_words_can_be_anything(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    assert asking.control(f"sims/{iccid}", {"state": "Suspended"}).json() == {"iccid": iccid, "state": "Suspended"}
    assert asking.words(iccid) == ["Suspend"]
    asking.control(f"sims/{iccid}", {"shown_as": "Hibernating"})
    assert asking.words(iccid) == ["Hibernating"]


def test_control_and_reset_count_for_nothing(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    asking.control(f"sims/{iccid}", {"state": "Suspended"})
    assert aeradmin.stats()["calls"] == 0
    asking.details(iccid)
    stats = asking.client.get("/_emulator/stats", params={"log": "1"}).json()
    assert stats["by_route"] == {"POST /AerAdmin_WS_5_0/rest/devices/details": 1}
    assert stats["log"][0][2] == 200
    asking.control("reset", {})
    assert aeradmin.stats()["calls"] == 0
    assert asking.words(iccid) == ["Bill"]


def test_calls_in_windows_and_at_once_are_counted(
    aeradmin: AerAdminEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    asking.details(iccid)
    hand_clock.advance(30)
    aeradmin.configure(latency_s=0.05)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: asking.details(iccid), range(3)))
    stats = aeradmin.stats()
    assert stats["most_calls_in"] == {"second": 3, "minute": 4}
    assert stats["most_in_flight"] >= 2


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (HttpFaultRule("error"), 500),
        (HttpFaultRule("error", status=503), 503),
        (HttpFaultRule("html"), 502),
        (HttpFaultRule("too_many"), 429),
        (HttpFaultRule("malformed_json"), 200),
        (HttpFaultRule("cut_json"), 200),
    ],
)
def test_fault_is_answered(aeradmin: AerAdminEmulator, asking: Asking, rule: HttpFaultRule, status: int) -> None:
    aeradmin.inject(rule)
    answer = asking.details(iccid_in(aeradmin, State.ACTIVE_BILLED))
    assert answer.status_code == status
    if status == 200:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()


@pytest.mark.parametrize("kind", ["reset", "close", "truncated"])
def test_fault_breaks_the_connection(aeradmin: AerAdminEmulator, asking: Asking, kind: str) -> None:
    aeradmin.inject(HttpFaultRule(kind))
    with pytest.raises(httpx.TransportError):
        asking.details(iccid_in(aeradmin, State.ACTIVE_BILLED))


def test_silence_ends_with_the_answer(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    aeradmin.inject(HttpFaultRule("hang", seconds=0.05, times=1))
    assert asking.details(iccid_in(aeradmin, State.ACTIVE_BILLED)).status_code == 200
