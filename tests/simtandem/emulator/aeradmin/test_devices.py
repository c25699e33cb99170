"""What the clock and traffic do, each only where a contract's setting says so; fees; the same fleet each time."""

import pytest

from simtandem.emulator.aeradmin.devices import DAY_S, DeviceFleet, DeviceGroup
from simtandem.emulator.aeradmin.server import AerAdminEmulator, State
from tests.simtandem.emulator.aeradmin.asking import Asking, iccid_in
from tests.simtandem.emulator.hand_clock import HandClock


def test_nothing_moves_by_itself_unless_it_is_set(
    aeradmin: AerAdminEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    iccid = iccid_in(aeradmin, State.PROVISIONED)
    asking.control(f"sims/{iccid}", {"kb": 1e9})
    hand_clock.advance(1000 * DAY_S)
    assert asking.words(iccid) == ["Provision"]


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ("provision_days", State.PROVISIONED, State.ACTIVE_BILLED),
        ("suspend_days", State.SUSPENDED, State.ACTIVE_BILLED),
        ("assigned_days", State.ASSIGNED, State.CANCELED),
    ],
)
def test_state_ends_after_the_days_that_are_set(
    aeradmin: AerAdminEmulator, hand_clock: HandClock, setting: str, before: State, after: State
) -> None:
    aeradmin.configure(**{setting: 180})
    counts = aeradmin.change(lambda site: site.fleet_summary()["states"])
    hand_clock.advance(180 * DAY_S - 1)
    assert aeradmin.change(lambda site: site.fleet_summary()["states"]) == counts
    hand_clock.advance(1)
    moved = aeradmin.change(lambda site: site.fleet_summary()["states"])
    assert moved[before] == 0
    assert moved[after] == counts[after] + counts[before]


@pytest.mark.parametrize(
    ("setting", "traffic", "least"),
    [("provision_kb", "kb", 5), ("provision_sms", "sms", 2), ("provision_traffic_days", "traffic_days", 5)],
)
def test_traffic_over_the_threshold_ends_provisioned(
    aeradmin: AerAdminEmulator, asking: Asking, setting: str, traffic: str, least: int
) -> None:
    aeradmin.configure(**{setting: least})
    iccid = iccid_in(aeradmin, State.PROVISIONED)
    asking.control(f"sims/{iccid}", {traffic: least - 1})
    assert asking.words(iccid) == ["Provision"]
    asking.control(f"sims/{iccid}", {traffic: 1})
    assert asking.words(iccid) == ["Bill"]


def test_each_entry_into_suspended_costs_the_fee_that_is_set(aeradmin: AerAdminEmulator, asking: Asking) -> None:
    aeradmin.configure(suspension_fee=2.5)
    iccid = iccid_in(aeradmin, State.ACTIVE_BILLED)
    for word in ("do-suspend", "do-suspend", "do-bill", "do-suspend"):
        asking.change(iccid, word)
    summary = asking.client.get("/_emulator/fleet").json()
    assert (summary["suspensions"], summary["suspension_fees"]) == (2, 5.0)


def test_same_fleet_each_time_with_ids_of_its_own() -> None:
    one, other = DeviceFleet.filled(100, 0), DeviceFleet.filled(100, 0)
    assert one == other
    profiles = list(one.profiles())
    assert len({each.iccid for each in profiles}) == len({each.imsi for each in profiles}) == len(profiles) == 101
    assert {each.state for each in profiles} == {*State}
    assert len(one.devices) == 100


@pytest.mark.parametrize(
    "wrong", [{"count": -1}, {"states": ()}, {"count": 2, "iccid": "8918512000000000001"}, {"iccid_digits": 18}]
)
def test_group_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"count|iccid|ICCID"):
        DeviceGroup(**wrong)  # type: ignore[arg-type]
