import copy
import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import Action, EndpointStatus, Half, SimStatus, Target
from schemas.tables import Plan, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain import ownership
from simtandem.domain.batches import split
from simtandem.domain.plan import calls_needed, counts, digest, make_plan
from tests.simtandem.model_fleet import ModelDevice, ModelFleet, device, repeats
from tests.simtandem.owned_fleet import OwnedFleet, asks, owned, owner_jobs

LIFECYCLE = EMNIFY
ISSUED, ACTIVE, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
RUNNING = (ACTIVE, ON)
OTHER = "customer_org_id=43"
SAME = "customer_org_id=42"
"""What `owned_fleet.HELD` says."""


def plan_of(fleet: OwnedFleet, devices: pl.DataFrame, again: pl.DataFrame | None = None) -> pl.DataFrame:
    repeated = empty(Repeats) if again is None else again
    return Plan.validate(make_plan(devices, repeated, fleet.inventory(), LIFECYCLE, fleet.owners()))


def one(before: ModelDevice, desired: Target | None, owners: str | None) -> dict[str, object]:
    """The plan row of the one device there is."""
    return plan_of(owned(ModelFleet([before])), asks((2, "1", desired, owners))).row(0, named=True)


# What must hold for any fleet and any wish


@settings(max_examples=40, deadline=None)
@given(owner_jobs())
def test_applying_a_plan_reaches_statuses_and_owners_and_leaves_nothing_to_do(
    job: tuple[OwnedFleet, pl.DataFrame],
) -> None:
    fleet, devices = job
    plan = plan_of(fleet, devices)
    before, held = copy.deepcopy(fleet.fleet.devices), copy.deepcopy(fleet.held)
    fleet.apply(plan)
    assert (fleet.fleet.illegal, fleet.fleet.paying_but_off, fleet.needless) == ([], [], [])
    now = {each.sim_id: each for each in fleet.fleet.devices if each.sim_id}
    for row in plan.filter(pl.col("action").is_in([Action.CHANGE, Action.UNCHANGED])).iter_rows(named=True):
        told = {name: value or "none" for name, value in fleet.held[row["sim_id"]].items()}
        assert told | ownership.parse(row["owners_after"]) == told
        if row["desired"]:
            assert now[row["sim_id"]].sim == EMNIFY.goal(row["desired"]).sim
        else:
            was = next(each for each in before if each.sim_id == row["sim_id"])
            assert now[row["sim_id"]] == was, "who asks for an owner alone keeps both statuses"
    again = plan_of(fleet, devices)
    assert again.filter(pl.col("action") == Action.CHANGE).is_empty()
    assert counts(again, EMNIFY).refused == counts(plan, EMNIFY).refused
    untouched = set(held) - set(plan.filter(pl.col("sim_step"))["sim_id"])
    assert all(fleet.held[sim] == held[sim] for sim in untouched)


@settings(max_examples=40, deadline=None)
@given(owner_jobs(), st.integers(1, 4))
def test_every_change_is_in_one_batch_and_a_batch_has_one_target(
    job: tuple[OwnedFleet, pl.DataFrame], size: int
) -> None:
    plan = plan_of(*job)
    batches = split(plan, size, EMNIFY)
    rows = [row for batch in batches for row in batch.rows["row"]]
    assert sorted(rows) == plan.filter(pl.col("action") == Action.CHANGE)["row"].to_list()
    for batch in batches:
        assert set(batch.rows["desired"]) == {batch.target}
        if batch.target is None:
            assert not batch.rows["endpoint_step"].any()


def test_owners_alone_neither_save_nor_cost_so_they_go_last() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING), device(2, *RUNNING), device(3, ISSUED, OFF)]))
    plan = plan_of(
        fleet, asks((2, "1", None, OTHER), (3, "2", Target.SUSPENDED, OTHER), (4, "3", Target.ACTIVATED, OTHER))
    )
    assert [batch.target for batch in split(plan, 10, EMNIFY)] == [Target.SUSPENDED, Target.ACTIVATED, None]


# Steps


def test_only_the_sims_whose_owner_differs_get_a_step() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING), device(2, *RUNNING)]))
    plan = plan_of(fleet, asks((2, "1", None, OTHER), (3, "2", None, SAME)))
    assert plan["action"].to_list() == [Action.CHANGE, Action.UNCHANGED]
    assert plan["sim_step"].to_list() == [True, False]
    assert plan["owners_before"].to_list() == [SAME, SAME]
    assert counts(plan, EMNIFY).owner_changes == 1
    assert calls_needed(plan, 500, LIFECYCLE) == 1


def test_of_several_owners_those_that_are_right_are_planned_as_they_are() -> None:
    row = one(device(1, *RUNNING), None, "customer_org_id=42, reseller_org_id=7")
    assert row["sim_step"]
    assert row["owners_before"] == "customer_org_id=42, reseller_org_id=none"
    assert row["owners_after"] == "customer_org_id=42, reseller_org_id=7"


def test_nobody_asked_for_and_nobody_there_is_unchanged() -> None:
    row = one(device(1, *RUNNING), None, "reseller_org_id=none")
    assert (row["action"], row["owners_before"]) == (Action.UNCHANGED, "reseller_org_id=none")


def test_an_owner_alone_leaves_both_statuses_as_they_are() -> None:
    row = one(device(1, *RUNNING), None, OTHER)
    assert (row["sim_after"], row["endpoint_after"], row["desired"]) == (ACTIVE, ON, None)
    assert (row["sim_step"], row["endpoint_step"], row["first"]) == (True, False, Half.SIM)


@pytest.mark.parametrize(
    ("before", "desired", "first", "steps"),
    [
        (device(1, ISSUED, OFF), Target.ACTIVATED, Half.ENDPOINT, (True, True)),
        (device(1, *RUNNING), Target.SUSPENDED, Half.SIM, (True, True)),
        (device(1, *RUNNING), Target.ACTIVATED, Half.ENDPOINT, (True, False)),
    ],
)
def test_a_status_and_an_owner_are_one_step_of_the_sim_in_the_order_of_the_pair(
    before: ModelDevice, desired: Target, first: Half, steps: tuple[bool, bool]
) -> None:
    row = one(before, desired, OTHER)
    assert (row["first"], (row["sim_step"], row["endpoint_step"])) == (first, steps)
    assert (row["sim_after"], row["owners_after"]) == (EMNIFY.goal(desired).sim, OTHER)


def test_a_plan_of_owners_bills_nobody() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING), device(2, *RUNNING), device(3, ISSUED, ON)]))
    plan = plan_of(
        fleet, asks((2, "1", None, OTHER), (3, "2", Target.ACTIVATED, OTHER), (4, "3", Target.ACTIVATED, OTHER))
    )
    assert plan["newly_billed"].to_list() == [False, False, True]
    assert counts(plan, EMNIFY).owner_changes == counts(plan, EMNIFY).sim_changes == 3


@pytest.mark.parametrize("sim", [SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.FACTORY_TEST])
@pytest.mark.parametrize("endpoint", [None, EndpointStatus.DELETED, OFF, ON])
def test_an_owner_alone_does_not_need_a_pair_that_agrees(sim: SimStatus, endpoint: EndpointStatus | None) -> None:
    row = one(device(1, sim, endpoint), None, OTHER)
    assert (row["action"], row["sim_step"], row["endpoint_step"]) == (Action.CHANGE, True, False)


# Refusals


def test_a_deleted_sim_gets_no_other_owner() -> None:
    row = one(device(1, SimStatus.DELETED, ON), None, OTHER)
    assert (row["action"], row["sim_step"]) == (Action.REFUSED, False)
    assert row["reason"] == "SIM 1: the SIM is Deleted, which is final; take the row out"


def test_a_status_that_is_refused_takes_its_owner_with_it() -> None:
    row = one(device(1, ISSUED, OFF), Target.SUSPENDED, OTHER)
    assert (row["action"], row["sim_step"]) == (Action.REFUSED, False)
    assert "Issued" in str(row["reason"])


def test_an_endpoint_without_sim_has_no_owner_to_change() -> None:
    wish = asks((2, None, None, OTHER)).with_columns(endpoint_id=pl.lit("101"))
    plan = plan_of(owned(ModelFleet([device(1, None, OFF)])), wish)
    assert plan["action"].to_list() == [Action.REFUSED]
    assert "there is no SIM" in plan["reason"].item()


@pytest.mark.parametrize("told", [True, False])
def test_a_sim_whose_owner_can_not_be_read_is_refused_and_its_neighbour_is_not(told: bool) -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING), device(2, *RUNNING)]))
    known = fleet.owners().filter(pl.col("sim_id") != "1") if told else None
    devices = asks((2, "1", Target.SUSPENDED, OTHER), (3, "2", Target.SUSPENDED, None))
    plan = make_plan(devices, empty(Repeats), fleet.inventory(), LIFECYCLE, known)
    assert plan["action"].to_list() == [Action.REFUSED, Action.CHANGE]
    assert plan["reason"][0] == "SIM 1: the carrier does not say whose it is, so its owner can't be changed"


def test_rows_that_name_one_sim_differently_and_want_other_owners_are_refused_by_name() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING)]))
    wish = asks((2, "1", None, OTHER), (3, None, None, SAME)).with_columns(
        endpoint_id=pl.when(row=3).then(pl.lit("101"))
    )
    plan = plan_of(fleet, wish)
    assert plan["action"].to_list() == [Action.REFUSED, Action.REFUSED]
    assert (
        "row 2 asks for no status, customer_org_id=43, row 3 asks for no status, customer_org_id=42"
        in (plan["reason"][0])
    )


def test_rows_that_name_one_sim_differently_and_agree_are_sent_once() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING)]))
    wish = asks((2, "1", None, OTHER), (3, None, None, OTHER)).with_columns(
        endpoint_id=pl.when(row=3).then(pl.lit("101"))
    )
    plan = plan_of(fleet, wish, repeats((4, 2)))
    assert plan["action"].to_list() == [Action.CHANGE, Action.REPEAT, Action.REPEAT]
    assert plan["owners_after"].to_list() == [OTHER] * 3
    assert counts(plan, EMNIFY).owner_changes == 1


# The digest


def test_a_plan_without_owners_has_the_digest_it_had_before_there_were_owners() -> None:
    fleet = owned(ModelFleet([device(1, ISSUED, OFF), device(2, *RUNNING), device(3, SimStatus.DELETED, ON)]))
    wishes = [(row, str(row - 1), Target.ACTIVATED, None) for row in (2, 3, 4)]
    plan = plan_of(fleet, asks(*wishes), repeats((5, 2)))
    old = ["row", "sim_id", "iccid", "endpoint_id", "sim_before", "endpoint_before", "desired", "sim_after"]
    old += ["endpoint_after", "sim_step", "endpoint_step", "first", "action", "newly_billed", "same_as"]
    sha = hashlib.sha256(b"simtandem plan 1 emnify\n" + plan.select(old).write_ndjson().encode())
    assert digest(plan, "emnify") == sha.hexdigest()[:16]


def test_the_digest_changes_with_an_owner_that_is_asked_for_and_with_one_that_is_there() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING)]))
    first = plan_of(fleet, asks((2, "1", None, OTHER)))
    elsewhere = plan_of(fleet, asks((2, "1", None, "customer_org_id=44")))
    moved = owned(ModelFleet([device(1, *RUNNING)]))
    next(iter(moved.held.values())).update(dict.fromkeys(moved.held["1"], "9"))
    from_elsewhere = plan_of(moved, asks((2, "1", None, OTHER)))
    digests = {digest(plan, "emnify") for plan in (first, elsewhere, from_elsewhere)}
    assert len(digests) == 3


def test_an_owner_that_nobody_asks_about_does_not_change_the_digest() -> None:
    fleet = owned(ModelFleet([device(1, *RUNNING)]))
    devices = asks((2, "1", None, OTHER))
    before = digest(plan_of(fleet, devices), "emnify")
    fleet.held["1"] = {**fleet.held["1"], **{name: "9" for name in fleet.held["1"] if name != "customer_org_id"}}
    assert digest(plan_of(fleet, devices), "emnify") == before
