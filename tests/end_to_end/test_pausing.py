"""`simtandem pause` in the midst of a batch: what is on its way is answered, and resume does exactly the rest."""

import csv
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simtandem.emulator.seeding import Group
from simtandem.ledger.records import RunState, StateRecord
from simtandem.ledger.store import Ledger
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import Desk, until

pytestmark = pytest.mark.timeout(300)
SIMS = 40
CONCURRENCY = 4
SLOWLY = {"SIMTANDEM_CALLS": "30", "SIMTANDEM_CALLS_WINDOW_S": "20", "SIMTANDEM_SIM_CONCURRENCY": str(CONCURRENCY)}


def begin(
    desk: Desk, *options: object, to: str = "activated", sims: int = SIMS, **more: str
) -> "subprocess.Popen[str]":
    """A run that the rate limit makes wait again and again."""
    asked = ("--to", to, "--yes", "--json", "--accept-large", "--batch-size", "20", *options)
    return desk.start("apply", desk.file(sims), *asked, **SLOWLY | more)


def states(desk: Desk) -> list[StateRecord]:
    with Ledger.open(f"sqlite:///{desk.home / 'ledger.sqlite'}") as ledger:
        run = next(iter(ledger.runs(1)), None)
        return ledger.states(run.record.run_id) if run else []


def newest(desk: Desk) -> str:
    with Ledger.open(f"sqlite:///{desk.home / 'ledger.sqlite'}") as ledger:
        return ledger.runs(1)[0].record.run_id


def sims_changed(desk: Desk) -> int:
    return int(desk.emulator.stats()["sim_patches"])


def pause(desk: Desk) -> tuple[int, StateRecord]:
    """Pause the newest run; how many changes were sent after that, and what the record says of the pause."""
    done = desk.run("pause", "latest")
    before = desk.patches()
    assert done.code == 0, done.err
    until(lambda: states(desk)[-1].state is RunState.PAUSED, "the run pauses")
    return desk.patches() - before, states(desk)[-1]


def test_a_pause_in_the_midst_of_a_batch_sends_nothing_else(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(SIMS), latency_s=0.05)
    running = begin(desk)
    until(lambda: sims_changed(desk) >= 10, "SIMs are changed")
    after, told = pause(desk)
    assert after <= 3 * CONCURRENCY, "those in flight, and what left before the run looked; the limit lets 16 go later"
    counts = desk.emulator.fleet.state_counts()
    assert set(counts) <= {"Issued/Disabled", "Issued/Enabled", "Activated/Enabled"}, "nothing is charged and off"
    assert told.detail["left"] == SIMS - counts["Activated/Enabled"]
    assert told.detail["split"] == counts["Issued/Enabled"]
    sent = desk.patches()
    time.sleep(3)
    assert desk.patches() == sent, "a paused run sends nothing"
    assert desk.run("resume", "latest").code == 0
    finished(desk, running)


def finished(
    desk: Desk, running: "subprocess.Popen[str]", to: str = "Activated/Enabled", sims: int = SIMS
) -> dict[str, Any]:
    """The run ends with every row in sync: one run, one report, every device changed once."""
    done = desk.wait(running)
    told = done.document()
    assert (done.code, told["verdicts"]["in_sync"], told["input"]["rows"]) == (0, sims, sims), done.err
    assert desk.emulator.fleet.state_counts() == {to: sims}
    stats = desk.emulator.stats()
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (sims, {}, 0)
    with Path(told["files"]["results"]).open(encoding="utf-8-sig", newline="") as file:
        assert Counter(line["verdict"] for line in csv.DictReader(file)) == {"in_sync": sims}
    assert sum(told["outcomes"].values()) == 2 * sims
    assert told["outcomes"]["applied"] == 2 * sims
    assert len(desk.run_folders()) == 1
    assert desk.run("verify").code == 0
    return told


def test_a_run_that_is_killed_in_its_pause_is_continued_by_a_retry(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(SIMS), latency_s=0.05)
    running = begin(desk)
    until(lambda: sims_changed(desk) >= 10, "SIMs are changed")
    pause(desk)
    running.kill()
    running.communicate()
    killed = desk.run("report", "latest", "--json").document()
    done = desk.emulator.fleet.state_counts()["Activated/Enabled"]
    assert killed["verdicts"]["skipped"] == SIMS - done, "what was not sent is said to be not sent"
    again = desk.run("retry", "latest", "--yes", "--json", "--accept-large", **SLOWLY).document()
    assert again["verdicts"]["in_sync"] == again["input"]["rows"] == SIMS
    stats = desk.emulator.stats()
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (SIMS, {}, 0)
