"""The plan of any fleet and any wish: which steps a row gets, how they are counted, and how long they take."""

import copy
import math

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas.statuses import EMNIFY_TARGETS, Action, EndpointStatus, Half, SimStatus, Target
from schemas.tables import Devices, Inventory, Plan, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import PlanCounts, calls_needed, counts, digest, eta_seconds, make_plan
from tests.simtandem.model_fleet import (
    ACTIVE,
    ISSUED,
    OFF,
    ON,
    SUSPENDED,
    TESTING,
    Job,
    ModelFleet,
    device,
    jobs,
    repeats,
    wishes,
)
from tests.simtandem.planned_rows import LIFECYCLE, NO_REPEATS, only, plan_for

HALVES = [["sim_id", "iccid", "sim_status"], ["endpoint_id", "endpoint_status"]]


def plan_of(job: Job) -> pl.DataFrame:
    return make_plan(job.devices, job.repeats, job.fleet.inventory(), LIFECYCLE)


# What must hold for any fleet and any wish


DELETED_BESIDE_SUSPENDED = Job(
    ModelFleet([device(1, SUSPENDED, EndpointStatus.DELETED)]),
    wishes((2, "1", None, None, Target.SUSPENDED)),
    repeats(),
)


@settings(max_examples=35, deadline=None)
@example(DELETED_BESIDE_SUSPENDED)
@given(jobs())
def test_applying_a_plan_reaches_what_was_asked_and_leaves_nothing_to_do(job: Job) -> None:
    plan = Plan.validate(plan_of(job))
    fleet = copy.deepcopy(job.fleet)
    fleet.apply(plan)
    assert fleet.illegal == []
    assert fleet.paying_but_off == []
    now = {one.sim_id: one for one in fleet.devices if one.sim_id}
    for row in plan.filter(pl.col("action").is_in(["change", "unchanged"])).iter_rows(named=True):
        target, one = Target(row["desired"]), now[row["sim_id"]]
        assert one.sim is EMNIFY.goal(target).sim
        kept = (
            one.endpoint if one.endpoint in (None, EndpointStatus.DELETED) else EMNIFY.goal(target).endpoint
        )  # Deleted is final
        assert one.endpoint is kept
    again = make_plan(job.devices, job.repeats, fleet.inventory(), LIFECYCLE)
    assert again.filter(pl.col("action") == Action.CHANGE).is_empty()
    assert counts(again, EMNIFY).refused == counts(plan, EMNIFY).refused


@settings(max_examples=35, deadline=None)
@given(jobs())
def test_every_input_row_is_planned_once_and_the_counts_add_up(job: Job) -> None:
    plan = plan_of(job)
    counted = counts(plan, EMNIFY)
    assert sorted([*job.devices["row"], *job.repeats["row"]]) == plan["row"].to_list()
    changes = plan.filter(pl.col("action") == Action.CHANGE)
    assert changes.height + counted.unchanged + counted.refused == counted.devices
    assert counted.devices + counted.repeats == plan.height
    assert counted.sim_changes + counted.endpoint_changes >= changes.height
    assert counted.newly_billed == changes.filter(pl.col("sim_step") & (pl.col("sim_after") == ACTIVE)).height
    assert changes["first"].null_count() == 0
    assert (
        not plan.filter(pl.col("action") != Action.CHANGE)
        .select(pl.any_horizontal("sim_step", "endpoint_step").any())
        .item()
    )
    assert plan.filter((pl.col("action") == Action.REFUSED) & (pl.col("reason") == "")).is_empty()


@settings(max_examples=40, deadline=None)
@given(jobs(), st.data())
def test_plan_is_the_same_whatever_the_order_and_the_doubles_of_the_inventory(job: Job, data: st.DataObject) -> None:
    plan = plan_of(job)
    inventory = job.fleet.inventory()
    alone = [inventory.with_columns(pl.lit(None, pl.String).alias(name) for name in half) for half in HALVES]
    several = pl.concat([inventory, inventory, *alone])
    order = data.draw(st.permutations(range(several.height)))
    shuffled = make_plan(job.devices, job.repeats, several[order], LIFECYCLE)
    assert_frame_equal(plan, shuffled)
    assert digest(plan, "emnify") == digest(shuffled, "emnify")


@settings(max_examples=35, deadline=None)
@given(
    jobs().filter(lambda job: job.fleet.devices), st.sampled_from(SimStatus), st.sampled_from(EndpointStatus), st.data()
)
def test_digest_changes_with_a_planned_device_and_only_with_one(
    job: Job, sim: SimStatus, endpoint: EndpointStatus, data: st.DataObject
) -> None:
    plan = plan_of(job)
    fleet = copy.deepcopy(job.fleet)
    changed = data.draw(st.sampled_from(fleet.devices))
    was = copy.deepcopy(changed)
    changed.sim, changed.endpoint = changed.sim and sim, changed.endpoint and endpoint
    planned = {*plan["sim_id"], *plan["endpoint_id"]} - {None}
    matters = changed != was and not planned.isdisjoint({changed.sim_id, changed.endpoint_id})
    after = plan_of(Job(fleet, job.devices, job.repeats))
    assert (digest(after, "emnify") != digest(plan, "emnify")) is matters


# What a row gets


@pytest.mark.parametrize(
    ("sim", "endpoint", "target", "steps"),
    [
        (ISSUED, OFF, Target.ACTIVATED, (True, True, Half.ENDPOINT, True)),
        (ISSUED, ON, Target.ACTIVATED, (True, False, Half.ENDPOINT, True)),
        (ACTIVE, OFF, Target.ACTIVATED, (False, True, Half.ENDPOINT, False)),
        (TESTING, OFF, Target.ACTIVATED, (True, True, Half.SIM, True)),
        (TESTING, ON, Target.ACTIVATED, (True, False, Half.SIM, True)),
        (ACTIVE, ON, Target.SUSPENDED, (True, True, Half.SIM, False)),
        (ACTIVE, OFF, Target.SUSPENDED, (True, False, Half.SIM, False)),
        (ACTIVE, None, Target.SUSPENDED, (True, False, Half.SIM, False)),
        (ACTIVE, EndpointStatus.DELETED, Target.SUSPENDED, (True, False, Half.SIM, False)),
        (SUSPENDED, ON, Target.SUSPENDED, (False, True, Half.SIM, False)),
        (ISSUED, OFF, Target.FACTORY_TEST, (True, True, Half.ENDPOINT, False)),
    ],
)
def test_only_the_halves_that_differ_get_a_step(
    sim: SimStatus, endpoint: EndpointStatus | None, target: Target, steps: tuple[bool, bool, Half, bool]
) -> None:
    row = only(plan_for(wishes((2, "1", None, None, target)), device(1, sim, endpoint)))
    assert (row["sim_step"], row["endpoint_step"], row["first"], row["newly_billed"]) == steps
    assert (row["action"], row["reason"]) == (Action.CHANGE, "")


@pytest.mark.parametrize(
    ("sim", "endpoint", "target"),
    [
        (ACTIVE, ON, Target.ACTIVATED),
        (SUSPENDED, OFF, Target.SUSPENDED),
        (SUSPENDED, None, Target.SUSPENDED),
        (TESTING, ON, Target.FACTORY_TEST),
    ],
)
def test_what_is_right_already_gets_no_step(sim: SimStatus, endpoint: EndpointStatus | None, target: Target) -> None:
    row = only(plan_for(wishes((2, "1", None, None, target)), device(1, sim, endpoint)))
    assert (row["action"], row["sim_step"], row["endpoint_step"], row["first"]) == ("unchanged", False, False, None)
    assert (row["sim_after"], row["endpoint_after"]) == (sim, endpoint)


def test_refusal_by_the_rules_names_the_sim_and_keeps_the_states() -> None:
    row = only(plan_for(wishes((2, None, "101", None, Target.SUSPENDED)), device(1, ISSUED, ON)))
    assert str(row["reason"]).startswith("SIM 1: an Issued SIM can't be suspended")
    assert (row["sim_before"], row["endpoint_before"], row["sim_after"]) == (ISSUED, ON, None)


# Nothing at all


def test_nothing_asked_of_nothing_is_an_empty_plan() -> None:
    plan = Plan.validate(make_plan(empty(Devices), NO_REPEATS, empty(Inventory), LIFECYCLE))
    assert plan.is_empty()
    assert counts(plan, EMNIFY) == PlanCounts(0, 0, 0, 0, 0, 0, 0, 0, dict.fromkeys(EMNIFY_TARGETS, 0))
    assert calls_needed(plan, 500, LIFECYCLE) == 0
    assert len(digest(plan, "emnify")) == 16


def test_an_empty_inventory_refuses_every_row() -> None:
    plan = plan_for(wishes((2, "1", None, None, Target.ACTIVATED), (3, None, "9", None, Target.SUSPENDED)))
    assert plan["action"].to_list() == [Action.REFUSED, Action.REFUSED]


# Digest


def test_digest_does_not_depend_on_chunks_or_the_order_of_columns_and_rows() -> None:
    rows = [(2 + at, str(1 + at), None, None, Target.ACTIVATED) for at in range(4)]
    plan = plan_for(wishes(*rows), *[device(number) for number in range(1, 5)])
    pieces = pl.concat([plan[2:], plan[:2]], rechunk=False).select(reversed(plan.columns))
    assert digest(pieces, "emnify") == digest(plan, "emnify")


def test_digest_names_the_carrier_and_the_target() -> None:
    on = plan_for(wishes((2, "1", None, None, Target.ACTIVATED)), device(1, SUSPENDED, ON))
    off = plan_for(wishes((2, "1", None, None, Target.SUSPENDED)), device(1, SUSPENDED, ON))
    assert len({digest(on, "emnify"), digest(on, "aeris"), digest(off, "emnify")}) == 3
    assert len({digest(on, "emnify"), digest(on, "emnify", "eu"), digest(on, "emnify", "us")}) == 3
    assert digest(on, "emnify", "default") == digest(on, "emnify")


def test_digest_is_the_one_an_operator_approved_earlier() -> None:
    plan = plan_for(wishes((2, "1", None, None, Target.ACTIVATED)), device(1))
    assert digest(plan, "emnify") == "1fdc44f9f8f0f6e6"


# Calls and time


def test_calls_are_one_a_sim_and_one_a_batch_with_endpoints() -> None:
    fleet = [device(number, ISSUED, OFF) for number in range(1, 6)] + [device(6, SUSPENDED, ON)]
    rows = [(1 + at, str(at), None, None, Target.ACTIVATED) for at in range(1, 7)]
    plan = plan_for(wishes(*rows), *fleet)
    assert calls_needed(plan, 500, LIFECYCLE) == 6 + 1
    assert calls_needed(plan, 2, LIFECYCLE) == 6 + 3
    assert calls_needed(plan, 5, LIFECYCLE) == 6 + 1  # the second batch has no endpoint to change


@pytest.mark.parametrize(
    ("calls", "sim_changes", "seconds"),
    [
        (0, 0, 0.0),
        (203, 200, 2.5),  # all in the first window: 200 calls, 8 at a time
        (1900, 1896, 23.7),
        (1901, 1896, 300.1),  # one call has to wait for the next window
        (10_026, 10_000, 1500 + 6.6),
    ],
)
def test_eta_waits_for_full_windows_and_for_the_last_answers(calls: int, sim_changes: int, seconds: float) -> None:
    assert math.isclose(eta_seconds(calls, 1900, 300, sim_changes, concurrency=8, latency_s=0.1), seconds)


def test_eta_of_slow_answers_is_bound_by_them_alone() -> None:
    assert eta_seconds(4000, 1900, 300, 4000, concurrency=1, latency_s=1.0) == 4000


def test_billed_for_good_are_those_that_can_not_go_back() -> None:
    fleet = [device(1, ISSUED, OFF), device(2, TESTING, ON), device(3, SUSPENDED, OFF), device(4, ACTIVE, OFF)]
    wanted = wishes(*((row, str(row - 1), None, None, Target.ACTIVATED) for row in range(2, 6)))
    counted = counts(plan_for(wanted, *fleet), EMNIFY)
    assert (counted.newly_billed, counted.billed_for_good) == (3, 2)
