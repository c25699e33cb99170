"""The catalogue of the carrier's events."""

import pytest

from schemas.event_types import BY_ID, CATALOGUE, STATUS_AFTER, EventGroup, type_of
from schemas.statuses import EndpointStatus, Half, SimStatus


def test_every_documented_type_is_there_once() -> None:
    assert len(CATALOGUE) == len(BY_ID) == len({kind.name for kind in CATALOGUE}) == 46
    assert all(kind.name and kind.description and kind.group is not EventGroup.UNKNOWN for kind in CATALOGUE)


@pytest.mark.parametrize(
    ("number", "name", "group"),
    [
        (0, "Generic", EventGroup.GENERIC),
        (8, "SIM activation", EventGroup.DEVICE_STATUS),
        (45, "SIM factory test", EventGroup.DEVICE_STATUS),
        (51, "SIM Assigned", EventGroup.DEVICE_STATUS),
        (60, "Data quota expired", EventGroup.DATA_QUOTA),
        (25, "CloudConnect TGW breakout terminated", EventGroup.CLOUD_CONNECT),
        (67, "User switched workspace", EventGroup.AUTHENTICATION),
        (68, "Reset connectivity", EventGroup.DEVICE_STATUS),
        (69, "SIM migration", EventGroup.DEVICE_STATUS),
        (32, "Billing configuration updated", EventGroup.ORGANISATION),
    ],
)
def test_a_type_is_found_by_its_number(number: int, name: str, group: EventGroup) -> None:
    assert (BY_ID[number].name, BY_ID[number].group) == (name, group)


def test_an_unknown_type_is_kept_with_the_carriers_words() -> None:
    kind = type_of(99, "Teleported")

    assert (kind.id, kind.name, kind.group) == (99, "Teleported", EventGroup.UNKNOWN)
    assert type_of(99).name == "type 99"


def test_the_types_that_tell_a_status_fit_in_one_query() -> None:
    assert len(STATUS_AFTER) == 6
    assert {number: told for number, told in STATUS_AFTER.items() if number in (8, 9, 43, 45)} == {
        8: (Half.SIM, SimStatus.ACTIVATED),
        9: (Half.SIM, SimStatus.SUSPENDED),
        43: (Half.ENDPOINT, EndpointStatus.DISABLED),
        45: (Half.SIM, SimStatus.FACTORY_TEST),
    }
