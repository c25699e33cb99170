import copy
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings

from schemas.organisations import OwnerField
from schemas.statuses import Action, EndpointStatus, Half, Outcome, SimStatus, Target, Verdict
from schemas.tables import Outcomes, Owners, Rejected, Repeats, Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.verdicts import moved_between, results_of, stragglers, to_retry
from simtandem.reports.result_files import write_retry
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.model_fleet import ModelFleet, device, repeats
from tests.simtandem.owned_fleet import OwnedFleet, asks, ended, owned, owner_jobs

ACTIVE, SUSPENDED = SimStatus.ACTIVATED, SimStatus.SUSPENDED
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
CUSTOMER = OwnerField.CUSTOMER
OTHER, SAME = "customer_org_id=43", "customer_org_id=42"
APPLIED, UNKNOWN, FAILED, HELD = Outcome.APPLIED, Outcome.UNKNOWN, Outcome.FAILED, Outcome.HELD


def plan_of(fleet: OwnedFleet, devices: pl.DataFrame, again: pl.DataFrame | None = None) -> pl.DataFrame:
    repeated = empty(Repeats) if again is None else again
    return make_plan(devices, repeated, fleet.inventory(), EMNIFY, fleet.owners())


def one(desired: Target | None = None, owners: str | None = OTHER) -> tuple[OwnedFleet, pl.DataFrame]:
    """A running device that belongs to 42, and the plan for it."""
    fleet = owned(ModelFleet([device(1, ACTIVE, ON)]))
    return fleet, plan_of(fleet, asks((2, "1", desired, owners)))


def judge(
    fleet: OwnedFleet, plan: pl.DataFrame, outcomes: pl.DataFrame, owners: pl.DataFrame | None = None
) -> dict[str, object]:
    """The result of the one row, given the fleet as it is now."""
    told = fleet.owners() if owners is None else owners
    judged = results_of(plan, empty(Rejected), outcomes, fleet.inventory(), EMNIFY, told)
    return Results.validate(judged).row(0, named=True)


@settings(max_examples=30, deadline=None)
@given(owner_jobs())
def test_a_run_without_trouble_ends_in_sync_and_one_that_sent_nothing_does_not(
    job: tuple[OwnedFleet, pl.DataFrame],
) -> None:
    fleet, devices = job
    plan = plan_of(fleet, devices)
    before = copy.deepcopy(fleet)
    fleet.apply(plan)
    steps = [(row["row"], half, APPLIED) for row in plan.iter_rows(named=True) for half in Half if row[f"{half}_step"]]
    outcomes, nothing = ended(*steps), empty(Outcomes)
    judged = results_of(plan, empty(Rejected), outcomes, fleet.inventory(), EMNIFY, fleet.owners())
    assert set(judged["verdict"]) <= {Verdict.IN_SYNC, Verdict.REFUSED}
    assert stragglers(plan, outcomes, fleet.inventory(), fleet.owners()).is_empty()
    asked = judged.filter(pl.col("owners").is_not_null() & (pl.col("verdict") == Verdict.IN_SYNC))
    assert asked["owners"].to_list() == asked["owners_after"].to_list()
    unsent = results_of(plan, empty(Rejected), nothing, before.inventory(), EMNIFY, before.owners())
    changes = plan.filter(pl.col("action") == Action.CHANGE)["row"].to_list()
    assert set(unsent.filter(pl.col("row").is_in(changes))["verdict"]) <= {Verdict.SKIPPED}


def test_a_result_tells_whose_the_sim_was_is_and_should_be() -> None:
    fleet, plan = one()
    fleet.apply(plan)
    row = judge(fleet, plan, ended((2, "sim", APPLIED)))
    assert (row["owners"], row["owners_before"], row["owners_after"]) == (OTHER, SAME, OTHER)
    assert (row["verdict"], row["reason"], row["before"], row["after"]) == (
        Verdict.IN_SYNC,
        "",
        "Activated+Enabled",
        "Activated+Enabled",
    )


def test_a_plan_without_owners_tells_none() -> None:
    fleet, plan = one(Target.SUSPENDED, None)
    row = judge(fleet, plan, empty(Outcomes))
    assert (row["owners"], row["owners_before"], row["owners_after"]) == (None, None, None)


def test_statuses_in_place_do_not_make_up_for_an_owner_that_is_not() -> None:
    fleet, plan = one(Target.SUSPENDED)
    fleet.apply(plan)
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "42"}
    row = judge(fleet, plan, ended((2, "sim", FAILED), (2, "endpoint", APPLIED)))
    assert row["verdict"] != Verdict.IN_SYNC
    assert row["after"] == "Suspended+Disabled"


@pytest.mark.parametrize("desired", [None, Target.SUSPENDED])
def test_somebody_else_who_changes_the_owner_afterwards_is_told_from_a_failure(desired: Target | None) -> None:
    fleet, plan = one(desired)
    fleet.apply(plan)
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "77"}
    row = judge(fleet, plan, ended((2, "sim", APPLIED), *([(2, "endpoint", APPLIED)] if desired else [])))
    assert row["verdict"] == Verdict.CHANGED_BY_OTHERS
    assert "customer_org_id=77, asked for" in str(row["reason"])
    assert f"{OTHER}; find out who changed it" in str(row["reason"])


@pytest.mark.parametrize(
    ("outcome", "moved", "verdict"),
    [
        (APPLIED, True, Verdict.IN_SYNC),
        (APPLIED, False, Verdict.CHANGED_BY_OTHERS),
        (UNKNOWN, True, Verdict.IN_SYNC),
        (UNKNOWN, False, Verdict.FAILED),
        (FAILED, False, Verdict.FAILED),
        (FAILED, True, Verdict.IN_SYNC),
        (Outcome.REFUSED, False, Verdict.FAILED),
        (HELD, False, Verdict.SKIPPED),
        (None, False, Verdict.SKIPPED),
    ],
)
def test_the_fresh_look_decides_about_owners(outcome: Outcome | None, moved: bool, verdict: Verdict) -> None:
    fleet, plan = one()
    if moved:
        fleet.apply(plan)
    row = judge(fleet, plan, ended((2, "sim", outcome)) if outcome else empty(Outcomes))
    assert row["verdict"] == verdict
    if verdict in (Verdict.FAILED, Verdict.SKIPPED):
        assert "Activated+Enabled, customer_org_id=42, asked for Activated+Enabled, customer_org_id=43" in (
            str(row["reason"])
        )


def test_an_owner_that_could_not_be_read_afresh_is_unknown() -> None:
    fleet, plan = one()
    fleet.apply(plan)
    row = judge(fleet, plan, ended((2, "sim", APPLIED)), owners=empty(Owners))
    assert (row["verdict"], row["owners_after"]) == (Verdict.UNKNOWN, None)


def test_of_rows_that_ask_no_owner_none_needs_to_be_read() -> None:
    fleet, plan = one(Target.SUSPENDED, None)
    fleet.apply(plan)
    row = judge(fleet, plan, ended((2, "sim", APPLIED), (2, "endpoint", APPLIED)), owners=empty(Owners))
    assert row["verdict"] == Verdict.IN_SYNC


def test_without_a_fresh_look_the_listing_of_the_plan_stands() -> None:
    _, plan = one()
    row = results_of(plan, empty(Rejected), empty(Outcomes), None, EMNIFY).row(0, named=True)
    assert (row["verdict"], row["owners_after"]) == (Verdict.SKIPPED, SAME)


def test_an_owner_that_was_confirmed_and_does_not_show_yet_is_read_again() -> None:
    fleet, plan = one()
    late = stragglers(plan, ended((2, "sim", APPLIED)), fleet.inventory(), fleet.owners())
    assert late["row"].to_list() == [2]
    fleet.apply(plan)
    assert stragglers(plan, ended((2, "sim", APPLIED)), fleet.inventory(), fleet.owners()).is_empty()


def test_a_repeat_is_told_the_owners_of_the_row_it_repeats() -> None:
    fleet = owned(ModelFleet([device(1, ACTIVE, ON)]))
    plan = plan_of(fleet, asks((2, "1", None, OTHER)), repeats((3, 2)))
    fleet.apply(plan)
    judged = results_of(plan, empty(Rejected), ended((2, "sim", APPLIED)), fleet.inventory(), EMNIFY, fleet.owners())
    assert judged["owners_after"].to_list() == [OTHER, OTHER]
    assert judged["verdict"].to_list() == [Verdict.IN_SYNC] * 2


def test_what_is_to_be_retried_asks_for_the_same_owners_as_an_input_file(tmp_path: Path) -> None:
    fleet = owned(ModelFleet([device(number, ACTIVE, ON) for number in (1, 2, 3)]))
    devices = asks(
        (2, "1", None, "customer_org_id=none, issuer_org_id=9"), (3, "2", Target.SUSPENDED, None), (4, "3", None, SAME)
    )
    retry = to_retry(results_of(plan_of(fleet, devices), empty(Rejected), empty(Outcomes), None, EMNIFY))
    write_retry(retry, tmp_path / "retry.csv")
    again = read_devices(tmp_path / "retry.csv")
    assert again.rejected.is_empty()
    assert again.devices.select("sim_id", "desired", "owners").rows() == [
        ("1", None, "customer_org_id=none, issuer_org_id=9"),
        ("2", "suspended", None),
    ]


def test_two_plans_that_differ_in_an_owner_alone_differ() -> None:
    fleet, before = one()
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "77"}
    after = plan_of(fleet, asks((2, "1", None, OTHER)))
    assert moved_between(before, after, EMNIFY).rows() == [
        (2, f"Activated+Enabled, {SAME}: change", "Activated+Enabled, customer_org_id=77: change")
    ]
    assert moved_between(before, before, EMNIFY).is_empty()
