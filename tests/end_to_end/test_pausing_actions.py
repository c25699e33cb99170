"""`simtandem pause` of a run of SIM actions: between two calls it rests, and resume does exactly the rest."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.ledger.store import Ledger
from tests.end_to_end.operator_desk import FIRST, Desk, until
from tests.end_to_end.test_actions import ENDPOINT, rows_of, write
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]

pytestmark = pytest.mark.timeout(300)
PAIRS = 24
FLEET = (Group(PAIRS + 1, SimStatus.SUSPENDED, None), Group(PAIRS + 1, None, EndpointStatus.DISABLED))


def list_of(desk: Desk, pairs: range, name: str = "actions.csv") -> Path:
    return write(desk, "sim_id,endpoint_id", *(f"{FIRST + at},{ENDPOINT + at}" for at in pairs), name=name)


def begin(desk: Desk) -> "subprocess.Popen[str]":
    """A run that assigns many SIMs, as it sends."""
    asked = ("--do", "assign", "--yes", "--json", "--batch-size", "5")
    running = desk.start("action", list_of(desk, range(PAIRS)), *asked)
    until(lambda: desk.patches() >= 3, "it sends")
    return running


def newest(desk: Desk) -> dict[str, Any]:
    """What `simtandem runs` says of the newest run."""
    found: dict[str, Any] = json.loads(desk.run("runs", "--json").out)[0]
    return found


def pause(desk: Desk) -> int:
    """Pause the newest run; how many calls the carrier had when it was paused."""
    done = desk.run("pause", "latest")
    assert done.code == 0, done.err
    until(lambda: newest(desk)["state"] == "paused", "it pauses")
    return desk.patches()


def assigned(desk: Desk) -> list[int]:
    """The SIMs that were assigned, as often as they were."""
    return [event.sim_id for event in desk.emulator.fleet.events if event.kind == 51]


def test_a_paused_run_sends_nothing_and_goes_on_with_the_rest(look: Callable[..., Desk]) -> None:
    desk = look(*FLEET, latency_s=0.3)
    running = begin(desk)
    run_id = newest(desk)["run_id"]
    sent = pause(desk)
    assert sent < PAIRS
    time.sleep(2)
    assert desk.patches() == sent, "a paused run sends nothing"
    shown = desk.run("report", run_id)
    assert "Paused: " in shown.err
    assert "pauses already" in desk.run("pause", run_id).err
    for command in ("undo", "retry"):
        assert "is under way" in desk.run(command, run_id, "--yes").err
    meanwhile = desk.run("action", list_of(desk, range(PAIRS - 1, PAIRS + 1), "two.csv"), "--do", "assign", "--yes")
    assert meanwhile.code == 0, "a paused run keeps nobody from sending, not even for its own devices"
    assert desk.run("resume", run_id).code == 0
    done = desk.wait(running)
    told = done.document()
    assert (done.code, told["verdicts"]["in_sync"], told["outcomes"]["applied"]) == (0, PAIRS, PAIRS - 1), done.err
    assert sum(told["outcomes"].values()) == sum(told["verdicts"].values()) == PAIRS
    assert f"{PAIRS - sent} actions not sent yet. To continue: simtandem resume {run_id}" in done.err
    assert sorted(assigned(desk)) == [FIRST + at for at in range(PAIRS + 1)], "each once"
    assert desk.run("verify").code == 0


def test_a_run_that_is_stopped_in_its_pause_says_what_it_did_not_send(look: Callable[..., Desk]) -> None:
    desk = look(*FLEET, latency_s=0.3)
    running = begin(desk)
    sent = pause(desk)
    running.send_signal(signal.SIGINT)
    done = desk.wait(running)
    told = done.document()
    assert (done.code, told["stopped"]["by"]) == (130, "operator")
    assert (told["verdicts"]["in_sync"], told["verdicts"]["skipped"]) == (sent, PAIRS - sent)
    assert (told["outcomes"]["applied"], told["outcomes"]["held"]) == (sent, PAIRS - sent)
    assert len(rows_of(told["files"]["retry"])) == PAIRS - sent
    assert "has ended" in desk.run("resume", told["run_id"]).err
    assert f"simtandem action {told['files']['retry']}" in desk.run("retry", told["run_id"], "--yes").err
    rest = desk.run("action", told["files"]["retry"], "--yes", "--json").document()
    assert rest["verdicts"]["in_sync"] == PAIRS - sent
    assert Counter(assigned(desk)) == Counter(FIRST + at for at in range(PAIRS))


@pytest.mark.parametrize("killed", [False, True])
def test_it_is_paused_from_another_home_of_the_ledger(
    look: Callable[..., Desk], tmp_path: Path, new_schema: Callable[[], str], killed: bool
) -> None:
    here = look(*FLEET, latency_s=0.3)
    there = Desk(tmp_path / "other", here.emulator, None)
    url = new_schema()
    Ledger.open(url).close()
    for desk in (here, there):
        desk.variables["SIMTANDEM_LEDGER_URL"] = url
    running = begin(here)
    sent = pause(there)
    assert newest(here)["state"] == "paused"
    run_id = newest(here)["run_id"]
    if killed:
        running.kill()
        running.communicate()
        until(lambda: newest(there)["state"] == "interrupted", "it is not heard of any more")
        gone = there.run("resume", run_id)
        assert gone.code == 2
        assert "has ended" in gone.err
        assert "simtandem action" in gone.err
    else:
        assert there.run("resume", run_id).code == 0
        told = here.wait(running).document()
        assert (told["verdicts"]["in_sync"], told["exit_code"]) == (PAIRS, 0)
        assert sorted(assigned(here)) == [FIRST + at for at in range(PAIRS)]
    assert sent < PAIRS
    assert there.run("verify").code == 0
