"""What is said where the carrier perhaps moved a SIM on the run's endpoint call, and what running again can do."""

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import own_calls
from simtandem.domain.verdicts import PUT_BY, half_done, results_of
from tests.simtandem.judged_row import ACTIVATE, NONE_REJECTED, judge, now, outcomes, plan_one
from tests.simtandem.model_fleet import ACTIVE, ISSUED, OFF, ON, SUSPENDED

FACTORY = SimStatus.FACTORY_TEST
TEST = plan_one(ISSUED, OFF, Target.FACTORY_TEST)
OFF_ALONE = plan_one(SUSPENDED, ON, Target.SUSPENDED)
LIKELY = (
    "this run's own endpoint call most likely moved its SIM to Activated (the carrier does that to a SIM in Factory "
    "Test as soon as its endpoint is changed): it is "
)
PERHAPS = "changed by someone else (API or Portal), by the carrier, or by this run's own endpoint call ("
OTHERS = "changed by someone else (API or Portal) or by the carrier: it is "


@pytest.mark.parametrize("endpoint", ["applied", "unknown"])
@pytest.mark.parametrize("sim", ["", "held", "refused", "unchanged"])
def test_a_sim_that_can_have_come_where_the_call_moves_it_was_most_likely_moved_by_it(sim: str, endpoint: str) -> None:
    reason = str(judge(TEST, now(ACTIVE, ON), sim, endpoint)["reason"])
    assert reason.startswith(f"{LIKELY}Activated+Enabled, asked for Factory Test+Enabled; find out who changed it; ")
    assert "no run can change that: an Activated SIM can't go to Factory Test" in reason
    assert "then run again" not in reason


@pytest.mark.parametrize(
    ("plan", "sim", "endpoint", "after", "said"),
    [
        (OFF_ALONE, "", "applied", (ACTIVE, OFF), PERHAPS),
        (OFF_ALONE, "", "held", (ACTIVE, ON), OTHERS),
        (TEST, "held", "held", (ACTIVE, OFF), OTHERS),
        (TEST, "applied", "applied", (SUSPENDED, ON), OTHERS),
        (ACTIVATE, "applied", "applied", (ACTIVE, OFF), OTHERS),
    ],
)
def test_a_call_that_can_not_have_done_it_is_not_suspected(
    plan: pl.DataFrame, sim: str, endpoint: str, after: tuple[SimStatus, EndpointStatus], said: str
) -> None:
    assert str(judge(plan, now(*after), sim, endpoint)["reason"]).startswith(said)


def test_another_run_that_is_known_to_have_moved_the_sim_is_named_instead() -> None:
    ended = outcomes((2, Half.ENDPOINT, Outcome.APPLIED, 1, 204, ""), (2, Half.SIM, Outcome.HELD, 0, None, "moved"))
    other = pl.DataFrame([("sim", TEST["sim_id"].item(), str(ACTIVE), "b")], PUT_BY, orient="row")
    judged = results_of(TEST, NONE_REJECTED, ended, now(ACTIVE, ON), EMNIFY, None, other)
    assert judged["reason"].item().startswith("changed by simtandem (run b): ")
    assert own_calls.warning(judged, EMNIFY) == ""


def test_such_sims_are_counted_in_a_warning_if_they_are_charged() -> None:
    rows = [judge(TEST, now(ACTIVE, ON), "held", "applied"), judge(TEST, now(FACTORY, ON), "applied", "applied")]
    assert own_calls.warning(pl.DataFrame(rows), EMNIFY).startswith("1 SIM is charged, perhaps because of this run's")
    assert own_calls.warning(pl.DataFrame(rows[1:]), EMNIFY) == ""


def test_a_row_of_which_others_did_the_first_half_was_not_begun_and_no_retry_is_advised_that_must_be_refused() -> None:
    trap = EMNIFY.move(FACTORY, OFF, Target.FACTORY_TEST).refusal
    held = (2, Half.ENDPOINT, Outcome.HELD, 0, None, f"moved since the plan was made; {trap}")
    ended = outcomes((2, Half.SIM, Outcome.UNCHANGED, 0, None, ""), held)
    judged = results_of(TEST, NONE_REJECTED, ended, now(FACTORY, OFF), EMNIFY)
    assert judged["reason"].item() == (
        f"nothing was sent (moved since the plan was made; {trap}): it is Factory Test+Disabled, "
        "asked for Factory Test+Enabled; no run can change that"
    )
    assert half_done(judged).to_list() == [False]


def test_the_record_of_a_carrier_that_is_no_more_is_still_judged() -> None:
    ended = outcomes((2, Half.SIM, Outcome.APPLIED, 1, 204, ""))
    judged = results_of(TEST, NONE_REJECTED, ended, now(ACTIVE, ON), lifecycle_of("no more"))
    assert judged["reason"].item().startswith(OTHERS[:40])


@pytest.mark.parametrize(
    ("sim", "endpoint", "end"),
    [
        ("held", "held", "no run can change that: {}"),
        ("refused", "held", "no run can change that: {}"),
    ],
)
def test_why_a_retry_would_be_refused_is_said_where_nothing_else_says_it(sim: str, endpoint: str, end: str) -> None:
    stuck = plan_one(ISSUED, OFF, Target.ACTIVATED)
    deleted = now(SimStatus.DELETED, OFF)
    reason = str(judge(stuck, deleted, sim, endpoint)["reason"])
    assert end.format(EMNIFY.move(SimStatus.DELETED, OFF, Target.ACTIVATED).refusal) in reason
