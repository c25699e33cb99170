"""The tables of both of Aeris's platforms: what moves, what is refused, and what a suspension costs."""

from datetime import timedelta

import pytest

from schemas.statuses import Finding, Half, Target
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN, of_contract
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.audit_rules import State, judge
from simtandem.domain.lifecycle import Lifecycle, Move
from simtandem.domain.split_pairs import split
from simtandem.intake import parse_target


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        ("Assigned", "provisioned", "Provisioned"),
        ("Provisioned", "activated", "Active-billed"),
        ("Active-billed", "suspended", "Suspended"),
        ("Suspended", "activated", "Active-billed"),
        ("Suspended", "suspended", "Suspended"),
    ],
)
def test_aeradmin_moves_one_half(before: str, word: str, after: str) -> None:
    assert AERADMIN.move(before, None, word) == Move(after, None, Half.SIM)


@pytest.mark.parametrize(
    ("before", "word", "says"),
    [
        ("Assigned", "activated", "provision it first"),
        ("Assigned", "suspended", "isn't charged as it is"),
        ("Provisioned", "suspended", "no source says"),
        ("Active-billed", "provisioned", "no step leads a SIM from Active-billed to Provisioned"),
        (
            "Suspended",
            "provisioned",
            "no step leads a SIM from Suspended to Provisioned; from there it can go to activated",
        ),
        ("Canceled", "activated", "the SIM is Canceled, which is final"),
    ],
)
def test_aeradmin_refuses_what_no_source_has(before: str, word: str, says: str) -> None:
    move = AERADMIN.move(before, None, word)
    assert says in move.refusal
    assert move.sim_after is None


def test_a_setting_lets_an_assigned_sim_be_billed_at_once_and_the_refusal_names_it() -> None:
    assert "set SIMTANDEM_AERADMIN_ASSIGNED_TO_BILLED=1" in AERADMIN.move("Assigned", None, "activated").refusal
    assert "SIMTANDEM" not in AERADMIN.move("Assigned", None, "suspended").refusal
    allowed = of_contract(assigned_to_billed=True)
    assert allowed.move("Assigned", None, "activated") == Move("Active-billed", None, Half.SIM)
    assert allowed.move("Assigned", None, "suspended").refusal == AERADMIN.move("Assigned", None, "suspended").refusal
    assert "Assigned" in allowed.without_return, "so a plan says that nothing leads back"
    assert of_contract(assigned_to_billed=False) == AERADMIN


def test_suspending_at_aeradmin_costs_a_fee_and_does_not_silence() -> None:
    assert "one-time fee" in AERADMIN.fees("Active-billed", "Suspended")
    assert AERADMIN.sim("Suspended").on
    assert AERADMIN.charged == ("Active-billed",)
    assert [goal.word for goal in AERADMIN.saving] == ["suspended"]


@pytest.mark.parametrize(
    ("word", "status"),
    [("Bill", "Active-billed"), ("start billing", "Active-billed"), ("CANCELLED", "Canceled"), ("Billing", None)],
)
def test_the_carriers_spellings_are_known_and_others_are_not_guessed(word: str, status: str | None) -> None:
    assert AERADMIN.status_called(word) == status


def test_a_file_may_use_our_words_and_the_carriers() -> None:
    assert {AERADMIN.wishes[word] for word in ("activated", "bill", "startbilling")} == {"activated"}
    assert IOT_ACCELERATOR.wishes["pause"] == IOT_ACCELERATOR.wishes["suspended"] == "suspended"


@pytest.mark.parametrize("lifecycle", [AERADMIN, IOT_ACCELERATOR], ids=lambda one: one.carrier)
def test_without_endpoints_no_pair_is_split_and_only_what_ends_by_itself_is_found(lifecycle: Lifecycle) -> None:
    assert not lifecycle.has_endpoints
    for status in lifecycle.sims:
        assert split(lifecycle, status.name, None, alone=True) is None
        found = {one.finding for one in judge(State(True, status.name, False, None), lifecycle)}
        assert found == ({Finding.FACTORY_TEST} if status.becomes else set())


def test_the_iot_accelerator_leaves_alone_what_the_operator_imposed() -> None:
    assert IOT_ACCELERATOR.move("OPERATOR_BLOCKED", None, "activated").refusal
    assert IOT_ACCELERATOR.move("TERMINATED", None, "activated").refusal.endswith("take the row out")
    assert IOT_ACCELERATOR.move("ACTIVE", None, "suspended") == Move("PAUSE", None, Half.SIM)


def test_the_history_is_asked_for_within_three_months_however_short() -> None:
    """From 1 February to 1 May it is 89 days, and what is asked for comes to the platform a moment later."""
    assert IOT_ACCELERATOR.events.kept < timedelta(days=89)


@pytest.mark.parametrize("lifecycle", [AERADMIN, IOT_ACCELERATOR, EMNIFY], ids=lambda one: one.carrier)
def test_lists_and_options_may_name_every_goal_by_our_word_and_by_the_carriers(lifecycle: Lifecycle) -> None:
    for goal in lifecycle.goals:
        spelled = (goal.word, goal.sim, goal.sim.upper(), goal.sim.replace(" ", "_").lower())
        assert [parse_target(each, lifecycle) for each in spelled] == [Target(goal.word)] * len(spelled)
