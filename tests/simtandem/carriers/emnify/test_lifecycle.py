import itertools

import pytest

from schemas.statuses import EMNIFY_TARGETS, EndpointStatus, Half, SimStatus, Target
from simtandem.carriers.emnify.lifecycle import (
    EMNIFY,
    ENDPOINT_STATUS_IDS,
    SIM_STATUS_IDS,
)
from simtandem.domain.lifecycle import Lifecycle, Move

ISSUED, ACTIVE, SUSPENDED, DELETED, TESTING = (
    SimStatus.ISSUED,
    SimStatus.ACTIVATED,
    SimStatus.SUSPENDED,
    SimStatus.DELETED,
    SimStatus.FACTORY_TEST,
)
ON, OFF, GONE = EndpointStatus.ENABLED, EndpointStatus.DISABLED, EndpointStatus.DELETED

ENDPOINT_FIRST_ON = Move(ACTIVE, ON, Half.ENDPOINT)
SIM_FIRST_ON = Move(ACTIVE, ON, Half.SIM)
SIM_FIRST_OFF = Move(SUSPENDED, OFF, Half.SIM)
SIM_ALONE_OFF = Move(SUSPENDED, None, Half.SIM)
SIM_OFF_ENDPOINT_GONE = Move(SUSPENDED, GONE, Half.SIM)
ENDPOINT_FIRST_TEST = Move(TESTING, ON, Half.ENDPOINT)

# A text is a part of the refusal that must be there.
EXPECTED: dict[Target, dict[tuple[SimStatus | None, EndpointStatus | None], Move | str]] = {
    Target.ACTIVATED: {
        (None, None): "there is no SIM",
        (None, ON): "there is no SIM",
        (None, OFF): "there is no SIM",
        (None, GONE): "there is no SIM",
        (ISSUED, None): "charged for nothing",
        (ISSUED, ON): ENDPOINT_FIRST_ON,
        (ISSUED, OFF): ENDPOINT_FIRST_ON,
        (ISSUED, GONE): "endpoint is Deleted",
        (ACTIVE, None): "charged for nothing; assign an endpoint, or suspend it",
        (ACTIVE, ON): ENDPOINT_FIRST_ON,
        (ACTIVE, OFF): ENDPOINT_FIRST_ON,
        (ACTIVE, GONE): "charged for nothing; assign it to another endpoint, or suspend it",
        (SUSPENDED, None): "charged for nothing",
        (SUSPENDED, ON): ENDPOINT_FIRST_ON,
        (SUSPENDED, OFF): ENDPOINT_FIRST_ON,
        (SUSPENDED, GONE): "endpoint is Deleted",
        (DELETED, None): "SIM is Deleted",
        (DELETED, ON): "SIM is Deleted",
        (DELETED, OFF): "SIM is Deleted",
        (DELETED, GONE): "SIM is Deleted",
        (TESTING, None): "charged for nothing",
        (TESTING, ON): SIM_FIRST_ON,
        (TESTING, OFF): SIM_FIRST_ON,
        (TESTING, GONE): "endpoint is Deleted",
    },
    Target.SUSPENDED: {
        (None, None): "there is no SIM",
        (None, ON): "there is no SIM",
        (None, OFF): "there is no SIM",
        (None, GONE): "there is no SIM",
        (ISSUED, None): "isn't charged as it is; to suspend it, activate it first, which charges the month",
        (ISSUED, ON): "isn't charged as it is; to suspend it, activate it first, which charges the month",
        (ISSUED, OFF): "isn't charged as it is; to suspend it, activate it first, which charges the month",
        (ISSUED, GONE): "endpoint is Deleted",
        (ACTIVE, None): SIM_ALONE_OFF,
        (ACTIVE, ON): SIM_FIRST_OFF,
        (ACTIVE, OFF): SIM_FIRST_OFF,
        (ACTIVE, GONE): SIM_OFF_ENDPOINT_GONE,
        (SUSPENDED, None): SIM_ALONE_OFF,
        (SUSPENDED, ON): SIM_FIRST_OFF,
        (SUSPENDED, OFF): SIM_FIRST_OFF,
        (SUSPENDED, GONE): SIM_OFF_ENDPOINT_GONE,
        (DELETED, None): "SIM is Deleted",
        (DELETED, ON): "SIM is Deleted",
        (DELETED, OFF): "SIM is Deleted",
        (DELETED, GONE): "SIM is Deleted",
        (TESTING, None): "Factory Test can't be suspended; to suspend it, activate it first",
        (TESTING, ON): "Factory Test can't be suspended; to suspend it, activate it first",
        (TESTING, OFF): "Factory Test can't be suspended; to suspend it, activate it first",
        (TESTING, GONE): "endpoint is Deleted",
    },
    Target.FACTORY_TEST: {
        (None, None): "there is no SIM",
        (None, ON): "there is no SIM",
        (None, OFF): "there is no SIM",
        (None, GONE): "there is no SIM",
        (ISSUED, None): "can't go to Factory Test; assign an endpoint first",
        (ISSUED, ON): ENDPOINT_FIRST_TEST,
        (ISSUED, OFF): ENDPOINT_FIRST_TEST,
        (ISSUED, GONE): "endpoint is Deleted",
        (ACTIVE, None): "Activated SIM can't go to Factory Test",
        (ACTIVE, ON): "Activated SIM can't go to Factory Test",
        (ACTIVE, OFF): "Activated SIM can't go to Factory Test",
        (ACTIVE, GONE): "endpoint is Deleted",
        (SUSPENDED, None): "Suspended SIM can't go to Factory Test",
        (SUSPENDED, ON): "Suspended SIM can't go to Factory Test",
        (SUSPENDED, OFF): "Suspended SIM can't go to Factory Test",
        (SUSPENDED, GONE): "endpoint is Deleted",
        (DELETED, None): "SIM is Deleted",
        (DELETED, ON): "SIM is Deleted",
        (DELETED, OFF): "SIM is Deleted",
        (DELETED, GONE): "SIM is Deleted",
        (TESTING, None): "can't go to Factory Test; assign an endpoint first",
        (TESTING, ON): ENDPOINT_FIRST_TEST,
        (TESTING, OFF): "enabling the endpoint now would make the carrier activate the SIM",
        (TESTING, GONE): "endpoint is Deleted",
    },
}


@pytest.mark.parametrize(
    ("target", "sim", "endpoint"),
    [
        pytest.param(target, sim, endpoint, id=f"{sim}+{endpoint} to {target}")
        for target, sim, endpoint in itertools.product(EMNIFY_TARGETS, [None, *SimStatus], [None, *EndpointStatus])
    ],
)
def test_every_state_has_its_way_or_its_refusal(
    target: Target, sim: SimStatus | None, endpoint: EndpointStatus | None
) -> None:
    move = EMNIFY.move(sim, endpoint, target)
    expected = EXPECTED[target][sim, endpoint]
    if isinstance(expected, Move):
        assert move == expected
    else:
        assert expected in move.refusal
        assert (move.sim_after, move.endpoint_after, move.first) == (None, None, None)


@pytest.mark.parametrize("left", [(sim, endpoint) for sim in SimStatus for endpoint in (ON, OFF, GONE, None)])
@pytest.mark.parametrize("was", [(sim, endpoint) for sim in SimStatus for endpoint in (ON, OFF, GONE, None)])
def test_a_state_comes_back_only_by_suspending_or_by_an_endpoint_beside_a_sim_that_is_not_charged(
    left: tuple[SimStatus, EndpointStatus | None], was: tuple[SimStatus, EndpointStatus | None]
) -> None:
    move = EMNIFY.restore(left, was)
    sim_free = left[0] == was[0] or (left[0], was[0]) == (ACTIVE, SUSPENDED)
    switched = {left[1], was[1]} == {ON, OFF} and was[0] in (ISSUED, SUSPENDED)
    free = was[0] is not ACTIVE and sim_free and (left[1] == was[1] or switched)
    assert bool(move.refusal) is not free
    if free:
        assert (move.sim_after, move.endpoint_after) == was
        assert move.first is (Half.SIM if left[0] != was[0] else Half.ENDPOINT)


@pytest.mark.parametrize("sim", SimStatus)
@pytest.mark.parametrize("endpoint", [ON, OFF])
def test_an_endpoint_goes_back_only_beside_a_sim_that_is_neither_charged_nor_could_become_so(
    sim: SimStatus, endpoint: EndpointStatus
) -> None:
    assert EMNIFY.free_to_put_back(sim, endpoint) is (sim in {ISSUED, SUSPENDED})


def test_an_endpoint_never_goes_back_to_deleted() -> None:
    assert not EMNIFY.free_to_put_back(ISSUED, GONE)


def test_status_numbers_are_the_documented_ones() -> None:
    assert SIM_STATUS_IDS == {ISSUED: 0, ACTIVE: 1, SUSPENDED: 2, DELETED: 3, TESTING: 4}
    assert ENDPOINT_STATUS_IDS == {ON: 0, OFF: 1, GONE: 2}


def test_numbers_translate_back_to_the_same_words() -> None:
    assert len(set(SIM_STATUS_IDS.values())) == len(SIM_STATUS_IDS) == len(SimStatus)
    assert len(set(ENDPOINT_STATUS_IDS.values())) == len(ENDPOINT_STATUS_IDS) == len(EndpointStatus)


def test_it_is_a_lifecycle_that_changes_two_thousand_endpoints_in_a_call() -> None:
    lifecycle: Lifecycle = EMNIFY
    assert lifecycle.bulk_endpoints == 2000
