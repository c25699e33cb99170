"""What must hold at every carrier, at made-up ones as well: plans, counts, undo and charges follow from the table."""

import copy

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import Action, Half, Outcome
from schemas.tables import Managed, Outcomes, Plan, Rejected, Repeats, Results, empty
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.batches import split
from simtandem.domain.findings import findings_of
from simtandem.domain.inverse import as_devices, changed_devices, invert
from simtandem.domain.lifecycle import Goal, Lifecycle, Status
from simtandem.domain.plan import counts, make_plan
from simtandem.domain.verdicts import results_of, to_retry
from tests.simtandem.domain.any_lifecycle import Fleet, fleets, lifecycles

LIFECYCLES = st.sampled_from([EMNIFY, AERADMIN, IOT_ACCELERATOR]) | lifecycles()
CASES = LIFECYCLES.flatmap(fleets)
Case = tuple[Fleet, list[str | None]]


def planned(fleet: Fleet, devices: pl.DataFrame) -> pl.DataFrame:
    return Plan.validate(make_plan(devices, empty(Repeats), fleet.inventory(), fleet.lifecycle))


def applied(plan: pl.DataFrame) -> pl.DataFrame:
    """Every step of the plan, carried out."""
    lines = [
        (row["row"], half.value, Outcome.APPLIED.value, 1, 204, "")
        for row in plan.iter_rows(named=True)
        for half in Half
        if row[f"{half}_step"]
    ]
    return pl.DataFrame(lines, schema=empty(Outcomes).schema, orient="row")


def states(fleet: Fleet) -> dict[str, tuple[str | None, str | None]]:
    return {str(one.number): (one.sim, one.endpoint) for one in fleet.devices}


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_a_plan_reaches_its_goals_a_second_one_is_empty_and_all_rows_add_up(case: Case) -> None:
    fleet, words = case
    rules = fleet.lifecycle
    plan = planned(fleet, fleet.wishes(words))
    counted, was_charged = counts(plan, rules), fleet.charged()
    changing = plan.filter(pl.col("action") == Action.CHANGE)
    assert changing.height + counted.unchanged + counted.refused == counted.devices == plan.height
    assert sum(batch.rows.height for batch in split(plan, 3, rules)) == changing.height
    assert plan.filter((pl.col("action") == Action.REFUSED) & (pl.col("reason") == "")).is_empty()
    if not rules.has_endpoints:
        assert plan["endpoint_after"].null_count() == plan.height
        assert counted.endpoint_changes == 0
    fleet.apply(plan)
    assert fleet.illegal == []
    assert fleet.charged() - was_charged == set(plan.filter("newly_billed")["sim_id"]), "charged as the plan showed"
    now = states(fleet)
    for row in plan.filter(pl.col("action").is_in(["change", "unchanged"])).iter_rows(named=True):
        goal = rules.goal(row["desired"])
        sim, endpoint = now[row["sim_id"]]
        assert sim == goal.sim
        assert endpoint in (goal.endpoint, None) or rules.endpoint(endpoint).final
    again = counts(planned(fleet, fleet.wishes(words)), rules)
    assert (again.sim_changes, again.endpoint_changes, again.refused) == (0, 0, counted.refused)


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_undo_restores_what_it_does_not_refuse_and_charges_only_what_its_plan_shows(case: Case) -> None:
    fleet, words = case
    before = states(fleet)
    plan = planned(fleet, fleet.wishes(words))
    fleet.apply(plan)
    after = states(fleet)
    changes = changed_devices(plan, applied(plan), fleet.lifecycle)
    back = Plan.validate(invert(planned(fleet, as_devices(changes)), changes, fleet.lifecycle))
    charged = fleet.charged()
    fleet.apply(back)
    assert fleet.illegal == []
    assert fleet.charged() - charged == set(back.filter("newly_billed")["sim_id"])
    returned = set(back.filter(pl.col("action") == Action.CHANGE)["sim_id"])
    now = states(fleet)
    assert all(now[sim] == before[sim] for sim in returned)
    assert all(now[sim] == after[sim] for sim in now.keys() - returned)


@settings(max_examples=50, deadline=None)
@given(CASES, st.data())
def test_every_row_has_a_verdict_and_every_state_its_findings(case: Case, data: st.DataObject) -> None:
    fleet, words = case
    plan = planned(fleet, fleet.wishes(words))
    fleet.apply(plan)
    moved = copy.deepcopy(fleet)
    for one in moved.devices:
        if one.sim and data.draw(st.booleans()):
            one.sim = data.draw(st.sampled_from([status.name for status in fleet.lifecycle.sims]))
    judged = Results.validate(results_of(plan, empty(Rejected), applied(plan), moved.inventory(), fleet.lifecycle))
    assert judged.height == plan.height
    assert to_retry(judged).height <= plan.height
    found = findings_of(moved.inventory(), empty(Managed), fleet.lifecycle)
    if not fleet.lifecycle.has_endpoints:
        assert set(found["finding"]) <= {"factory_test"}
        assert not judged["after"].str.contains("endpoint").any()
    charged = set(found.filter("charged")["sim_id"])
    assert charged <= moved.charged()


SIMS = (Status(name="off"), Status(name="on", charged=True, on=True), Status(name="dead", final=True))


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"sim_moves": frozenset({("off", "elsewhere")})}, "no status is called elsewhere"),
        ({"sim_moves": frozenset({("dead", "on")})}, "leads out of a final status"),
        ({"goals": (Goal(word="on", sim="on", endpoint="up", verb="use"),)}, "no status is called up"),
        (
            {
                "endpoints": (Status(name="up", on=True), Status(name="down")),
                "goals": (Goal(word="on", sim="on", endpoint="down", verb="use"),),
            },
            "a goal is a split pair",
        ),
        ({"endpoints": (Status(name="up", on=True),)}, "exactly where there are endpoints"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(changed: dict[str, object], wrong: str) -> None:
    rules: dict[str, object] = {
        "carrier": "x",
        "sims": SIMS,
        "sim_moves": frozenset({("off", "on")}),
        "goals": (Goal(word="on", sim="on", verb="use"),),
    }
    with pytest.raises(ValueError, match=wrong):
        Lifecycle(**{**rules, **changed})  # type: ignore[arg-type]  # made up on purpose


def test_a_way_back_that_no_legal_move_leads_is_refused_also_where_another_status_leads_there() -> None:
    rules = Lifecycle(
        carrier="x",
        sims=(Status(name="rest"), Status(name="trial"), Status(name="on", charged=True, on=True)),
        sim_moves=frozenset({("rest", "trial"), ("trial", "on"), ("on", "rest")}),
        goals=(Goal(word="try", sim="trial", verb="try"), Goal(word="use", sim="on", verb="use")),
    )
    assert "no legal step leads back there" in rules.restore(("trial", None), ("rest", None)).refusal
    assert rules.restore(("on", None), ("rest", None)).sim_after == "rest"
    assert rules.restore(("trial", None), ("on", None)).refusal, "it would be charged again"
