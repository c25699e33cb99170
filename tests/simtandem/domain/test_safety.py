from dataclasses import replace

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, Half, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.plan import make_plan
from simtandem.domain.safety import Limits, StopRule, check, costly, for_good, suspending, unlimited
from simtandem.errors import PlanRefused
from tests.simtandem.model_fleet import ModelFleet, device, wishes


def plan_to_suspend(count: int) -> pl.DataFrame:
    """A plan that suspends `count` SIMs, activates two, and has a SIM suspended already among its rows."""
    active = [device(number, SimStatus.ACTIVATED, EndpointStatus.ENABLED) for number in range(1, count + 1)]
    others = [
        device(count + 1, SimStatus.SUSPENDED, EndpointStatus.ENABLED),
        device(count + 2, SimStatus.ISSUED),
        device(count + 3, SimStatus.ISSUED),
    ]
    rows = [(1 + at, str(at), None, None, Target.SUSPENDED) for at in range(1, count + 2)]
    rows += [(1 + at, str(at), None, None, Target.ACTIVATED) for at in (count + 2, count + 3)]
    return make_plan(wishes(*rows), empty(Repeats), ModelFleet(active + others).inventory(), EMNIFY)


def gate(
    plan: pl.DataFrame,
    *,
    sims: int | None = 1000,
    activated: int | None = 1000,
    limits: Limits | None = None,
    accept_large: bool = False,
    change_owners: bool = False,
    expected_digest: str | None = None,
    lifecycle: Lifecycle = EMNIFY,
) -> None:
    check(
        plan,
        lifecycle=lifecycle,
        fleet_sims=sims,
        fleet_activated=activated,
        limits=limits or Limits(),
        accept_large=accept_large,
        change_owners=change_owners,
        expected_digest=expected_digest,
        digest="aaaa000011112222",
    )


def test_only_sims_that_leave_activated_are_suspending() -> None:
    assert suspending(plan_to_suspend(3), EMNIFY) == 3
    assert suspending(plan_to_suspend(0), EMNIFY) == 0


def test_a_large_share_is_refused_with_the_numbers_and_the_way_on() -> None:
    with pytest.raises(PlanRefused) as refused:
        gate(plan_to_suspend(412), sims=2000, activated=1180)
    assert str(refused.value) == (
        "emnify: 412 of 1,180 Activated SIMs would be suspended (34.9 %, limit 30 %).\n"
        "Nothing was sent. Review plan.csv, then run again with --accept-large."
    )


def test_the_limit_itself_is_allowed_and_one_more_is_not() -> None:
    gate(plan_to_suspend(3), sims=10, activated=10)
    with pytest.raises(PlanRefused, match=r"4 of 10 Activated SIMs would be suspended \(40 %, limit 30 %\)"):
        gate(plan_to_suspend(4), sims=10, activated=10)


def test_share_is_taken_of_the_activated_sims_not_of_all() -> None:
    with pytest.raises(PlanRefused, match="4 of 10"):
        gate(plan_to_suspend(4), sims=10_000, activated=10)


def test_fleets_under_ten_sims_are_not_judged_by_a_share() -> None:
    gate(plan_to_suspend(9), sims=9, activated=9)
    with pytest.raises(PlanRefused):
        gate(plan_to_suspend(9), sims=10, activated=9)


def test_counts_that_are_older_than_the_plan_do_not_hide_a_switch_off() -> None:
    with pytest.raises(PlanRefused, match=r"12 of 12 Activated SIMs would be suspended \(100 %, limit 30 %\)"):
        gate(plan_to_suspend(12), sims=12, activated=0)


def test_a_plan_that_suspends_nothing_passes_whatever_the_fleet() -> None:
    gate(plan_to_suspend(0), sims=100, activated=0)
    gate(plan_to_suspend(0), sims=None, activated=None)


@pytest.mark.parametrize(("sims", "activated"), [(None, None), (None, 50), (50, None)])
def test_ten_suspends_in_a_fleet_of_unknown_size_are_too_many(sims: int | None, activated: int | None) -> None:
    gate(plan_to_suspend(9), sims=sims, activated=activated)
    with pytest.raises(PlanRefused, match="10 SIMs would be suspended, and it is not known what share"):
        gate(plan_to_suspend(10), sims=sims, activated=activated)


def test_newly_billed_sims_are_limited_only_where_a_limit_is_set() -> None:
    gate(plan_to_suspend(0))
    gate(plan_to_suspend(0), limits=Limits(newly_billed=2))
    with pytest.raises(PlanRefused, match=r"emnify: 2 SIMs would be newly billed \(limit 1\)\.\nNothing was sent"):
        gate(plan_to_suspend(0), limits=Limits(newly_billed=1))


def test_the_limit_holds_where_nobody_knows_what_is_billed_and_does_not_say_that_it_is() -> None:
    with pytest.raises(PlanRefused, match=r"2 SIMs would be newly ACTIVE \(limit 1\)\.\nNothing was sent"):
        gate(plan_to_suspend(0), limits=Limits(newly_billed=1), lifecycle=IOT_ACCELERATOR)


def test_all_excesses_are_named_at_once() -> None:
    with pytest.raises(PlanRefused) as refused:
        gate(plan_to_suspend(5), activated=10, limits=Limits(newly_billed=0))
    assert [line.split(" ")[1] for line in str(refused.value).splitlines()] == ["5", "2", "was"]


def test_acknowledging_waives_the_limits() -> None:
    gate(plan_to_suspend(12), activated=12, limits=Limits(newly_billed=0), accept_large=True)


@pytest.mark.parametrize("accept_large", [True, False])
def test_a_plan_that_was_not_approved_is_refused_before_anything_else(accept_large: bool) -> None:
    with pytest.raises(PlanRefused) as refused:
        gate(plan_to_suspend(12), activated=12, accept_large=accept_large, expected_digest="bbbb333344445555")
    message = str(refused.value)
    assert "aaaa000011112222" in message
    assert "bbbb333344445555" in message
    assert "Nothing was sent." in message
    assert "suspended" not in message


def test_the_approved_plan_passes_but_keeps_its_limits() -> None:
    gate(plan_to_suspend(1), expected_digest="aaaa000011112222")
    with pytest.raises(PlanRefused, match="12 of 12"):
        gate(plan_to_suspend(12), activated=12, expected_digest="aaaa000011112222")


@pytest.mark.parametrize(
    ("failures", "devices", "stops"),
    [
        (9, 9, False),  # too few to tell
        (10, 50, False),  # exactly the share
        (10, 49, True),
        (11, 50, True),
        (200, 1000, False),
        (201, 1000, True),
        (0, 0, False),
    ],
)
def test_a_run_stops_when_failures_are_many_and_more_than_the_share(failures: int, devices: int, stops: bool) -> None:
    assert StopRule().stops(failures, devices) is stops


def test_a_rule_without_minimum_stops_at_failures_only() -> None:
    assert not StopRule(share=0.0, at_least=0).stops(0, 5)
    assert StopRule(share=0.0, at_least=0).stops(1, 5)


def test_what_is_said_of_sims_that_are_billed_for_good_and_without_a_limit() -> None:
    assert for_good(0, EMNIFY) == ""
    assert for_good(1250, EMNIFY).startswith("1,250 SIMs would be newly billed permanently")
    assert [bool(unlimited(*given, EMNIFY)) for given in [(0, None), (1, None), (1, 0), (5, 10)]] == [
        False,
        True,
        False,
        False,
    ]


def test_a_call_to_any_endpoint_can_cost_money_where_the_carrier_moves_its_sim() -> None:
    """Its endpoint may have another SIM by then, and a SIM in Factory Test would be activated."""
    fleet = [
        device(1),
        device(2, SimStatus.SUSPENDED, EndpointStatus.ENABLED),
        device(3, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    ]
    rows = wishes(*((1 + at, str(at), None, None, Target.SUSPENDED) for at in (2, 3)))
    plan = make_plan(rows, empty(Repeats), ModelFleet(fleet).inventory(), EMNIFY)
    assert plan["newly_billed"].to_list() == [False, False]
    assert costly(plan, EMNIFY)["row"].to_list() == [3, 4]
    assert costly(plan, EMNIFY, Half.SIM).is_empty(), "suspending costs nothing, wherever the SIM is"
    assert costly(plan.with_columns(endpoint_step=False), EMNIFY).is_empty()
    untouched = replace(EMNIFY, sims=tuple(replace(each, touched="") for each in EMNIFY.sims))
    assert costly(plan, untouched).is_empty(), "there nothing moves by itself"
