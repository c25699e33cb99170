"""The device an input row means, and several rows that mean the same one: what the plan makes of them."""

import polars as pl
import pytest

from schemas.statuses import Action, Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import PlanCounts, counts, make_plan
from tests.simtandem.model_fleet import (
    ACTIVE,
    ISSUED,
    OFF,
    ON,
    SUSPENDED,
    ModelDevice,
    ModelFleet,
    device,
    iccid,
    repeats,
    wishes,
)
from tests.simtandem.planned_rows import LIFECYCLE, NO_REPEATS, only, plan_for

# Which device a row means


@pytest.mark.parametrize(
    "ids",
    [
        ("1", None, None),
        (None, "101", None),
        (None, None, iccid(1)),
        ("1", "101", None),
        ("1", "101", iccid(1)),
        (None, "101", iccid(1)),
    ],
)
def test_any_id_leads_to_the_whole_device(ids: tuple[str | None, str | None, str | None]) -> None:
    row = only(plan_for(wishes((2, *ids, Target.ACTIVATED)), device(1), device(2)))
    assert (row["sim_id"], row["iccid"], row["endpoint_id"]) == ("1", iccid(1), "101")
    assert (row["sim_before"], row["endpoint_before"], row["action"]) == (ISSUED, OFF, Action.CHANGE)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (("5", None, None), "SIM 5 is not in the carrier's inventory"),
        ((None, "105", None), "endpoint 105 is not in the carrier's inventory"),
        ((None, None, iccid(5)), f"ICCID {iccid(5)} is not in the carrier's inventory"),
        (("1", "102", None), "not a pair: SIM 1 belongs to endpoint 101, the row says 102"),
        ((None, "102", iccid(1)), "not a pair: SIM 1 belongs to endpoint 101, the row says 102"),
        (("1", None, iccid(2)), f"not a pair: SIM 1 has ICCID {iccid(1)}, the row says {iccid(2)}"),
        (("3", "101", None), "not a pair: SIM 3 has no endpoint, the row says 101"),
        (("1", "104", None), "not a pair: SIM 1 belongs to endpoint 101, the row says 104"),
        ((None, "104", None), "endpoint 104: there is no SIM, so it can never be online; assign one first"),
        (("5", "102", iccid(1)), "SIM 5 is not in the carrier's inventory"),
    ],
)
def test_ids_that_lead_nowhere_or_apart_are_refused_with_the_numbers(
    ids: tuple[str | None, str | None, str | None], reason: str
) -> None:
    fleet = device(1), device(2), device(3, endpoint=None), device(4, sim=None)
    row = only(plan_for(wishes((2, *ids, Target.ACTIVATED)), *fleet))
    assert (row["action"], row["reason"]) == (Action.REFUSED, reason)
    assert (row["sim_step"], row["endpoint_step"], row["sim_after"]) == (False, False, None)


def test_an_iccid_that_a_spreadsheet_rounded_is_refused_as_that_beside_another_id() -> None:
    row = only(plan_for(wishes((2, "1", None, "8988303000010000000", Target.ACTIVATED)), device(1)))
    assert row["action"] == Action.REFUSED
    assert "probably a spreadsheet lost digits" in row["reason"]


def test_row_that_leads_nowhere_keeps_the_ids_it_gave() -> None:
    row = only(plan_for(wishes((2, "1", "102", None, Target.ACTIVATED)), device(1), device(2)))
    assert (row["sim_id"], row["endpoint_id"], row["iccid"]) == ("1", "102", None)


def test_ids_missing_on_both_sides_never_match_each_other() -> None:
    nameless = ModelDevice("7", None, ISSUED, None, None)
    plan = plan_for(wishes((2, "1", None, None, Target.ACTIVATED)), nameless, device(1), device(3, sim=None))
    assert only(plan)["endpoint_id"] == "101"
    assert plan.height == 1


@pytest.mark.parametrize("ids", [("1", None, None), (None, "101", None), (None, None, iccid(1))])
def test_device_listed_twice_in_different_states_is_refused(ids: tuple[str | None, str | None, str | None]) -> None:
    plan = plan_for(wishes((2, *ids, Target.ACTIVATED)), device(1, ISSUED, OFF), device(1, ACTIVE, OFF))
    assert "names SIM 1 more than once and the entries disagree" in str(only(plan)["reason"])


@pytest.mark.parametrize("ids", [("1", None, None), (None, "101", None), ("2", "101", None)])
def test_endpoint_listed_with_two_sims_is_refused(ids: tuple[str | None, str | None, str | None]) -> None:
    stray = ModelDevice("2", iccid(2), ISSUED, "101", OFF)
    plan = plan_for(wishes((2, *ids, Target.ACTIVATED)), device(1), stray)
    assert "names endpoint 101 more than once and the entries disagree" in str(only(plan)["reason"])


def test_iccid_of_two_sims_needs_the_sim_id() -> None:
    twin = ModelDevice("2", iccid(1), SUSPENDED, "102", OFF)
    rows = wishes((2, None, None, iccid(1), Target.ACTIVATED), (3, "2", None, iccid(1), Target.ACTIVATED))
    plan = plan_for(rows, device(1), twin)
    assert "belongs to more than one SIM" in plan["reason"][0]
    assert plan["action"].to_list() == [Action.REFUSED, Action.CHANGE]


def test_sim_listed_without_iccid_does_not_pass_for_the_owner_of_one() -> None:
    bare = ModelDevice("2", None, ISSUED, "102", OFF)
    row = only(plan_for(wishes((2, "2", None, iccid(1), Target.ACTIVATED)), device(1), bare))
    assert row["reason"] == f"not a pair: SIM 2 has ICCID none, the row says {iccid(1)}"


def test_status_the_carrier_does_not_give_is_not_guessed() -> None:
    inventory = (
        ModelFleet([device(1), device(2)])
        .inventory()
        .with_columns(
            sim_status=pl.when(pl.col("sim_id") != "1").then("sim_status"),
            endpoint_status=pl.when(pl.col("sim_id") != "2").then("endpoint_status"),
        )
    )
    rows = wishes((2, "1", None, None, Target.ACTIVATED), (3, "2", None, None, Target.ACTIVATED))
    reasons = make_plan(rows, NO_REPEATS, inventory, LIFECYCLE)["reason"]
    assert reasons.to_list() == [
        "the carrier's inventory shows no known status for SIM 1",
        "the carrier's inventory shows no known status for endpoint 102",
    ]


# One device, several rows


def test_device_named_twice_in_different_ways_is_changed_once() -> None:
    rows = wishes((2, "1", None, None, Target.ACTIVATED), (3, None, None, iccid(1), Target.ACTIVATED))
    plan = plan_for(rows, device(1))
    assert plan["action"].to_list() == [Action.CHANGE, Action.REPEAT]
    second = plan.row(1, named=True)
    assert (second["same_as"], second["reason"]) == (2, "same device and status as row 2; sent once")
    assert (second["sim_step"], second["endpoint_step"], second["first"], second["newly_billed"]) == (
        False,
        False,
        None,
        False,
    )
    assert (second["sim_id"], second["sim_before"], second["sim_after"]) == ("1", ISSUED, ACTIVE)
    assert counts(plan, EMNIFY) == PlanCounts(
        devices=1,
        sim_changes=1,
        endpoint_changes=1,
        unchanged=0,
        refused=0,
        newly_billed=1,
        repeats=1,
        owner_changes=0,
        targets={"activated": 1, "suspended": 0, "factory_test": 0},
    )


def test_rows_that_contradict_each_other_are_all_refused() -> None:
    rows = wishes(
        (2, "1", None, None, Target.ACTIVATED),
        (3, None, "101", None, Target.SUSPENDED),
        (4, "2", None, None, Target.ACTIVATED),
        (5, None, None, iccid(1), Target.ACTIVATED),
    )
    plan = plan_for(rows, device(1), device(2))
    assert plan["action"].to_list() == [Action.REFUSED, Action.REFUSED, Action.CHANGE, Action.REFUSED]
    assert plan["reason"][0] == plan["reason"][1] == plan["reason"][3]
    assert plan["reason"][0] == (
        "rows contradict each other about one device: row 2 asks for activated, row 3 asks for suspended, "
        "row 5 asks for activated; keep one of them"
    )


def test_a_row_that_contradicts_one_which_is_not_used_is_refused_too() -> None:
    rows = wishes((4, None, "101", None, Target.ACTIVATED), (5, "2", None, None, Target.ACTIVATED))
    contested = wishes((2, "1", None, None, Target.ACTIVATED), (3, "1", None, None, Target.SUSPENDED))
    plan = make_plan(rows, NO_REPEATS, ModelFleet([device(1), device(2)]).inventory(), LIFECYCLE, contested=contested)
    assert plan.select("row", "action").rows() == [(4, Action.REFUSED), (5, Action.CHANGE)]
    assert plan["reason"][0] == (
        "rows contradict each other about one device: row 2 asks for activated, row 3 asks for suspended, "
        "row 4 asks for activated; keep one of them"
    )


def test_a_row_never_repeats_one_which_is_not_used() -> None:
    rows = wishes((4, None, "101", None, Target.ACTIVATED), (5, None, None, iccid(1), Target.ACTIVATED))
    contested = wishes((2, "1", "101", None, Target.ACTIVATED), (3, "2", "101", None, Target.ACTIVATED))
    plan = make_plan(rows, NO_REPEATS, ModelFleet([device(1), device(2)]).inventory(), LIFECYCLE, contested=contested)
    assert plan.select("row", "action", "same_as").rows() == [(4, Action.CHANGE, None), (5, Action.REPEAT, 4)]


def test_many_contradicting_rows_are_counted_rather_than_listed() -> None:
    rows = [(2 + at, "1", None, None, Target.ACTIVATED if at else Target.SUSPENDED) for at in range(9)]
    reason = plan_for(wishes(*rows), device(1))["reason"][0]
    assert "row 6 asks for activated and 4 more" in reason
    assert "row 7" not in reason


def test_repeats_from_the_file_copy_the_row_they_repeat() -> None:
    plan = plan_for(
        wishes((2, "1", None, None, Target.SUSPENDED)), device(1, ACTIVE, ON), again=repeats((3, 2), (4, 2))
    )
    assert plan["action"].to_list() == [Action.CHANGE, Action.REPEAT, Action.REPEAT]
    assert plan["sim_after"].to_list() == [SUSPENDED] * 3
    assert plan["sim_step"].to_list() == [True, False, False]
    assert plan["same_as"].to_list() == [None, 2, 2]


def test_repeat_of_a_row_that_repeats_an_earlier_one_names_the_earlier_one() -> None:
    rows = wishes((2, "1", None, None, Target.ACTIVATED), (3, None, "101", None, Target.ACTIVATED))
    plan = plan_for(rows, device(1), again=repeats((4, 3)))
    assert plan["same_as"].to_list() == [None, 2, 2]
    assert plan["reason"][2] == "same device and status as row 2; sent once"


def test_repeat_of_a_row_that_is_not_there_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="row 4 repeats row 3, which is not among the devices"):
        plan_for(wishes((2, "1", None, None, Target.ACTIVATED)), device(1), again=repeats((4, 3)))
