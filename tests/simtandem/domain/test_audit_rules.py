"""What is wrong with a device in some state, and what ends it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import EMNIFY_TARGETS, EndpointStatus, Finding, SimStatus, Target
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.audit_rules import Judgement, State, judge
from simtandem.domain.lifecycle import Lifecycle

LIFECYCLE = EMNIFY
ACTIVATED, SUSPENDED, TEST = SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.FACTORY_TEST
ENABLED, DISABLED = EndpointStatus.ENABLED, EndpointStatus.DISABLED


def state(
    sim: str | None,
    endpoint: str | None,
    put: Target | None = None,
    *,
    put_endpoint: bool = True,
) -> State:
    """A device, and the target simtandem last brought it to."""
    expected = (EMNIFY.goal(put).sim, EMNIFY.goal(put).endpoint if put_endpoint else None) if put else (None, None)
    return State(sim is not None, sim, endpoint is not None, endpoint, put, *expected)


def found(one: State) -> dict[Finding, Judgement]:
    return {judgement.finding: judgement for judgement in judge(one, LIFECYCLE)}


@pytest.mark.parametrize(
    ("sim", "endpoint", "finding", "charged", "repair"),
    [
        (ACTIVATED, DISABLED, Finding.PAYING_BUT_OFF, True, Target.ACTIVATED),
        (ACTIVATED, EndpointStatus.DELETED, Finding.SIM_WITHOUT_ENDPOINT, True, Target.SUSPENDED),
        (SUSPENDED, ENABLED, Finding.ON_BUT_DEAD, False, Target.SUSPENDED),
        (ACTIVATED, None, Finding.SIM_WITHOUT_ENDPOINT, True, Target.SUSPENDED),
        (None, ENABLED, Finding.ENDPOINT_WITHOUT_SIM, False, None),
        (None, DISABLED, Finding.ENDPOINT_WITHOUT_SIM, False, None),
        (TEST, ENABLED, Finding.FACTORY_TEST, False, None),
        (TEST, DISABLED, Finding.FACTORY_TEST, False, None),
        (TEST, None, Finding.FACTORY_TEST, False, None),
    ],
)
def test_every_split_pair_is_named_with_its_cost_and_its_repair(
    sim: SimStatus | None, endpoint: EndpointStatus | None, finding: Finding, charged: bool, repair: Target | None
) -> None:
    judgements = found(state(sim, endpoint))

    assert set(judgements) == {finding}
    assert judgements[finding][1:3] == (charged, repair)
    assert judgements[finding].remedy


@pytest.mark.parametrize(
    ("sim", "endpoint"),
    [
        (ACTIVATED, ENABLED),
        (SUSPENDED, DISABLED),
        (SUSPENDED, None),
        (SimStatus.ISSUED, DISABLED),
        (SimStatus.ISSUED, None),
        (SimStatus.ISSUED, ENABLED),
        (SimStatus.DELETED, DISABLED),
        (None, EndpointStatus.DELETED),
    ],
)
def test_a_pair_that_agrees_or_costs_and_hides_nothing_is_no_finding(
    sim: SimStatus | None, endpoint: EndpointStatus | None
) -> None:
    assert found(state(sim, endpoint)) == {}


def test_an_endpoint_whose_status_is_not_known_is_judged_by_nothing() -> None:
    assert found(State(True, ACTIVATED, True, None)) == {}
    assert found(State(True, ACTIVATED, True, None, Target.ACTIVATED, ACTIVATED, ENABLED)) == {}
    assert set(found(State(True, SUSPENDED, True, None, Target.ACTIVATED, ACTIVATED, ENABLED))) == {Finding.DRIFTED}


@pytest.mark.parametrize(
    ("sim", "endpoint", "put", "repair", "charged"),
    [
        (SUSPENDED, DISABLED, Target.ACTIVATED, Target.ACTIVATED, False),
        (ACTIVATED, ENABLED, Target.SUSPENDED, Target.SUSPENDED, True),
        (ACTIVATED, ENABLED, Target.FACTORY_TEST, None, True),  # no way back to the test
        (ACTIVATED, DISABLED, Target.ACTIVATED, Target.ACTIVATED, True),
        (ACTIVATED, None, Target.ACTIVATED, None, True),  # its endpoint is gone
        (SUSPENDED, None, Target.SUSPENDED, None, False),
    ],
)
def test_a_device_that_left_where_it_was_put_goes_back_where_that_is_possible(
    sim: SimStatus, endpoint: EndpointStatus | None, put: Target, repair: Target | None, charged: bool
) -> None:
    drift = found(state(sim, endpoint, put))[Finding.DRIFTED]

    assert (drift.repair, drift.charged) == (repair, charged)
    assert drift.remedy


@pytest.mark.parametrize(
    ("lifecycle", "now", "charged"),
    [
        (IOT_ACCELERATOR, "ACTIVE", None),
        (AERADMIN, "Active-billed", True),
        (AERADMIN, "Canceled", None),
        (AERADMIN, "Provisioned", False),
    ],
)
def test_a_drifted_sim_is_said_to_be_charged_only_where_that_is_known(
    lifecycle: Lifecycle, now: str, charged: bool | None
) -> None:
    put = lifecycle.goal("suspended")
    moved = State(True, now, False, None, put.word, put.sim)
    assert {one.finding: one for one in judge(moved, lifecycle)}[Finding.DRIFTED].charged is charged


def test_a_device_that_is_where_it_was_put_has_not_drifted() -> None:
    for target in EMNIFY_TARGETS:
        assert Finding.DRIFTED not in found(state(EMNIFY.goal(target).sim, EMNIFY.goal(target).endpoint, target))
    assert Finding.DRIFTED not in found(state(SUSPENDED, ENABLED, Target.SUSPENDED, put_endpoint=False))
    assert Finding.DRIFTED not in found(State(True, SUSPENDED, True, DISABLED, Target.ACTIVATED))  # left partly changed


def test_where_simtandem_had_put_a_device_comes_before_what_is_merely_safe() -> None:
    paying = found(state(ACTIVATED, DISABLED, Target.SUSPENDED))[Finding.PAYING_BUT_OFF]
    dead = found(state(SUSPENDED, ENABLED, Target.ACTIVATED))[Finding.ON_BUT_DEAD]

    assert (paying.repair, dead.repair) == (Target.SUSPENDED, Target.ACTIVATED)
    assert "which charges it" in dead.remedy
    assert paying.remedy.endswith("simtandem had put it there")


def test_where_no_status_helps_the_remedy_says_what_does() -> None:
    assert "assign a SIM" in found(state(None, ENABLED))[Finding.ENDPOINT_WITHOUT_SIM].remedy
    assert "can't be undone" in found(state(TEST, ENABLED))[Finding.FACTORY_TEST].remedy
    assert "only an Issued one can" in found(state(ACTIVATED, ENABLED, Target.FACTORY_TEST))[Finding.DRIFTED].remedy


STATES = st.builds(
    state,
    st.none() | st.sampled_from(SimStatus),
    st.none() | st.sampled_from(EndpointStatus),
    st.none() | st.sampled_from(EMNIFY_TARGETS),
    put_endpoint=st.booleans(),
)


@settings(deadline=None)  # a busy machine is slow
@given(STATES)
def test_a_repair_is_allowed_and_ends_its_finding(before: State) -> None:
    for judgement in judge(before, LIFECYCLE):
        if judgement.repair is None:
            continue
        move = LIFECYCLE.move(before.sim, before.endpoint, judgement.repair)
        after = State(
            before.has_sim, move.sim_after, before.has_endpoint, move.endpoint_after,
            judgement.repair, move.sim_after, move.endpoint_after,
        )  # fmt: skip
        assert not move.refusal
        assert judgement.finding not in found(after)


@settings(deadline=None)  # a busy machine is slow
@given(STATES)
def test_repairs_of_one_device_never_contradict_each_other(before: State) -> None:
    repairs = {judgement.repair for judgement in judge(before, LIFECYCLE) if judgement.repair}

    # Where the endpoint is gone, going back is impossible and suspending saves the money: one repair, not two.
    assert len(repairs) <= 1


@settings(deadline=None)  # a busy machine is slow
@given(STATES)
def test_no_repair_charges_a_sim_that_nobody_had_asked_to_activate(before: State) -> None:
    for judgement in judge(before, LIFECYCLE):
        if judgement.repair is Target.ACTIVATED and before.sim is not ACTIVATED:
            assert before.desired is Target.ACTIVATED
