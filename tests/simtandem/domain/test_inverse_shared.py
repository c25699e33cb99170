"""Turning a run around whose devices others changed as well: while it was at work, or by an earlier undo of it."""

import polars as pl
import pytest

from schemas.statuses import Action, EndpointStatus, Outcome, SimStatus, Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.inverse import changed_devices, sent_elsewhere, settled
from tests.simtandem.domain.test_inverse import all_applied, calls, inverse, one, others
from tests.simtandem.model_fleet import ModelFleet

ISSUED, ACTIVATED, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED


def half_by_others(fleet: ModelFleet, plan: pl.DataFrame) -> pl.DataFrame:
    """Changes of a run that enabled an endpoint, and then found that others had activated its SIM."""
    fleet.apply(plan)
    return changed_devices(plan, all_applied(plan, sim=Outcome.UNCHANGED), EMNIFY)


def test_a_half_that_others_changed_and_took_back_is_as_it_was_before_the_run() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    changes = half_by_others(fleet, plan)
    fleet.devices[0].sim = SUSPENDED
    changes = settled(changes, fleet.inventory(), EMNIFY)
    assert settled(changes, fleet.inventory(), EMNIFY).equals(changes)
    back = inverse(fleet, changes)
    assert back.select("action", "desired", "sim_step", "endpoint_step").rows() == [
        (Action.CHANGE, Target.SUSPENDED, False, True),
    ]
    fleet.apply(back)
    assert fleet.illegal == []
    assert (fleet.devices[0].sim, fleet.devices[0].endpoint) == (SUSPENDED, OFF)


def test_a_half_that_others_changed_and_left_is_not_said_to_have_been_so_before_the_run() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    back = inverse(fleet, settled(half_by_others(fleet, plan), fleet.inventory(), EMNIFY))
    assert back.select("action", "reason").rows() == [
        (
            Action.REFUSED,
            (
                "SIM 1: others changed its SIM from Suspended to Activated during the run, which stays; with the other "
                "half back it would be Activated+Disabled, a split pair that is charged and can't work; "
                "apply the status activated to use it, suspended to stop its charges"
            ),
        ),
    ]


def test_a_half_that_a_later_run_changed_is_that_runs_and_nothing_else_is_said_of_it() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    mine, theirs = calls(("endpoint", "101", "mine", "1")), others(("sim", "1", "other", "2", None, True, None))
    changes = changed_devices(plan, all_applied(plan, sim=Outcome.UNCHANGED), EMNIFY, mine, theirs, "mine")
    back = inverse(fleet, settled(changes, fleet.inventory(), EMNIFY))
    assert back.select("action", "reason").rows() == [
        (Action.REFUSED, "SIM 1 was changed by run other since, so it belongs to that run: undo that one first"),
    ]


def begun_undo(plan: pl.DataFrame, *, sure: bool = True, to: SimStatus = SUSPENDED) -> pl.DataFrame:
    """Changes of run "mine", of which an undo was killed when it had sent the SIM."""
    mine = calls(("sim", "1", "mine", "1"), ("endpoint", "101", "mine", "1"))
    return changed_devices(
        plan, all_applied(plan), EMNIFY, mine, others(("sim", "1", "undo", "2", "mine", sure, to)), "mine"
    )


@pytest.mark.parametrize(("sure", "carried_out"), [(True, True), (False, True), (False, False)])
def test_what_an_earlier_undo_of_the_run_began_is_finished(sure: bool, carried_out: bool) -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    if carried_out:
        fleet.change_sim("1", SUSPENDED)
    back = inverse(fleet, begun_undo(plan, sure=sure))
    assert back.select("action", "desired", "sim_step", "endpoint_step", "reason").rows() == [
        (Action.CHANGE, Target.SUSPENDED, not carried_out, True, ""),
    ]
    fleet.apply(back)
    assert fleet.illegal == []
    assert (fleet.devices[0].sim, fleet.devices[0].endpoint) == (SUSPENDED, OFF)


def test_an_undo_that_sent_a_sim_elsewhere_is_finished_there() -> None:
    fleet, plan = one((ISSUED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    fleet.change_sim("1", SUSPENDED)
    changes = sent_elsewhere(begun_undo(plan), EMNIFY.goal("suspended"), EMNIFY)
    back = inverse(fleet, changes)
    assert back.select("action", "sim_step", "endpoint_step", "reason").rows() == [(Action.CHANGE, False, True, "")]
    told = inverse(fleet, begun_undo(plan))["reason"].item()
    assert told == "SIM 1 was Issued before the run, and nothing goes back there"


def test_what_was_moved_after_an_undo_of_the_run_is_left_alone_and_no_advice_charges_it_again() -> None:
    fleet, plan = one((SUSPENDED, OFF), Target.ACTIVATED)
    fleet.apply(plan)
    back = inverse(fleet, begun_undo(plan))
    assert back.select("action", "reason").rows() == [
        (
            Action.REFUSED,
            (
                "SIM 1 is Activated+Enabled now, and its undo undo left it Suspended+Enabled: "
                "it was moved since, so it is left alone"
            ),
        ),
    ]
