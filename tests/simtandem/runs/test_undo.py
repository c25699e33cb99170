"""Undo against an emulated carrier: what goes back, what can't, what is left alone."""

from collections.abc import Iterator
from contextlib import closing
from operator import methodcaller
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.accounts import DEFAULT, AccountKey
from schemas.parameters import Mode
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.cli import retry
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.last_known_rebuild import differences
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import undo
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.emulated import Desk

RESTING, WORKING, FRESH, SPLIT, TESTED, BYSTANDER = 11, 12, 13, 14, 15, 16
OFFSET = 100
"""The endpoint of SIM 11 is endpoint 111."""
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
FLEET = [
    Group(sim=SimStatus.SUSPENDED, endpoint=OFF, sim_id=RESTING, endpoint_id=RESTING + OFFSET),
    Group(sim=SimStatus.ACTIVATED, endpoint=ON, sim_id=WORKING, endpoint_id=WORKING + OFFSET),
    Group(sim=SimStatus.ISSUED, endpoint=OFF, sim_id=FRESH, endpoint_id=FRESH + OFFSET),
    Group(sim=SimStatus.SUSPENDED, endpoint=ON, sim_id=SPLIT, endpoint_id=SPLIT + OFFSET),
    Group(sim=SimStatus.FACTORY_TEST, endpoint=ON, sim_id=TESTED, endpoint_id=TESTED + OFFSET),
    Group(sim=SimStatus.SUSPENDED, endpoint=OFF, sim_id=BYSTANDER, endpoint_id=BYSTANDER + OFFSET),
]
EVERYTHING = {
    RESTING: Target.ACTIVATED,
    WORKING: Target.SUSPENDED,
    FRESH: Target.ACTIVATED,
    SPLIT: Target.ACTIVATED,
    TESTED: Target.ACTIVATED,
}


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(FLEET) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    return Desk(carrier, tmp_path / "home")


def state(desk: Desk, sim: int) -> tuple[SimStatus, EndpointStatus]:
    fleet = desk.emulator.fleet
    return fleet.sims[sim].status, fleet.endpoints[sim + OFFSET].status


def results(desk: Desk, run_id: str) -> dict[str, dict[str, Any]]:
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        return {line["sim_id"]: line for line in ledger.results(run_id).iter_rows(named=True)}


def changes_sent(desk: Desk, run_id: str) -> int:
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        return ledger.calls(run_id).filter(pl.col("purpose") == "change").height


def test_what_can_go_back_does_and_the_rest_is_refused_with_its_reason(desk: Desk) -> None:
    run = desk.apply(EVERYTHING)
    assert run["exit_code"] == 0
    undone = desk.undo(run["run_id"])
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)
    assert state(desk, WORKING) == (SimStatus.ACTIVATED, ON)
    assert state(desk, SPLIT) == (SimStatus.SUSPENDED, ON)
    for stays in (FRESH, TESTED):
        assert state(desk, stays) == (SimStatus.ACTIVATED, ON)
    assert undone["exit_code"] == 1
    assert undone["input"]["rows"] == undone["plan"]["devices"] == 5
    assert undone["plan"]["refused"] == undone["verdicts"]["refused"] == 2
    assert undone["verdicts"]["in_sync"] == 3
    told = results(desk, undone["run_id"])
    assert "was Issued" in told[str(FRESH)]["reason"]
    assert "was Factory Test" in told[str(TESTED)]["reason"]
    assert (told[str(SPLIT)]["desired"], told[str(SPLIT)]["reason"]) == (None, "")
    with closing(Ledger.open(desk.settings.ledger())) as ledger, ledger.database.snapshot() as connection:
        assert differences(connection) == []


def test_an_undo_is_recorded_as_one(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED})
    undone = desk.undo(run["run_id"])
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        record = ledger.run(undone["run_id"]).record
    assert record.kind is RunKind.UNDO
    assert record.file == f"undo of {run['run_id']}"
    assert record.parameters["undo_of"] == run["run_id"]


def test_a_planned_undo_sends_nothing_and_has_the_digest_of_the_one_applied(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED, WORKING: Target.SUSPENDED})
    plan = desk.undo(run["run_id"], mode=Mode.PLAN)
    assert plan["exit_code"] == 0
    assert changes_sent(desk, plan["run_id"]) == 0
    assert state(desk, RESTING) == (SimStatus.ACTIVATED, ON)
    assert desk.undo(run["run_id"], plan_digest=plan["digest"])["exit_code"] == 0
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)


def test_devices_that_moved_since_are_named_and_not_touched(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED})
    desk.emulator.change(lambda fleet: fleet.drift_sim(BYSTANDER, SimStatus.SUSPENDED))
    undone = desk.undo(run["run_id"])
    assert state(desk, BYSTANDER) == (SimStatus.SUSPENDED, ON)
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)
    line = results(desk, undone["run_id"])[str(BYSTANDER)]
    assert line["verdict"] == "refused"
    assert "moved since" in line["reason"]
    assert undone["exit_code"] == 1
    assert str(BYSTANDER) not in Path(undone["files"]["undo"]).read_text()


def test_a_sim_the_carrier_activated_by_itself_counts_as_moved(desk: Desk) -> None:
    run = desk.apply({FRESH: Target.FACTORY_TEST})
    desk.emulator.change(lambda fleet: fleet.drift_volume_reached(FRESH))
    reason = results(desk, desk.undo(run["run_id"])["run_id"])[str(FRESH)]["reason"]
    assert "was Issued before the run, and nothing goes back there; to stop its charges, suspend it" in reason
    assert "moved since" in reason


def test_devices_the_run_did_not_change_are_no_part_of_its_undo(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED, BYSTANDER: Target.SUSPENDED, TESTED: Target.SUSPENDED})
    undone = desk.undo(run["run_id"])
    assert list(results(desk, undone["run_id"])) == [str(RESTING)]
    assert undone["exit_code"] == 0


def test_rows_keep_the_numbers_they_have_in_the_file_of_the_run(desk: Desk) -> None:
    run = desk.apply({BYSTANDER: Target.SUSPENDED, RESTING: Target.ACTIVATED})
    assert results(desk, desk.undo(run["run_id"])["run_id"])[str(RESTING)]["row"] == 3


def test_the_file_of_the_inverse_is_an_input_file(desk: Desk) -> None:
    run = desk.apply(EVERYTHING)
    plan = desk.undo(run["run_id"], mode=Mode.PLAN)
    again = read_devices(Path(plan["files"]["undo"]))
    assert again.rejected.is_empty()
    assert again.devices.select("sim_id", "endpoint_id", "desired").rows() == [
        (str(RESTING), str(RESTING + OFFSET), "suspended"),
        (str(WORKING), str(WORKING + OFFSET), "activated"),
    ]


def test_undoing_an_undo_brings_the_run_back(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED, WORKING: Target.SUSPENDED})
    undone = desk.undo(run["run_id"])
    assert desk.undo(undone["run_id"])["exit_code"] == 0
    assert state(desk, RESTING) == (SimStatus.ACTIVATED, ON)
    assert state(desk, WORKING) == (SimStatus.SUSPENDED, OFF)


def test_undoing_twice_finds_everything_back_already(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED})
    desk.undo(run["run_id"])
    again = desk.undo(run["run_id"])
    assert again["exit_code"] == 0
    assert again["plan"]["unchanged"] == 1
    assert changes_sent(desk, again["run_id"]) == 0


def test_an_undo_goes_through_the_safety_gate(desk: Desk) -> None:
    desk.emulator.refill([Group(12, SimStatus.SUSPENDED, OFF)])
    run = desk.apply(dict.fromkeys(desk.emulator.fleet.sims, Target.ACTIVATED))
    refused = desk.undo(run["run_id"], accept_large=False)
    assert refused["exit_code"] == 3
    assert changes_sent(desk, refused["run_id"]) == 0
    assert desk.undo(run["run_id"])["exit_code"] == 0


def test_a_run_under_way_is_not_undone(desk: Desk) -> None:
    begun = desk.apply({RESTING: Target.ACTIVATED}, stop_before_reconciling=True)
    with pytest.raises(InputError, match="under way"):
        desk.undo(begun["run_id"])  # this very process began it, and lives


def test_a_run_whose_process_is_gone_can_be_undone(desk: Desk) -> None:
    killed = desk.apply({RESTING: Target.ACTIVATED}, stop_before_reconciling=True)
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        assert undo.find(ledger, killed["run_id"], desk.settings.account_key, runs_here=lambda *_: False)
        ledger.record_state(killed["run_id"], RunState.INTERRUPTED, {})
    assert desk.undo(killed["run_id"])["exit_code"] == 0
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)


def test_steps_a_killed_run_had_sent_without_noting_their_end_are_undone(desk: Desk) -> None:
    killed = desk.apply({RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}, killed_when_sending=True)
    desk.emulator.change(lambda fleet: fleet.drift_endpoint(RESTING + OFFSET, ON))  # as its last call would have
    undone = desk.undo(killed["run_id"])
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)
    assert undone["plan"]["unchanged"] == 1


def test_a_killed_run_takes_back_its_own_and_nothing_that_the_next_run_did(desk: Desk) -> None:
    """It had sent one of two devices; the same file, applied again, found that one there and sent the other."""
    killed = desk.apply(
        {RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}, killed_when_sending=True, sent=[RESTING]
    )
    desk.emulator.change(lambda fleet: fleet.drift_endpoint(RESTING + OFFSET, ON))
    desk.emulator.change(lambda fleet: fleet.drift_sim(RESTING, SimStatus.ACTIVATED))
    again = desk.apply({RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED})
    assert (again["exit_code"], again["plan"]["unchanged"]) == (0, 1)
    undone = desk.undo(killed["run_id"])
    assert undone["exit_code"] == 0
    assert undone["plan"]["devices"] == 1
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)
    assert state(desk, BYSTANDER) == (SimStatus.ACTIVATED, ON)


def test_what_a_later_run_sent_again_belongs_to_that_run(desk: Desk) -> None:
    """The killed run's calls never arrived; the next run did what it had wanted to do."""
    wishes = {RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}
    killed = desk.apply(wishes, killed_when_sending=True)
    again = desk.apply(wishes)
    undone = desk.undo(killed["run_id"])
    assert (undone["exit_code"], undone["plan"]["refused"]) == (1, 2)
    assert f"changed by run {again['run_id']} since" in results(desk, undone["run_id"])[str(RESTING)]["reason"]
    assert changes_sent(desk, undone["run_id"]) == 0
    assert desk.undo(again["run_id"])["exit_code"] == 0
    assert {state(desk, sim) for sim in wishes} == {(SimStatus.SUSPENDED, OFF)}


def killed_half_way(desk: Desk) -> tuple[str, str]:
    """A run killed when it had enabled both endpoints and was sending one SIM; and the run of its file after it."""
    wishes = {RESTING: Target.ACTIVATED, BYSTANDER: Target.ACTIVATED}
    killed = desk.apply(wishes, killed_when_sending=True, sent=[RESTING], sent_endpoints=[RESTING, BYSTANDER])
    for sim in wishes:
        desk.emulator.change(methodcaller("drift_endpoint", sim + OFFSET, ON))  # as its calls did
    again = desk.apply(wishes)
    assert again["exit_code"] == 0
    assert {state(desk, sim) for sim in wishes} == {(SimStatus.ACTIVATED, ON)}
    return killed["run_id"], again["run_id"]


def test_whatever_half_a_later_run_changed_its_device_belongs_to_that_run(desk: Desk) -> None:
    killed, again = killed_half_way(desk)
    undone = desk.undo(killed)
    assert changes_sent(desk, undone["run_id"]) == 0
    reasons = {line["reason"] for line in results(desk, undone["run_id"]).values()}
    assert reasons == {
        f"SIM {sim} was changed by run {again} since, so it belongs to that run: undo that one first"
        for sim in (RESTING, BYSTANDER)
    }


def test_a_killed_run_and_the_next_are_undone_one_after_the_other(desk: Desk) -> None:
    killed, again = killed_half_way(desk)
    last = desk.undo(again)
    assert last["exit_code"] == 0
    assert {state(desk, sim) for sim in (RESTING, BYSTANDER)} == {(SimStatus.SUSPENDED, ON)}, (
        "as the killed run left it"
    )
    assert desk.undo(killed)["exit_code"] == 0
    assert {state(desk, sim) for sim in (RESTING, BYSTANDER)} == {(SimStatus.SUSPENDED, OFF)}


def test_an_undo_that_undid_a_later_run_gives_the_device_back_to_the_run_before(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED})
    later = desk.apply({RESTING: Target.SUSPENDED})
    assert desk.undo(run["run_id"], mode=Mode.PLAN)["plan"]["unchanged"] == 1
    desk.undo(later["run_id"])
    assert desk.undo(run["run_id"])["exit_code"] == 0
    assert state(desk, RESTING) == (SimStatus.SUSPENDED, OFF)


def test_undo_of_an_undo_restores_what_the_run_had_done(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED, WORKING: Target.SUSPENDED})
    undone = desk.undo(run["run_id"])
    again = desk.undo(undone["run_id"])
    assert (undone["exit_code"], again["exit_code"]) == (0, 0)
    assert state(desk, RESTING) == (SimStatus.ACTIVATED, ON)
    assert state(desk, WORKING) == (SimStatus.SUSPENDED, OFF)


def test_a_run_that_was_killed_before_it_sent_anything_left_nothing_to_undo(desk: Desk) -> None:
    killed = desk.apply({RESTING: Target.ACTIVATED}, killed_once_planned=True)
    desk.emulator.change(lambda fleet: fleet.drift_endpoint(RESTING + OFFSET, ON))  # somebody else
    with pytest.raises(InputError, match="changed nothing"):
        desk.undo(killed["run_id"])


def test_a_refused_run_left_nothing_to_undo(desk: Desk) -> None:
    desk.emulator.refill([Group(12, SimStatus.ACTIVATED, ON)])
    refused = desk.apply(dict.fromkeys(desk.emulator.fleet.sims, Target.SUSPENDED), accept_large=False)
    assert refused["exit_code"] == 3
    with pytest.raises(InputError, match="changed nothing"):
        desk.undo(refused["run_id"])


def test_a_run_that_changed_nothing_can_not_be_undone(desk: Desk) -> None:
    run = desk.apply({BYSTANDER: Target.SUSPENDED})
    with pytest.raises(InputError, match="changed nothing"):
        desk.undo(run["run_id"])


def test_a_run_at_another_carrier_is_not_undone_here(desk: Desk) -> None:
    run = desk.apply({RESTING: Target.ACTIVATED})
    with closing(Ledger.open(desk.settings.ledger())) as ledger, pytest.raises(InputError, match=r"other\.example"):
        undo.find(ledger, run["run_id"], AccountKey(DEFAULT, "other.example"))


def test_retry_of_an_undo_sends_only_what_it_had_to_send(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run = desk.apply(EVERYTHING)
    undone = desk.undo(run["run_id"])
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", desk.emulator.url)
    with pytest.raises(InputError, match="left nothing open"):
        retry.open_rows(undone["run_id"])


def test_a_retry_of_a_killed_undo_asks_only_for_what_the_undo_was_to_send_and_a_status_asks_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.apply(EVERYTHING)
    killed = desk.undo(run["run_id"], killed_when_sending=True)
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", desk.emulator.url)
    _, file = retry.open_rows(killed["run_id"])
    assert read_devices(file).devices.select("sim_id", "desired").rows() == [
        (str(RESTING), "suspended"),
        (str(WORKING), "activated"),
    ]
