import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group, build_fleet, mixture


def counts(devices: int | list[Group]) -> dict[str, int]:
    return build_fleet(devices, lambda: 0.0).state_counts()


def test_mixture_of_a_thousand_has_the_shares_of_a_real_inventory() -> None:
    assert counts(1000) == {
        "-/Disabled": 20,
        "Activated/-": 20,
        "Activated/Disabled": 20,
        "Activated/Enabled": 200,
        "Factory Test/Enabled": 20,
        "Issued/Disabled": 600,
        "Suspended/Disabled": 100,
        "Suspended/Enabled": 20,
    }


@pytest.mark.parametrize("devices", [0, 1, 7, 19, 20, 21, 999])
def test_mixture_has_exactly_the_number_asked_for(devices: int) -> None:
    assert sum(group.count for group in mixture(devices)) == devices
    assert sum(counts(devices).values()) == devices


def test_twenty_devices_show_every_kind() -> None:
    assert len(counts(20)) == 8


def test_fleet_is_the_same_each_time() -> None:
    first, second = build_fleet(50, lambda: 0.0), build_fleet(50, lambda: 0.0)
    assert first.sims == second.sims
    assert first.endpoints == second.endpoints
    assert next(iter(first.sims.values())).id == 10_000_001
    assert next(iter(first.endpoints.values())).id == 20_000_001


def test_chosen_ids_are_kept() -> None:
    fleet = build_fleet(
        [Group(1, SimStatus.ISSUED, EndpointStatus.ENABLED, 5, "8988303000000000005", 6, "pump")], lambda: 0.0
    )
    assert fleet.sims[5].iccid == "8988303000000000005"
    assert fleet.sims[5].endpoint_id == 6
    assert fleet.endpoints[6].name == "pump"


@pytest.mark.parametrize(
    "fields",
    [{"sim": "Asleep"}, {"count": -1}, {"sim": None, "endpoint": None}, {"count": 2, "sim_id": 5}, {"colour": "red"}],
)
def test_impossible_group_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Group.from_json(fields)


def test_group_from_json_reads_the_words() -> None:
    group = Group.from_json({"count": 3, "sim": "Factory Test", "endpoint": None})
    assert group == Group(3, SimStatus.FACTORY_TEST, None)
