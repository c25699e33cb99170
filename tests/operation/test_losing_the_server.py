"""Runs whose own Prefect server is killed or freezes in the middle: the run's record is the ledger, and it goes on."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.end_to_end.operator_desk import Desk, Done, until

pytestmark = pytest.mark.timeout(180)
Begin = Callable[..., "UnderWay"]


def servers(home: Path) -> list[int]:
    """The processes that serve this home's Prefect API."""
    wanted = f"\0{home / 'prefect'}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and wanted in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


class UnderWay:
    """A run that has begun to send, on a server of its own."""

    def __init__(self, desk: Desk, sims: int, *options: str) -> None:
        self.desk = desk
        file = desk.file(sims)
        self.running = desk.start(
            "apply", file, "--to", "activated", "--yes", "--json", *options, SIMTANDEM_SIM_CONCURRENCY="2"
        )
        until(lambda: desk.emulator.stats()["sim_patches"] >= 4, "SIMs are being changed", within_s=60)
        [self.server] = servers(desk.home)

    def wait(self) -> Done:
        return self.desk.wait(self.running)


@pytest.fixture
def begin(tmp_path: Path, emulator: Emulator) -> Iterator[Begin]:
    """Begins a run; ends its server, however the test ended."""
    home = tmp_path / "desk" / "home"

    def make(sims: int, *options: str, latency_s: float = 0.1) -> UnderWay:
        emulator.reset()
        emulator.refill([Group(sims)])
        emulator.configure(latency_s=latency_s)
        return UnderWay(Desk(tmp_path / "desk", emulator, None), sims, *options)

    yield make
    emulator.reset()
    for pid in servers(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_run_goes_on_to_its_document_when_its_server_is_lost(begin: Begin, harm: signal.Signals) -> None:
    run = begin(60)
    os.kill(run.server, harm)
    done = run.wait()
    told = done.document()
    assert done.code == told["exit_code"] == 0
    assert told["verdicts"]["in_sync"] == 60
    assert run.desk.emulator.fleet.state_counts() == {"Activated/Enabled": 60}
    assert json.loads(run.desk.run("runs", "--json").out)[0]["state"] == "finished"
    assert quiet(done)


def quiet(done: Done) -> bool:
    """One note on the server at most, and no flood."""
    assert "EventsWorker" not in done.err
    assert "logging" not in done.err
    assert done.err.count("Prefect server") <= 1, done.err
    assert len(done.err.splitlines()) < 30, done.err
    return True


def test_a_first_interrupt_ends_in_good_order_while_the_server_is_frozen(begin: Begin) -> None:
    run = begin(200)
    os.kill(run.server, signal.SIGSTOP)
    run.running.send_signal(signal.SIGTERM)
    done = run.wait()
    told = done.document()
    assert done.code == told["exit_code"] == 130
    assert told["outcomes"]["unknown"] == 0
    assert "Stopping" in done.err
    assert quiet(done)


def test_a_second_interrupt_ends_the_run_whatever_its_server_does(begin: Begin) -> None:
    run = begin(200, latency_s=1.0)
    os.kill(run.server, signal.SIGSTOP)
    run.running.send_signal(signal.SIGINT)
    assert run.running.stderr is not None
    seen = ""
    while "Stopping" not in seen:
        seen += run.running.stderr.readline()
    run.running.send_signal(signal.SIGINT)
    done = run.wait()
    assert done.code == done.document()["exit_code"] == 130
    assert json.loads(run.desk.run("runs", "--json").out)[0]["state"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_obeyed_while_the_server_starts(
    tmp_path: Path, emulator: Emulator, number: signal.Signals
) -> None:
    emulator.reset()
    emulator.refill([Group(3)])
    desk = Desk(tmp_path / "desk", emulator, None)
    running = desk.start("apply", desk.file(3), "--to", "activated", "--yes", "--json")
    assert running.stderr is not None
    while "starting Prefect" not in running.stderr.readline():
        assert running.poll() is None
    running.send_signal(number)
    done = desk.wait(running)
    assert done.code == done.document()["exit_code"] == 130
    assert desk.patches() == 0
    until(lambda: servers(desk.home) == [], "its server ends by itself")
