"""What a verdict is explained with: the step that ended worst, what is now, and what a split pair costs."""

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.verdicts import results_of
from tests.simtandem.judged_row import ACTIVATE, NONE_REJECTED, SUSPEND, judge, now, outcomes, plan_one
from tests.simtandem.model_fleet import ACTIVE, ISSUED, OFF, ON, SUSPENDED


def test_attempts_are_added_and_the_worst_step_is_quoted() -> None:
    ended = outcomes(
        (2, Half.ENDPOINT, Outcome.APPLIED, 2, 204, ""),
        (2, Half.SIM, Outcome.REFUSED, 1, 409, "1406 not allowed"),
    )
    judged = results_of(ACTIVATE, NONE_REJECTED, ended, now(ISSUED, ON), EMNIFY).row(0, named=True)
    assert (judged["attempts"], judged["http_status"], judged["error"]) == (3, 409, "1406 not allowed")
    assert judged["reason"] == (
        "the carrier refused the SIM step (HTTP 409): 1406 not allowed; it is Issued+Enabled, "
        "asked for Activated+Enabled; retry sends what is still open"
    )


def test_a_failing_endpoint_is_quoted_before_the_sim_it_held_back() -> None:
    ended = outcomes(
        (2, Half.SIM, Outcome.HELD, 0, None, "its endpoint failed"), (2, Half.ENDPOINT, Outcome.FAILED, 3, 503, "busy")
    )
    judged = results_of(ACTIVATE, NONE_REJECTED, ended, now(ISSUED, OFF), EMNIFY).row(0, named=True)
    assert (judged["http_status"], judged["error"]) == (503, "busy")
    assert str(judged["reason"]).startswith("the endpoint step failed (HTTP 503): busy; ")


@pytest.mark.parametrize(
    ("plan", "sim", "endpoint", "after", "part"),
    [
        (ACTIVATE, "unknown", "applied", (ACTIVE, ON), "as asked, although the SIM step was never answered"),
        (ACTIVATE, "held", "held", (ISSUED, OFF), "it is Issued+Disabled, asked for Activated+Enabled; run again"),
        (ACTIVATE, "applied", "applied", (SUSPENDED, ON), "changed by someone else (API or Portal) or by the carrier"),
        (ACTIVATE, "held", "applied", (ISSUED, ON), "partly changed: the endpoint is changed, its SIM was not sent"),
        (SUSPEND, "applied", "held", (SUSPENDED, ON), "partly changed: the SIM is changed, its endpoint was not sent"),
        (
            ACTIVATE,
            "applied",
            "applied",
            (ACTIVE, OFF),
            "split pair: Activated SIM with a Disabled endpoint: charged although off",
        ),
        (
            SUSPEND,
            "applied",
            "failed",
            (SUSPENDED, ON),
            "split pair: Suspended SIM with an Enabled endpoint: appears active but can't connect, costs nothing",
        ),
    ],
)
def test_reasons_say_what_is_and_what_it_costs(
    plan: pl.DataFrame, sim: str, endpoint: str, after: tuple[SimStatus, EndpointStatus], part: str
) -> None:
    assert part in str(judge(plan, now(*after), sim, endpoint)["reason"])


def test_an_activated_sim_left_without_an_endpoint_is_told_to_cost_money() -> None:
    reason = judge(plan_one(ACTIVE, None, Target.SUSPENDED), now(ACTIVE, None), sim="failed")["reason"]
    assert "Activated SIM without an endpoint: charged for nothing" in str(reason)


def test_a_pair_that_was_put_back_is_not_told_to_be_untouched() -> None:
    ended = outcomes(
        (2, Half.ENDPOINT, Outcome.HELD, 2, 204, "put back"), (2, Half.SIM, Outcome.HELD, 0, None, "the run stopped")
    )
    reason = results_of(ACTIVATE, NONE_REJECTED, ended, now(ISSUED, OFF), EMNIFY)["reason"][0]
    assert reason.startswith("put back (the run stopped): it is Issued+Disabled, ")
    assert "nothing was sent" not in reason
