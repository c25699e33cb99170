"""Killed after any single step, and what the next one that wakes makes of it.

What `kill -9` leaves behind is what lies on the disk at that moment. So one look is carried out once, the disk is kept
after each of its steps, and every one of those states is put back and gone on with. One real kill shows that nothing
else, such as a lock, outlives a process.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from simtandem.inbox.due_runs import due_runs
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, Fleet, look_in, tree

ONE, TWO = "8988303000000000011", "8988303000000000012"
STEPS = {
    "recorded", "copied", "cleared", "chosen", "begun", "prepared", "one device sent", "applied", "ended",
    "results laid", "file laid", "copy removed", "put away",
}  # fmt: skip
DIES = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, look_in

def reached(step):
    if step == "one device sent":
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(home=Path(sys.argv[1]))
with closing(Ledger.open(settings.ledger())) as ledger:
    look_in(settings, ledger, BulkUpdate(settings, reached))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With an inbox: one file with a bad row among good ones, and one that is of no use."""
    inbox = tmp_path / "home" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "good.csv").write_text(f"iccid,status\n{ONE},activated\n{TWO},suspended\n12,activated\n")
    (inbox / "wrong.csv").write_text("iccid,status\n12,activated\n")
    return inbox.parent


def look(home: Path, reached: Callable[[str], None] = lambda _step: None) -> None:
    settings = Settings(home=home)
    with closing(Ledger.open(settings.ledger())) as ledger:
        look_in(settings, ledger, BulkUpdate(settings, reached), reached=reached)


def everything_is_as_it_should_be(home: Path, after: str) -> None:
    settings = Settings(home=home)
    with closing(Ledger.open(settings.ledger())) as ledger:
        schedules = Schedules(ledger)
        every = schedules.all(open_only=False)
        assert [(each.file, str(each.state), each.rows) for each in every] == [("good.csv", "applied", 2)], after
        assert schedules.rows(every[0].schedule_id).height == 2, after
        assert schedules.open_arrivals(settings.inbox_url) == [], after
    good = [f"processed/good.{what}" for what in ("csv", "invalid.csv", "report.html", "results.csv")]
    wrong = [f"refused/wrong.{what}" for what in ("csv", "invalid.csv", "reason.txt")]
    assert tree(home / "inbox") == good + wrong, after
    assert Fleet(home).sent == ["11 activated", "12 suspended"], after


def test_killed_after_any_step_each_file_ends_once_and_each_device_is_changed_once(home: Path, tmp_path: Path) -> None:
    left: list[tuple[str, Path]] = []

    def keep(step: str) -> None:
        left.append((step, shutil.copytree(home, tmp_path / f"after {len(left)}")))

    look(home, keep)
    everything_is_as_it_should_be(home, "no kill")
    assert {step for step, _ in left} == STEPS
    for step, disk in left:
        shutil.rmtree(home)
        disk.rename(home)
        look(home)
        everything_is_as_it_should_be(home, step)


def test_the_next_look_after_that_changes_nothing(home: Path) -> None:
    look(home)
    before = {path: path.stat().st_mtime_ns for path in (home / "inbox").rglob("*.*")}
    look(home)
    assert {path: path.stat().st_mtime_ns for path in (home / "inbox").rglob("*.*")} == before


def test_a_process_that_is_killed_in_the_middle_of_a_run_holds_nothing_back(home: Path) -> None:
    root = Path(__file__).parents[3]
    child = subprocess.run([sys.executable, "-c", DIES, str(home)], cwd=root, timeout=100, check=False)
    assert child.returncode == -signal.SIGKILL
    settings = Settings(home=home)
    with closing(Ledger.open(settings.ledger())) as ledger, due_runs(Schedules(ledger), settings) as work:
        assert work is not None
        began = work.begin()
        assert began is not None
        BulkUpdate(settings)(began)
        assert work.end(began) == "applied"
    look(home)
    everything_is_as_it_should_be(home, "a real kill")
