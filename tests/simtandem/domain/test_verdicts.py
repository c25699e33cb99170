"""Verdicts: what was asked, how the steps ended and what a fresh look finds, and what is read or sent again."""

import copy

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import Action, EndpointStatus, Half, Outcome, SimStatus, Target, Verdict
from schemas.tables import Devices, Plan, Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.verdicts import (
    PUT_BY,
    half_done,
    outcome_counts,
    results_of,
    stragglers,
    to_retry,
    verdict_counts,
)
from tests.simtandem.judged_row import ACTIVATE, NO_OUTCOMES, NONE_REJECTED, SUSPEND, judge, now, outcomes, plan_one
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
    iccid,
    jobs,
    repeats,
    wishes,
)


def rejected(*rows: int) -> pl.DataFrame:
    lines = [(row, "iccid", "8.98E+18", "precision is gone") for row in rows]
    return pl.DataFrame(lines, schema=NONE_REJECTED.schema, orient="row")


# What must hold whatever happened


@st.composite
def runs(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
    """A plan, rejected rows, outcomes for most of the steps, and a fleet that went its own ways meanwhile."""
    job: Job = draw(jobs())
    plan = make_plan(job.devices, job.repeats, job.fleet.inventory(), EMNIFY)
    lines = []
    for row in plan.iter_rows(named=True):
        for half in Half:
            if row[f"{half}_step"] and draw(st.integers(0, 9)):
                ended = draw(st.sampled_from(Outcome))
                lines.append((row["row"], half, ended, draw(st.integers(0, 3)), None, ""))
    fleet = copy.deepcopy(job.fleet)
    fleet.apply(plan)
    for one in fleet.devices:
        if draw(st.booleans()):
            one.sim = one.sim and draw(st.sampled_from(SimStatus))
            one.endpoint = one.endpoint and draw(st.sampled_from(EndpointStatus))
    kept = [one for one in fleet.devices if draw(st.integers(0, 4))]
    extra = range(plan.height + 2, plan.height + 2 + draw(st.integers(0, 2)))
    after = ModelFleet(kept).inventory() if draw(st.booleans()) else None
    return plan, rejected(*extra), outcomes(*lines), after


@settings(max_examples=40, deadline=None)
@given(runs())
def test_every_input_row_gets_one_verdict_and_one_reason(
    run: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame | None],
) -> None:
    plan, rejected_rows, ended, after = run
    judged = Results.validate(results_of(plan, rejected_rows, ended, after, EMNIFY))
    assert judged["row"].to_list() == sorted([*plan["row"], *rejected_rows["row"]])
    assert sum(verdict_counts(judged).values()) == plan.height + rejected_rows.height
    assert list(verdict_counts(judged)) == [verdict.value for verdict in Verdict]
    assert judged.filter((pl.col("verdict") != Verdict.IN_SYNC) & (pl.col("reason") == "")).is_empty()
    assert judged["attempts"].sum() == ended["attempts"].sum()
    refused = plan.filter(pl.col("action") == Action.REFUSED)["row"]
    assert set(judged.filter(pl.col("row").is_in(refused.to_list()))["verdict"]) <= {Verdict.REFUSED}
    for row in judged.filter(pl.col("verdict") == Verdict.IN_SYNC).iter_rows(named=True):
        asked = EMNIFY.goal(row["desired"])
        assert row["after"] in {f"{asked.sim}+{asked.endpoint}", f"{SUSPENDED}+no endpoint", f"{SUSPENDED}+Deleted"}


@settings(max_examples=40, deadline=None)
@given(jobs())
def test_a_run_without_trouble_ends_in_sync(job: Job) -> None:
    plan = make_plan(job.devices, job.repeats, job.fleet.inventory(), EMNIFY)
    job.fleet.apply(plan)
    steps = [(row["row"], half) for row in plan.iter_rows(named=True) for half in Half if row[f"{half}_step"]]
    ended = outcomes(*[(row, half, Outcome.APPLIED, 1, 204, "") for row, half in steps])
    judged = results_of(plan, NONE_REJECTED, ended, job.fleet.inventory(), EMNIFY)
    assert set(judged["verdict"]) <= {Verdict.IN_SYNC, Verdict.REFUSED}
    assert set(judged.filter(pl.col("verdict") == Verdict.REFUSED)["row"]) == {
        row["row"]
        for row in plan.iter_rows(named=True)
        if row["action"] == Action.REFUSED
        or (row["action"] == Action.REPEAT and plan.filter(row=row["same_as"])["action"].item() == Action.REFUSED)
    }
    assert stragglers(plan, ended, job.fleet.inventory()).is_empty()


def test_an_endpoint_that_two_runs_are_known_to_have_put_there_stays_one_row() -> None:
    plan = plan_one(ISSUED, OFF, Target.ACTIVATED)
    ident = plan["endpoint_id"].item()
    twice = pl.DataFrame(
        [("endpoint", ident, OFF.value, "r-1"), ("endpoint", ident, OFF.value, "r-2")], schema=PUT_BY, orient="row"
    )
    done = outcomes((plan["row"].item(), Half.ENDPOINT, Outcome.APPLIED, 1, 204, ""))
    judged = results_of(plan, NONE_REJECTED, done, now(ISSUED, OFF), EMNIFY, others=twice)
    assert judged.height == 1
    assert judged["reason"].item().startswith("changed by simtandem (run r-2)")


# Verdicts


@pytest.mark.parametrize(
    ("plan", "sim", "endpoint", "after", "verdict"),
    [
        (ACTIVATE, "applied", "applied", (ACTIVE, ON), Verdict.IN_SYNC),
        (ACTIVATE, "unknown", "applied", (ACTIVE, ON), Verdict.IN_SYNC),
        (ACTIVATE, "failed", "failed", (ACTIVE, ON), Verdict.IN_SYNC),
        (ACTIVATE, "held", "held", (ACTIVE, ON), Verdict.IN_SYNC),
        (ACTIVATE, "applied", "applied", (SUSPENDED, ON), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "applied", "unchanged", (ISSUED, OFF), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "refused", "applied", (TESTING, ON), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "held", "held", (SUSPENDED, OFF), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "unknown", "applied", (SUSPENDED, ON), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "", "", (SUSPENDED, OFF), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "failed", "applied", (ISSUED, ON), Verdict.FAILED),
        (ACTIVATE, "refused", "applied", (ISSUED, ON), Verdict.FAILED),
        (ACTIVATE, "refused", "held", (ISSUED, OFF), Verdict.FAILED),
        (ACTIVATE, "held", "refused", (ISSUED, OFF), Verdict.FAILED),
        (ACTIVATE, "unknown", "applied", (ISSUED, ON), Verdict.FAILED),
        (ACTIVATE, "held", "unknown", (ISSUED, OFF), Verdict.FAILED),
        (ACTIVATE, "", "applied", (ISSUED, ON), Verdict.SKIPPED),
        (ACTIVATE, "held", "applied", (ISSUED, ON), Verdict.SKIPPED),
        (ACTIVATE, "held", "unchanged", (ISSUED, ON), Verdict.SKIPPED),
        (ACTIVATE, "held", "applied", (SUSPENDED, ON), Verdict.CHANGED_BY_OTHERS),
        (ACTIVATE, "held", "held", (ISSUED, OFF), Verdict.SKIPPED),
        (ACTIVATE, "", "", (ISSUED, OFF), Verdict.SKIPPED),
        (ACTIVATE, "applied", "applied", None, Verdict.UNKNOWN),
        (ACTIVATE, "held", "held", None, Verdict.UNKNOWN),
        (SUSPEND, "applied", "failed", (SUSPENDED, ON), Verdict.FAILED),
        (SUSPEND, "applied", "held", (SUSPENDED, ON), Verdict.SKIPPED),
        (SUSPEND, "unknown", "held", (SUSPENDED, ON), Verdict.FAILED),
        (SUSPEND, "applied", "failed", (SUSPENDED, OFF), Verdict.IN_SYNC),
        (SUSPEND, "applied", "failed", (ACTIVE, ON), Verdict.CHANGED_BY_OTHERS),
    ],
)
def test_the_fresh_look_and_the_outcomes_make_the_verdict(
    plan: pl.DataFrame,
    sim: str,
    endpoint: str,
    after: tuple[SimStatus, EndpointStatus] | None,
    verdict: Verdict,
) -> None:
    look = ModelFleet([]).inventory() if after is None else now(*after)
    judged = judge(plan, look, sim, endpoint)
    assert judged["verdict"] == verdict
    assert judged["after"] == ("" if after is None else "+".join(after))
    assert (judged["sim_outcome"] or "", judged["endpoint_outcome"] or "") == (sim, endpoint)


def test_a_row_that_needed_nothing_and_still_stands_is_in_sync() -> None:
    plan = plan_one(ACTIVE, ON, Target.ACTIVATED)
    for after in (None, now(ACTIVE, ON)):
        judged = judge(plan, after)
        assert (judged["verdict"], judged["reason"]) == (Verdict.IN_SYNC, "")
    assert judge(plan, now(SUSPENDED, ON))["verdict"] == Verdict.CHANGED_BY_OTHERS
    assert judge(plan, ModelFleet([]).inventory())["verdict"] == Verdict.UNKNOWN


def test_a_sim_suspended_without_an_endpoint_is_in_sync_without_one() -> None:
    plan = plan_one(ACTIVE, None, Target.SUSPENDED)
    judged = judge(plan, now(SUSPENDED, None), sim="applied")
    assert (judged["verdict"], judged["before"], judged["after"]) == (
        Verdict.IN_SYNC,
        "Activated+no endpoint",
        "Suspended+no endpoint",
    )
    assert judge(plan, now(SUSPENDED, OFF), sim="applied")["verdict"] == Verdict.CHANGED_BY_OTHERS


def test_without_a_fresh_look_the_listing_of_the_plan_stands() -> None:
    judged = judge(ACTIVATE, None)
    assert (judged["verdict"], judged["before"], judged["after"]) == (
        Verdict.SKIPPED,
        "Issued+Disabled",
        "Issued+Disabled",
    )


@pytest.mark.parametrize(
    ("sim", "endpoint", "verdict", "after"),
    [
        ("applied", "applied", Verdict.IN_SYNC, "Activated+Enabled"),
        ("unchanged", "applied", Verdict.IN_SYNC, "Activated+Enabled"),
        ("held", "applied", Verdict.SKIPPED, "Issued+Enabled"),
        ("", "", Verdict.SKIPPED, "Issued+Disabled"),
        ("refused", "applied", Verdict.FAILED, "Issued+Enabled"),
        ("unknown", "applied", Verdict.UNKNOWN, ""),
    ],
)
def test_without_a_fresh_look_the_outcomes_of_the_steps_decide(
    sim: str, endpoint: str, verdict: Verdict, after: str
) -> None:
    judged = judge(ACTIVATE, None, sim, endpoint)
    assert (judged["verdict"], judged["after"]) == (verdict, after)
    unsure = verdict in (Verdict.IN_SYNC, Verdict.UNKNOWN)
    assert ("not looked at again" in str(judged["reason"])) is unsure


@pytest.mark.parametrize(
    ("plan", "sim", "endpoint", "after", "half"),
    [
        (ACTIVATE, "held", "applied", (ISSUED, ON), True),
        (ACTIVATE, "held", "held", (ISSUED, OFF), False),
        (ACTIVATE, "failed", "applied", (ISSUED, ON), False),
        (ACTIVATE, "applied", "applied", (ACTIVE, ON), False),
        (SUSPEND, "applied", "held", (SUSPENDED, ON), True),
    ],
)
def test_half_done_is_what_was_not_sent_in_full(
    plan: pl.DataFrame, sim: str, endpoint: str, after: tuple[SimStatus, EndpointStatus], half: bool
) -> None:
    assert half_done(pl.DataFrame([judge(plan, now(*after), sim, endpoint)])).to_list() == [half]


def test_a_half_that_can_not_be_read_leaves_the_device_unknown() -> None:
    for half in ("sim_status", "endpoint_status"):
        blurred = now(ACTIVE, ON).with_columns(pl.lit(None, pl.String).alias(half))
        assert judge(ACTIVATE, blurred, "applied", "applied")["verdict"] == Verdict.UNKNOWN


def test_a_fresh_look_that_contradicts_itself_settles_nothing() -> None:
    twice = pl.concat([now(ACTIVE, ON), now(ISSUED, ON)])
    assert judge(ACTIVATE, twice, "applied", "applied")["verdict"] == Verdict.UNKNOWN


def test_a_sim_with_another_partner_is_not_the_device_that_was_changed() -> None:
    other = now(ACTIVE, ON).with_columns(endpoint_id=pl.lit("999"))
    judged = judge(ACTIVATE, other, "applied", "applied")
    assert judged["verdict"] == Verdict.CHANGED_BY_OTHERS
    assert "SIM 1 belongs to endpoint 999 now" in str(judged["reason"])


def test_invalid_rows_and_refused_moves_keep_their_reason() -> None:
    plan = plan_one(ISSUED, OFF, Target.SUSPENDED)
    judged = Results.validate(results_of(plan, rejected(3), NO_OUTCOMES, now(ISSUED, OFF), EMNIFY))
    assert judged["verdict"].to_list() == [Verdict.REFUSED, Verdict.INVALID]
    assert judged["reason"].to_list() == [plan["reason"][0], "precision is gone"]
    assert judged["before"].to_list() == ["Issued+Disabled", ""]
    assert judged["desired"].to_list() == [Target.SUSPENDED, None]


def test_a_repeat_takes_the_verdict_of_the_row_it_repeats() -> None:
    fleet = ModelFleet([device(1, ISSUED, OFF)])
    devices = wishes((2, "1", None, None, Target.ACTIVATED))
    plan = make_plan(devices, repeats((3, 2)), fleet.inventory(), EMNIFY)
    ended = outcomes(
        (2, Half.ENDPOINT, Outcome.APPLIED, 1, 204, ""), (2, Half.SIM, Outcome.FAILED, 4, 503, "no answer")
    )
    judged = results_of(plan, NONE_REJECTED, ended, now(ISSUED, ON), EMNIFY)
    assert judged["verdict"].to_list() == [Verdict.FAILED, Verdict.FAILED]
    assert judged["reason"][1] == "same device and status as row 2; sent once"
    assert judged["attempts"].to_list() == [5, 0]


def test_the_last_line_of_a_step_counts() -> None:
    ended = outcomes(
        (2, Half.SIM, Outcome.FAILED, 3, 503, "busy"),
        (2, Half.ENDPOINT, Outcome.APPLIED, 1, 204, ""),
        (2, Half.SIM, Outcome.APPLIED, 1, 204, ""),
    )
    judged = results_of(ACTIVATE, NONE_REJECTED, ended, now(ACTIVE, ON), EMNIFY).row(0, named=True)
    told = (judged["sim_outcome"], judged["http_status"], judged["error"], judged["reason"])
    assert told == ("applied", None, "", "")


# What to read again, and what to feed back


@pytest.mark.parametrize(
    ("sim", "endpoint", "after", "again"),
    [
        ("applied", "applied", (ACTIVE, ON), False),
        ("applied", "applied", (ISSUED, ON), True),
        ("unknown", "applied", (ISSUED, ON), True),
        ("applied", "unchanged", None, True),
        ("failed", "applied", (ISSUED, ON), False),
        ("held", "refused", (ISSUED, OFF), False),
        ("", "applied", (ISSUED, ON), False),
    ],
)
def test_rows_are_read_again_if_they_should_show_and_do_not(
    sim: str, endpoint: str, after: tuple[SimStatus, EndpointStatus] | None, again: bool
) -> None:
    ended = {Half.SIM: sim, Half.ENDPOINT: endpoint}
    lines = [(2, half, Outcome(word), 1, None, "") for half, word in ended.items() if word]
    look = ModelFleet([]).inventory() if after is None else now(*after)
    found = Plan.validate(stragglers(ACTIVATE, outcomes(*lines), look))
    assert found["row"].to_list() == ([2] if again else [])


def test_rows_without_a_step_are_read_again_if_missing_but_refused_ones_are_not() -> None:
    nothing = ModelFleet([]).inventory()
    assert stragglers(plan_one(ACTIVE, ON, Target.ACTIVATED), NO_OUTCOMES, nothing).height == 1
    assert stragglers(plan_one(ISSUED, OFF, Target.SUSPENDED), NO_OUTCOMES, nothing).is_empty()


def test_what_is_fed_back_has_ids_is_not_in_sync_and_stands_once() -> None:
    fleet = ModelFleet([device(1), device(2, ACTIVE, ON), device(3), device(4)])
    devices = wishes(
        (2, "1", None, None, Target.ACTIVATED),
        (3, "2", None, None, Target.ACTIVATED),  # in sync
        (4, "3", None, None, Target.SUSPENDED),  # refused by the plan
        (6, None, None, iccid(1), Target.ACTIVATED),  # the same as row 2
        (7, "77", None, None, Target.ACTIVATED),  # unknown to the carrier
    )
    plan = make_plan(devices, repeats((8, 2)), fleet.inventory(), EMNIFY)
    judged = results_of(plan, rejected(5), NO_OUTCOMES, None, EMNIFY)
    assert to_retry(judged).drop("row").rows() == [
        ("1", "101", iccid(1), Target.ACTIVATED),
    ]
    assert to_retry(judged).columns == ["sim_id", "endpoint_id", "iccid", "status", "row"]


def test_outcomes_are_counted_with_every_word_as_a_key_and_accepted_only_where_there_are_some() -> None:
    always = {outcome.value: 0 for outcome in Outcome if outcome is not Outcome.ACCEPTED}
    ended = outcomes((2, Half.SIM, Outcome.HELD, 0, None, ""), (2, Half.ENDPOINT, Outcome.HELD, 0, None, ""))
    assert outcome_counts(ended) == always | {"held": 2}
    assert outcome_counts(NO_OUTCOMES) == always
    pending = outcomes((2, Half.SIM, Outcome.ACCEPTED, 1, None, ""))
    assert outcome_counts(pending) == always | {"accepted": 1}


def test_nothing_in_gives_nothing_out() -> None:
    plan = make_plan(empty(Devices), repeats(), ModelFleet([]).inventory(), EMNIFY)
    judged = Results.validate(results_of(plan, NONE_REJECTED, NO_OUTCOMES, None, EMNIFY))
    assert judged.is_empty()
    assert verdict_counts(judged) == {verdict.value: 0 for verdict in Verdict}
    assert to_retry(judged).is_empty()
