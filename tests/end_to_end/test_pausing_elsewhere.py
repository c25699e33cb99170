"""A run that is paused and resumed from another host: a home of its own, the same ledger in PostgreSQL."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.emulator.seeding import Group
from simtandem.ledger.store import Ledger
from tests.conftest import PrefectServer
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import Desk, until
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]

pytestmark = pytest.mark.timeout(300)
SIMS = 20
Desks = tuple[Desk, Desk]


@pytest.fixture
def desks(tmp_path: Path, sit_down: MakeDesk, prefect_server: PrefectServer, new_schema: Callable[[], str]) -> Desks:
    """Where the run is begun, and a desk of another host."""
    url = new_schema()
    Ledger.open(url).close()
    here = sit_down(Group(SIMS), latency_s=0.3)
    there = Desk(tmp_path / "other", here.emulator, prefect_server.home)
    for desk in (here, there):
        desk.variables["SIMTANDEM_LEDGER_URL"] = url
    return here, there


def state(desk: Desk) -> str:
    """What `simtandem runs` says there of the newest run."""
    runs = json.loads(desk.run("runs", "--json").out)
    return str(runs[0]["state"]) if runs else ""


@pytest.mark.parametrize("resumed", [0, 1])
def test_a_run_is_paused_from_another_host_and_resumed_from_either(desks: Desks, resumed: int) -> None:
    here, there = desks
    asked = ("--to", "activated", "--yes", "--json", "--accept-large", "--batch-size", "5")
    running = here.start("apply", here.file(SIMS), *asked, SIMTANDEM_SIM_CONCURRENCY="1")
    until(lambda: int(here.emulator.stats()["sim_patches"]) >= 2, "it sends")
    assert there.run("pause", "latest").code == 0
    until(lambda: state(there) == "paused", "it pauses")
    assert state(here) == "paused"
    assert "pauses already" in here.run("pause", "latest").err
    sent = here.patches()
    assert 0 < int(here.emulator.stats()["sim_patches"]) < SIMS
    again = there.run("apply", there.file(2, name="others.csv"), *asked)
    assert again.code == 0, "a paused run keeps nobody from sending, on any host"
    done_there = here.patches() - sent
    assert done_there <= 2
    for command in ("retry", "undo"):
        assert "is under way" in there.run(command, run_id(here), "--yes").err
    assert desks[resumed].run("resume", run_id(here)).code == 0
    done = here.wait(running)
    told = done.document()
    assert (done.code, told["verdicts"]["in_sync"]) == (0, SIMS)
    stats = here.emulator.stats()
    assert here.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (SIMS, {}, 0)
    assert here.run("verify").code == there.run("verify").code == 0


def run_id(desk: Desk) -> str:
    """The id of the oldest run."""
    return str(json.loads(desk.run("runs", "--json").out)[-1]["run_id"])


def test_a_run_that_is_killed_in_its_pause_is_retried_on_the_other_host(desks: Desks) -> None:
    here, there = desks
    asked = ("--to", "activated", "--yes", "--json", "--accept-large", "--batch-size", "5")
    running = here.start("apply", here.file(SIMS), *asked, SIMTANDEM_SIM_CONCURRENCY="1")
    until(lambda: int(here.emulator.stats()["sim_patches"]) >= 2, "it sends")
    assert there.run("pause", "latest").code == 0
    until(lambda: state(there) == "paused", "it pauses")
    running.kill()
    running.communicate()
    until(lambda: state(there) == "interrupted", "it is not heard of any more")
    assert "has ended" in there.run("resume", "latest").err
    again = there.run("retry", "latest", "--yes", "--json", "--accept-large")
    assert again.code == 0
    stats = here.emulator.stats()
    assert here.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (SIMS, {}, 0)
