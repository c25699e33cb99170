from itertools import product

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.devices import MoveError, UnknownIdError
from simtandem.emulator.events import EventType, Source
from simtandem.emulator.fleet import Fleet

LEGAL = {
    ("Issued", "Activated"),
    ("Issued", "Factory Test"),
    ("Factory Test", "Activated"),
    ("Activated", "Suspended"),
    ("Suspended", "Activated"),
}


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(lambda: 1000.0)


def pair(fleet: Fleet, sim: str, endpoint: str) -> tuple[int, int]:
    new = fleet.add_sim(SimStatus(sim))
    return new.id, fleet.add_endpoint(EndpointStatus(endpoint), new).id


@pytest.mark.parametrize(("before", "after"), list(product(SimStatus, SimStatus)))
def test_sim_moves_where_the_carrier_allows_it_and_nowhere_else(
    fleet: Fleet, before: SimStatus, after: SimStatus
) -> None:
    sim = fleet.add_sim(before)
    if (before, after) in LEGAL:
        fleet.patch_sim(sim.id, after)
        assert sim.status is after
    else:
        with pytest.raises(MoveError) as refused:
            fleet.patch_sim(sim.id, after)
        assert refused.value.same == (before is after)
        assert sim.status is before


@pytest.mark.parametrize(("before", "after"), list(product(EndpointStatus, EndpointStatus)))
def test_endpoint_moves_between_enabled_and_disabled_only(
    fleet: Fleet, before: EndpointStatus, after: EndpointStatus
) -> None:
    endpoint = fleet.add_endpoint(before)
    if {before, after} == {EndpointStatus.ENABLED, EndpointStatus.DISABLED}:
        fleet.patch_endpoint(endpoint.id, after)
        assert endpoint.status is after
    else:
        with pytest.raises(MoveError):
            fleet.patch_endpoint(endpoint.id, after)
        assert endpoint.status is before


@pytest.mark.parametrize(("before", "after"), [("Enabled", "Disabled"), ("Disabled", "Enabled")])
def test_endpoint_change_during_factory_test_activates_the_sim(fleet: Fleet, before: str, after: str) -> None:
    sim_id, endpoint_id = pair(fleet, "Factory Test", before)
    fleet.patch_endpoint(endpoint_id, EndpointStatus(after))
    assert fleet.sims[sim_id].status is SimStatus.ACTIVATED
    assert [event.kind for event in fleet.events][1:] == [EventType.SIM_ACTIVATION]
    assert fleet.events[-1].source is Source.POLICY_CONTROL


def test_refused_endpoint_change_leaves_a_sim_in_factory_test(fleet: Fleet) -> None:
    sim_id, endpoint_id = pair(fleet, "Factory Test", "Enabled")
    with pytest.raises(MoveError):
        fleet.patch_endpoint(endpoint_id, EndpointStatus.ENABLED)
    assert fleet.sims[sim_id].status is SimStatus.FACTORY_TEST


def test_activating_a_sim_before_its_endpoint_is_a_pair_violation(fleet: Fleet) -> None:
    sim_id, endpoint_id = pair(fleet, "Issued", "Disabled")
    fleet.patch_sim(sim_id, SimStatus.ACTIVATED)
    [violation] = fleet.pair_violations
    assert (violation.sim_id, violation.endpoint_id, violation.sim_before) == (sim_id, endpoint_id, SimStatus.ISSUED)


def test_disabling_an_endpoint_before_its_sim_is_suspended_is_a_pair_violation(fleet: Fleet) -> None:
    _, endpoint_id = pair(fleet, "Activated", "Enabled")
    fleet.patch_endpoint(endpoint_id, EndpointStatus.DISABLED)
    assert len(fleet.pair_violations) == 1


def test_disabling_an_endpoint_during_factory_test_is_a_pair_violation(fleet: Fleet) -> None:
    _, endpoint_id = pair(fleet, "Factory Test", "Enabled")
    fleet.patch_endpoint(endpoint_id, EndpointStatus.DISABLED)
    assert [violation.sim_before for violation in fleet.pair_violations] == [SimStatus.FACTORY_TEST]


def test_the_safe_orders_are_no_pair_violations(fleet: Fleet) -> None:
    sim_id, endpoint_id = pair(fleet, "Issued", "Disabled")
    fleet.patch_endpoint(endpoint_id, EndpointStatus.ENABLED)
    fleet.patch_sim(sim_id, SimStatus.ACTIVATED)
    fleet.patch_sim(sim_id, SimStatus.SUSPENDED)
    fleet.patch_endpoint(endpoint_id, EndpointStatus.DISABLED)
    assert fleet.pair_violations == []


def test_what_others_do_is_no_pair_violation(fleet: Fleet) -> None:
    sim_id, _ = pair(fleet, "Suspended", "Disabled")
    fleet.drift_sim(sim_id, SimStatus.ACTIVATED)
    assert fleet.pair_violations == []


def test_sim_moves_by_itself_out_of_factory_test_only(fleet: Fleet) -> None:
    tested, issued = fleet.add_sim(SimStatus.FACTORY_TEST), fleet.add_sim(SimStatus.ISSUED)
    fleet.drift_volume_reached(tested.id)
    assert tested.status is SimStatus.ACTIVATED
    assert fleet.events[-1].description == "SIM activated after factory test volume reached."
    assert fleet.events[-1].source is Source.POLICY_CONTROL
    with pytest.raises(MoveError):
        fleet.drift_volume_reached(issued.id)


def test_deleted_sim_is_gone_and_its_endpoint_has_none(fleet: Fleet) -> None:
    sim_id, endpoint_id = pair(fleet, "Activated", "Enabled")
    fleet.drift_delete_sim(sim_id)
    assert fleet.endpoints[endpoint_id].sim_id is None
    assert fleet.sim_ids == []
    assert fleet.sim_with_iccid("8988303000010000001") is None
    assert [(event.kind, event.iccid) for event in fleet.events] == [(EventType.SIM_DELETION, "8988303000010000001")]
    with pytest.raises(UnknownIdError):
        fleet.patch_sim(sim_id, SimStatus.SUSPENDED)


def test_deleted_endpoint_leaves_its_sim_without_one(fleet: Fleet) -> None:
    sim_id, endpoint_id = pair(fleet, "Activated", "Enabled")
    fleet.drift_delete_endpoint(endpoint_id)
    assert fleet.sims[sim_id].endpoint_id is None
    assert fleet.endpoint_ids == []


def test_ids_stay_sorted_whatever_the_order_they_come_in(fleet: Fleet) -> None:
    for sim_id in (30, 10, 20):
        fleet.add_sim(SimStatus.ISSUED, sim_id=sim_id)
    assert fleet.sim_ids == [10, 20, 30]
    with pytest.raises(ValueError, match="there already"):
        fleet.add_sim(SimStatus.ISSUED, sim_id=20)


def test_state_counts_count_every_device_once(fleet: Fleet) -> None:
    pair(fleet, "Issued", "Disabled")
    pair(fleet, "Issued", "Disabled")
    fleet.add_sim(SimStatus.ACTIVATED)
    fleet.add_endpoint(EndpointStatus.ENABLED)
    assert fleet.state_counts() == {"-/Enabled": 1, "Activated/-": 1, "Issued/Disabled": 2}
