import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import Action, EndpointStatus, Half, Outcome, SimStatus, Target, Verdict
from schemas.tables import Outcomes, Plan, Repeats, Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.inverse import (
    as_devices,
    changed_devices,
    invert,
    undo_rows,
    without_wish,
)
from simtandem.domain.last_sender import LATER, SENT
from simtandem.domain.plan import make_plan
from tests.simtandem.model_fleet import Job, ModelFleet, device, jobs, wishes

ISSUED, ACTIVATED, SUSPENDED, FACTORY = (
    SimStatus.ISSUED,
    SimStatus.ACTIVATED,
    SimStatus.SUSPENDED,
    SimStatus.FACTORY_TEST,
)
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED


def planned(fleet: ModelFleet, devices: pl.DataFrame, again: pl.DataFrame | None = None) -> pl.DataFrame:
    return make_plan(devices, empty(Repeats) if again is None else again, fleet.inventory(), EMNIFY)


def all_applied(plan: pl.DataFrame, **others: Outcome) -> pl.DataFrame:
    """Every step of the plan applied, or for a half named in `others`, ended so."""
    lines = [
        (row["row"], half.value, others.get(half.value, Outcome.APPLIED).value, 1, 204, "")
        for row in plan.iter_rows(named=True)
        for half in Half
        if row[f"{half}_step"]
    ]
    return Outcomes.validate(pl.DataFrame(lines, schema=empty(Outcomes).schema, orient="row"))


def one(before: tuple[SimStatus, EndpointStatus | None], target: Target) -> tuple[ModelFleet, pl.DataFrame]:
    """A fleet of one device in that state, and the plan to bring it to a status."""
    fleet = ModelFleet([device(1, *before)])
    return fleet, planned(fleet, wishes((2, "1", None, None, target)))


def inverse(fleet: ModelFleet, changes: pl.DataFrame) -> pl.DataFrame:
    lifecycle = EMNIFY
    return Plan.validate(invert(planned(fleet, as_devices(changes)), changes, lifecycle))


@settings(max_examples=40, deadline=None)
@given(jobs())
def test_everything_a_run_changed_goes_back_or_is_refused_and_nothing_else_is_touched(job: Job) -> None:
    before = job.fleet.inventory()
    plan = planned(job.fleet, job.devices, job.repeats)
    job.fleet.apply(plan)
    changes = changed_devices(plan, all_applied(plan), EMNIFY)
    back = inverse(job.fleet, changes)
    assert back["row"].to_list() == plan.filter(action=Action.CHANGE)["row"].to_list()
    job.fleet.apply(back)
    assert job.fleet.illegal == []
    refused = set(back.filter(action=Action.REFUSED)["sim_id"])
    for was, now in zip(before.iter_rows(), job.fleet.inventory().iter_rows(), strict=True):
        assert was == now or was[0] in refused
    assert back.filter(pl.col("reason").str.contains("moved")).is_empty()


@settings(max_examples=40, deadline=None)
@given(jobs(), st.data())
def test_a_device_that_moved_since_is_named_and_left_alone(job: Job, data: st.DataObject) -> None:
    plan = planned(job.fleet, job.devices, job.repeats)
    job.fleet.apply(plan)
    changes = changed_devices(plan, all_applied(plan), EMNIFY)
    moved = set()
    for line in changes.iter_rows(named=True):
        mine = next(each for each in job.fleet.devices if each.sim_id == line["sim_id"])
        if data.draw(st.booleans()):
            mine.sim = data.draw(
                st.sampled_from([s for s in SimStatus if s not in (line["sim_was"], line["sim_left"])])
            )
            moved.add(line["row"])
    back = inverse(job.fleet, changes)
    named = back.filter(pl.col("reason").str.contains("moved since"))
    assert set(named["row"]) == moved
    assert set(named["action"]) <= {Action.REFUSED}
    assert not named.filter(pl.col("sim_step") | pl.col("endpoint_step") | pl.col("newly_billed")).height


@pytest.mark.parametrize(
    ("before", "target", "reason"),
    [
        (
            (ISSUED, OFF),
            Target.ACTIVATED,
            "SIM 1 was Issued before the run, and nothing goes back there; to stop its charges, suspend it",
        ),
        ((ISSUED, OFF), Target.FACTORY_TEST, "SIM 1 was Issued before the run, and nothing goes back there"),
        (
            (FACTORY, ON),
            Target.ACTIVATED,
            "SIM 1 was Factory Test before the run, and nothing goes back there; to stop its charges, suspend it",
        ),
        (
            (ACTIVATED, OFF),
            Target.SUSPENDED,
            (
                "SIM 1 was Activated+Disabled before the run, a split pair that is charged and can't work; "
                "apply the status activated to use it, suspended to stop its charges"
            ),
        ),
        (
            (ACTIVATED, None),
            Target.SUSPENDED,
            (
                "SIM 1 was Activated+no endpoint before the run, a split pair that is charged for nothing; "
                "to use it, assign it to an endpoint, then apply the status activated"
            ),
        ),
    ],
)
def test_what_can_not_go_back_is_refused_in_words(
    before: tuple[SimStatus, EndpointStatus | None], target: Target, reason: str
) -> None:
    fleet, plan = one(before, target)
    fleet.apply(plan)
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    assert back.select("action", "reason").rows() == [(Action.REFUSED, reason)]
    assert undo_rows(back).is_empty()


@pytest.mark.parametrize(
    ("before", "target", "sim_step", "endpoint_step"),
    [((SUSPENDED, ON), Target.ACTIVATED, True, False), ((SUSPENDED, ON), Target.SUSPENDED, False, True)],
)
def test_a_split_pair_that_costs_nothing_comes_back_although_no_status_asks_for_it(
    before: tuple[SimStatus, EndpointStatus], target: Target, sim_step: bool, endpoint_step: bool
) -> None:
    fleet, plan = one(before, target)
    fleet.apply(plan)
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    assert back.select("action", "desired", "sim_step", "endpoint_step", "newly_billed").rows() == [
        (Action.CHANGE, None, sim_step, endpoint_step, False),
    ]
    assert undo_rows(back).is_empty()
    fleet.apply(back)
    assert (fleet.devices[0].sim, fleet.devices[0].endpoint) == before
    assert fleet.illegal == []


def test_an_endpoint_that_alone_was_enabled_for_an_issued_sim_goes_back() -> None:
    fleet, plan = one((ISSUED, OFF), Target.ACTIVATED)
    fleet.change_endpoint("101", ON)
    back = inverse(fleet, changed_devices(plan, all_applied(plan, sim=Outcome.REFUSED), EMNIFY))
    assert back.select("action", "sim_step", "endpoint_step", "endpoint_after").rows() == [
        (Action.CHANGE, False, True, OFF)
    ]


def test_a_device_that_can_not_go_back_and_moved_has_both_reasons() -> None:
    fleet, plan = one((ISSUED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    fleet.devices[0].sim = SUSPENDED
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    no_way, moved = back["reason"].item().split("; also ")
    assert no_way == "SIM 1 was Issued before the run, and nothing goes back there"
    assert moved == (
        "SIM 1 is Suspended+Enabled now, and the run left it Activated+Enabled: it was moved since, so it is left alone"
    )


def test_a_device_that_is_back_already_needs_nothing() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    assert back.select("action", "sim_after", "reason").rows() == [
        (Action.UNCHANGED, SUSPENDED, "it is back already"),
    ]


def test_a_split_pair_that_is_one_again_needs_nothing() -> None:
    fleet, plan = one((SUSPENDED, ON), Target.ACTIVATED)
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    assert back.select("action", "sim_after", "endpoint_after", "first", "sim_step", "newly_billed").rows() == [
        (Action.UNCHANGED, SUSPENDED, ON, None, False, False),
    ]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.HELD, Outcome.UNCHANGED])
def test_what_the_run_did_not_change_is_not_undone(outcome: Outcome) -> None:
    _, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    assert changed_devices(plan, all_applied(plan, sim=outcome, endpoint=outcome), EMNIFY).is_empty()


def test_a_half_that_alone_was_changed_goes_back_alone() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.change_endpoint("101", ON)
    back = inverse(fleet, changed_devices(plan, all_applied(plan, sim=Outcome.REFUSED), EMNIFY))
    assert back.select("desired", "sim_step", "endpoint_step", "endpoint_after").rows() == [
        (Target.SUSPENDED, False, True, OFF),
    ]


def test_a_half_somebody_else_had_changed_already_stays_as_it_is() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    changes = changed_devices(plan, all_applied(plan, endpoint=Outcome.UNCHANGED), EMNIFY)
    assert changes.select("sim_was", "endpoint_was", "sim_left", "endpoint_left").rows() == [
        (SUSPENDED, ON, ACTIVATED, ON),
    ]


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_step_nobody_knows_of_is_undone_where_it_shows(carried_out: bool) -> None:
    fleet, plan = one((ACTIVATED, ON), Target.SUSPENDED)
    fleet.change_endpoint("101", OFF)
    if carried_out:
        fleet.change_sim("1", SUSPENDED)
    back = inverse(fleet, changed_devices(plan, all_applied(plan, sim=Outcome.UNKNOWN), EMNIFY))
    assert back.select("action", "sim_step", "endpoint_step").rows() == [(Action.CHANGE, carried_out, True)]


def calls(*lines: tuple[str, str, str, str]) -> pl.DataFrame:
    """Half, id, run and time of changes that were sent."""
    return pl.DataFrame(lines, schema=SENT, orient="row")


def others(*lines: tuple[str, str, str, str, str | None, bool, str | None]) -> pl.DataFrame:
    """The same of other runs, with the run that each undoes, whether it is sure, and where an undo sent the half to."""
    return pl.DataFrame(lines, schema=LATER, orient="row")


@pytest.mark.parametrize(("half", "counted"), [("sim", 1), ("endpoint", 1), (None, 0)])
def test_steps_without_an_outcome_count_only_where_the_run_has_a_call_for_them(half: str | None, counted: int) -> None:
    _, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    ident = plan[f"{half}_id"][0] if half else ""
    sent = calls((half, ident, "mine", "1")) if half else calls(("sim", "another", "mine", "1"))
    changes = changed_devices(plan, empty(Outcomes), EMNIFY, sent)
    assert changes.height == counted
    assert changes["sim_perhaps"].to_list() == ([half == "sim"] if half else [])


@pytest.mark.parametrize(("at", "claimed"), [("0", None), ("1", None), ("2", "other")])
def test_a_half_that_a_later_run_sent_belongs_to_that_run(at: str, claimed: str | None) -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    sim = plan["sim_id"][0]
    fleet.apply(plan)
    changes = changed_devices(
        plan,
        all_applied(plan),
        EMNIFY,
        calls(("sim", sim, "mine", "1")),
        others(("sim", sim, "other", at, None, True, None)),
    )
    assert changes["later_run"].to_list() == [claimed]
    back = inverse(fleet, changes)
    assert back["action"].to_list() == [Action.REFUSED if claimed else Action.CHANGE]
    assert ("run other since" in back["reason"][0]) is bool(claimed)


def test_a_device_the_listing_does_not_show_keeps_the_plans_reason() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.devices.clear()
    back = inverse(fleet, changed_devices(plan, all_applied(plan), EMNIFY))
    assert back.select("action", "reason").rows() == [
        (Action.REFUSED, "SIM 1 is not in the carrier's inventory"),
    ]


def test_a_strange_iccid_does_not_stop_the_undo() -> None:
    _, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    odd = plan.with_columns(iccid=pl.lit("89-x"))
    assert as_devices(changed_devices(odd, all_applied(plan), EMNIFY))["iccid"].to_list() == [None]


def test_nothing_is_asked_of_what_is_left_alone() -> None:
    changes = pl.DataFrame({"row": [2, 3, 4], "back": ["suspended", "suspended", None], "status_moved": [True] * 3})
    verdicts = [Verdict.FAILED, Verdict.REFUSED, Verdict.IN_SYNC]
    lines = [
        {"row": row, "desired": "suspended", "verdict": verdict, "attempts": 0}
        | dict.fromkeys(("before", "after", "reason", "error"), "")
        for row, verdict in enumerate(verdicts, 2)
    ]
    results = pl.DataFrame(lines, schema=empty(Results).schema)
    assert without_wish(results, changes)["desired"].to_list() == ["suspended", None, None]
