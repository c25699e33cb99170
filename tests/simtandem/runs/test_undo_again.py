"""Undoing a run of which others had a hand in, or that was undone in part before."""

from contextlib import closing
from operator import methodcaller

import pytest

from schemas.statuses import Half, Outcome, SimStatus, Target
from simtandem.cli import retry
from simtandem.ledger.records import OutcomeRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.runs.emulated import Desk
from tests.simtandem.runs.test_undo import BYSTANDER, OFF, OFFSET, ON, RESTING, carrier, desk, results, state

__all__ = ["carrier", "desk"]


def note(desk: Desk, run_id: str, half: Half, outcome: Outcome, sim: int) -> None:
    """Record how a step of a run ended."""
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        row = ledger.plan(run_id).filter(sim_id=str(sim))["row"].item()
        ledger.record_outcomes(run_id, [OutcomeRecord(row, half, outcome, 1)])


def paused_half_way(desk: Desk) -> tuple[str, str]:
    """As `killed_half_way`, but the first run was paused: resumed, it found its SIMs as the other run had put them."""
    wishes = {RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}
    paused = desk.apply(wishes, killed_when_sending=True, sent=[], sent_endpoints=wishes)["run_id"]
    for sim in wishes:
        desk.emulator.change(methodcaller("drift_endpoint", sim + OFFSET, ON))
        note(desk, paused, Half.ENDPOINT, Outcome.APPLIED, sim)
    other = desk.apply(wishes)["run_id"]
    for sim in wishes:
        note(desk, paused, Half.SIM, Outcome.UNCHANGED, sim)
    return paused, other


def test_a_paused_run_and_the_one_that_finished_its_devices_are_undone_one_after_the_other(desk: Desk) -> None:
    paused, other = paused_half_way(desk)
    first = desk.undo(paused)
    assert {line["reason"] for line in results(desk, first["run_id"]).values()} == {
        f"SIM {sim} was changed by run {other} since, so it belongs to that run: undo that one first"
        for sim in (RESTING, BYSTANDER)
    }
    assert desk.undo(other)["exit_code"] == 0
    assert {state(desk, sim) for sim in (RESTING, BYSTANDER)} == {(SimStatus.SUSPENDED, ON)}
    last = desk.undo(paused)
    assert (last["exit_code"], last["verdicts"]["in_sync"]) == (0, 2)
    assert {state(desk, sim) for sim in (RESTING, BYSTANDER)} == {(SimStatus.SUSPENDED, OFF)}
    assert {line["desired"] for line in results(desk, last["run_id"]).values()} == {"suspended"}


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("again", ["undo", "retry, then undo"])
def test_an_undo_that_was_killed_half_way_is_finished_by_undoing_the_run_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, recorded: bool, again: str
) -> None:
    wishes = {RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}
    run = desk.apply(wishes)["run_id"]
    killed = desk.undo(run, killed_when_sending=True, sent=[RESTING], sent_endpoints=[])["run_id"]
    desk.emulator.change(methodcaller("drift_sim", RESTING, SimStatus.SUSPENDED))  # as its call did
    if recorded:
        note(desk, killed, Half.SIM, Outcome.APPLIED, RESTING)
    if again != "undo":
        monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
        monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", desk.emulator.url)
        _, file = retry.open_rows(killed)
        desk.request(str(file), retry_of=killed, killed_when_sending=True, sent=[BYSTANDER], sent_endpoints=[])
        desk.emulator.change(methodcaller("drift_sim", BYSTANDER, SimStatus.SUSPENDED))
    undone = desk.undo(run)
    assert (undone["exit_code"], undone["plan"]["refused"], undone["plan"]["newly_billed"]) == (0, 0, 0)
    assert {state(desk, sim) for sim in wishes} == {(SimStatus.SUSPENDED, OFF)}


def test_what_somebody_activated_after_an_undo_is_left_alone_by_the_next_undo_of_that_run(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED})["run_id"]
    undo_run = desk.undo(run)["run_id"]
    desk.emulator.change(methodcaller("drift_sim", RESTING, SimStatus.ACTIVATED))
    desk.emulator.change(methodcaller("drift_endpoint", RESTING + OFFSET, ON))
    again = desk.undo(run)
    assert state(desk, RESTING) == (SimStatus.ACTIVATED, ON)
    assert results(desk, again["run_id"])[str(RESTING)]["reason"] == (
        f"SIM {RESTING} is Activated+Enabled now, and its undo {undo_run} left it Suspended+Disabled: "
        "it was moved since, so it is left alone"
    )
