"""Runs in waves, from the command line: reviewed, stopped, asked about, paused, resumed, retried, and reported."""

import csv
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.events import Source
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import FIRST, Desk, until

pytestmark = pytest.mark.timeout(300)
APPLY = ("--to", "activated", "--yes", "--json")


def waves_of(told: dict[str, Any]) -> list[tuple[int, str, int]]:
    """Of each wave its devices, its state, and how many are in sync."""
    return [(each["devices"], each["state"], each["verdicts"]["in_sync"]) for each in told["waves"]]


def column(told: dict[str, Any], name: str) -> list[str]:
    with Path(told["files"]["results"]).open(encoding="utf-8-sig", newline="") as file:
        return [line[name] for line in csv.DictReader(file)]


def newest(desk: Desk) -> tuple[str, RunState | None]:
    """The newest run and how far it is."""
    with Ledger.open(f"sqlite:///{desk.home / 'ledger.sqlite'}") as ledger:
        return next(((run.record.run_id, run.state) for run in ledger.runs(1)), ("", None))


def paused(desk: Desk) -> str:
    """Wait until the newest run is paused; its id."""
    until(lambda: (desk.home / "ledger.sqlite").exists() and newest(desk)[1] is RunState.PAUSED, "the run pauses")
    return newest(desk)[0]


def test_waves_go_one_after_the_other_and_are_all_reported(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(7))
    file = desk.file(7)
    digest = desk.run("plan", file, "--to", "activated", "--json").document()["digest"]
    done = desk.run("apply", file, *APPLY, "--waves", "1,50%,rest", "--plan", digest)
    told = done.document()
    assert done.code == 0, "waves are a pace: the plan is the same"
    assert waves_of(told) == [(1, "passed", 1), (3, "passed", 3), (3, "sent", 3)]
    assert column(told, "wave") == ["1", "2", "2", "2", "3", "3", "3"]
    page = Path(told["files"]["report"]).read_text(encoding="utf-8")
    assert all(f"Wave {number}" in page for number in (1, 2, 3))
    assert "wave 2 of 3: 3 of 3 devices are in sync" in done.err.lower()


def test_a_wave_that_fails_stops_the_run_and_its_retry_is_in_waves_too(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(6))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", f"/sim/{FIRST + 1}$", status=403))
    done = desk.run("apply", desk.file(6), *APPLY, "--waves", "2,2,rest")
    told = done.document()
    assert done.code == 1
    assert waves_of(told) == [(2, "stopped", 1), (2, "not_sent", 0), (2, "not_sent", 0)]
    assert told["stopped"] == {
        "by": "wave",
        "why": "wave 1 of 3: 1 of 2 devices are in sync, 1 is not (limit 0)",
    }
    assert told["verdicts"]["skipped"] == 4
    assert all("wave 1 of 3" in reason for reason in column(told, "reason")[2:])
    assert desk.emulator.fleet.state_counts()["Issued/Disabled"] == 5

    desk.emulator.inject()
    again = desk.run("retry", told["run_id"], "--yes", "--json").document()
    assert waves_of(again) == [(2, "passed", 2), (2, "passed", 2), (1, "sent", 1)], "what is left, in the same waves"
    whole = desk.run("retry", told["run_id"], "--yes", "--json", "--waves", "rest")
    assert "waves" not in whole.document()


def test_a_run_that_the_stop_rule_ends_says_so(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(3))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", f"/sim/{FIRST}$", status=403))
    done = desk.run("apply", desk.file(3), *APPLY, SIMTANDEM_STOP_AT_LEAST="1")
    assert done.document()["stopped"]["by"] == "stop_rule"


def test_failures_within_the_limit_let_the_next_wave_begin(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(4))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", f"/sim/{FIRST + 1}$", status=403))
    told = desk.run("apply", desk.file(4), *APPLY, "--waves", "2,rest", "--wave-limit", "50%").document()
    assert waves_of(told) == [(2, "passed", 1), (2, "sent", 2)]
    assert (told["waves"][0]["failures"], told["waves"][0]["limit"]) == (1, 1)


@pytest.mark.parametrize(("answer", "states"), [(b"y\n", ["passed", "sent"]), (b"\n", ["stopped", "not_sent"])])
def test_a_terminal_is_asked_between_waves(sit_down: MakeDesk, answer: bytes, states: list[str]) -> None:
    desk = sit_down(Group(3))
    done = desk.type_at(answer, "apply", desk.file(3), *APPLY, "--waves", "1,rest", "--wave-approval")
    assert "Send wave 2 of 2 (2 devices)?" in done.err.replace("\r\n", " ")
    told = done.document()
    assert [each["state"] for each in told["waves"]] == states
    assert ("approved_by" in told["waves"][0]) is (states[0] == "passed")


def waiting(desk: Desk, count: int = 3, *options: str) -> "subprocess.Popen[str]":
    """A run without a terminal, which waits after its first wave."""
    return desk.start("apply", desk.file(count), *APPLY, "--waves", "1,rest", "--wave-approval", *options)


def test_without_a_terminal_the_next_wave_waits_for_resume_and_others_may_send(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(5))
    running = waiting(desk)
    run_id = paused(desk)
    assert desk.emulator.fleet.state_counts()["Activated/Enabled"] == 1
    others = desk.file([FIRST + 1, FIRST + 4], name="others.csv")
    assert desk.run("apply", others, *APPLY).code == 0, "the paused run lets others send"
    assert desk.run("resume", run_id).code == 0
    told = desk.wait(running).document()
    assert waves_of(told) == [(1, "passed", 1), (2, "sent", 2)]
    assert told["outcomes"]["unchanged"] == 2, "it looked again: the other run had done one of its devices"
    assert told["waves"][0]["approved_by"]
    assert desk.emulator.stats()["pair_violations"] == 0
    assert desk.run("verify").code == 0
    assert desk.run("pause", run_id).code == 2, "it has ended"


def test_an_interrupt_while_it_waits_ends_the_run_at_once_and_in_good_order(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(3))
    running = waiting(desk)
    run_id = paused(desk)
    running.send_signal(signal.SIGINT)
    done = desk.wait(running)
    told = done.document()
    assert done.code == told["exit_code"] == 130
    assert told["stopped"]["by"] == "operator"
    assert [each["state"] for each in told["waves"]] == ["passed", "not_sent"]
    assert newest(desk) == (run_id, RunState.INTERRUPTED)
    again = desk.run("retry", run_id, "--yes", "--json", "--waves", "rest").document()
    assert again["verdicts"]["in_sync"] == 2


def test_a_run_that_is_killed_while_it_waits_is_known_by_its_record(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(3))
    running = waiting(desk)
    run_id = paused(desk)
    running.kill()
    running.communicate()
    assert newest(desk)[1] is RunState.INTERRUPTED
    assert "ended" in desk.run("resume", run_id).err
    page = desk.run("report", run_id, "--json")
    assert page.code == 0
    told = desk.run("apply", desk.file(3), *APPLY, "--waves", "1,rest").document()
    assert waves_of(told) == [(1, "passed", 1), (1, "sent", 1)], "waves of what is left"


def test_a_run_that_sends_is_paused_and_resumed(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(8), latency_s=0.5)
    running = desk.start("apply", desk.file(8), *APPLY, "--batch-size", "1", SIMTANDEM_SIM_CONCURRENCY="1")
    until(lambda: desk.patches() > 0, "the run sends")
    run_id = newest(desk)[0]
    assert desk.run("pause", run_id).code == 0
    assert "pauses already" in desk.run("pause", run_id).err
    assert paused(desk) == run_id
    before = desk.emulator.fleet.state_counts()
    assert before.get("Issued/Disabled", 0) > 0
    assert set(before) <= {"Issued/Disabled", "Issued/Enabled", "Activated/Enabled"}, "nothing is charged and off"
    assert desk.run("resume", run_id).code == 0
    told = desk.wait(running).document()
    assert told["verdicts"]["in_sync"] == 8
    assert "waves" not in told


@pytest.mark.parametrize("attach", [True, False])
def test_the_carriers_events_let_the_next_wave_begin(sit_down: MakeDesk, attach: bool) -> None:
    desk = sit_down(Group(4))
    options = ["--waves", "2,rest", "--wave-check", "attached", "--wave-wait", "4s"]
    running = desk.start("apply", desk.file(4), *APPLY, *options)
    until(lambda: desk.emulator.fleet.state_counts().get("Activated/Enabled") == 2, "the first wave is done")
    for number in (0, 2) if attach else (2,):
        desk.emulator.fleet.drift_event(
            2, "", "New location received", Source.NETWORK, sim_id=FIRST + number, endpoint_id=None
        )
    told = desk.wait(running).document()
    check = told["waves"][0]["check"]
    assert (check["devices"], check["seen"], check["needed"]) == (2, int(attach), 1)
    assert [each["state"] for each in told["waves"]] == (["passed", "sent"] if attach else ["stopped", "not_sent"])
    if not attach:
        assert "0 of 2 activated devices attached to a network within 4 s, 1 are needed" in told["stopped"]["why"]


def test_a_pause_takes_effect_while_a_wave_is_watched_and_what_it_cut_off_is_done_after_it(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(4))
    options = ["--waves", "2,rest", "--wave-check", "attached", "--wave-wait", "1h"]
    running = desk.start("apply", desk.file(4), *APPLY, *options)
    until(lambda: (desk.home / "ledger.sqlite").exists() and newest(desk)[1] is RunState.WAVE_DONE, "it watches")
    run_id = newest(desk)[0]
    assert desk.run("pause", run_id).code == 0
    assert paused(desk) == run_id
    assert '"state": "paused"' in desk.run("runs", "--json").out
    desk.emulator.fleet.drift_event(2, "", "New location received", Source.NETWORK, sim_id=FIRST, endpoint_id=None)
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 2, "Issued/Disabled": 2}
    assert desk.run("resume", run_id).code == 0
    told = desk.wait(running).document()
    assert waves_of(told) == [(2, "passed", 2), (2, "sent", 2)]
    assert told["waves"][0]["check"]["seen"] == 1
    assert desk.emulator.stats()["sim_patches"] == 4


def test_a_run_is_paused_after_a_wave_that_someone_approved(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(8), latency_s=0.3)
    running = waiting(desk, 8, "--batch-size", "1")
    run_id = paused(desk)
    assert desk.run("resume", run_id).code == 0
    until(lambda: newest(desk)[1] is RunState.APPROVED, "the next wave begins")
    assert desk.run("pause", run_id).code == 0
    assert paused(desk) == run_id
    assert desk.run("resume", run_id).code == 0
    assert desk.wait(running).document()["verdicts"]["in_sync"] == 8


def test_a_pause_withdraws_the_question_between_waves_which_is_asked_again(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(3))

    def meanwhile() -> None:
        run_id = newest(desk)[0]
        assert desk.run("pause", run_id).code == 0
        assert paused(desk) == run_id
        assert desk.run("resume", run_id).code == 0

    done = desk.type_at(
        b"y\n", "apply", desk.file(3), *APPLY, "--waves", "1,rest", "--wave-approval", meanwhile=meanwhile
    )
    assert [each["state"] for each in done.document()["waves"]] == ["passed", "sent"]
    assert done.document()["waves"][0]["approved_by"]


def test_waves_that_cannot_be_read_are_refused_before_anything_is_sent(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(2, SimStatus.SUSPENDED))
    file = desk.file(2)
    for options in (("--waves", "50"), ("--waves", "x,rest"), ("--wave-limit", "2%"), ("--wave-wait", "soon")):
        done = desk.run("apply", file, *APPLY, *options)
        assert done.code == 2
        assert "Nothing was sent." in done.err
    assert desk.patches() == 0
