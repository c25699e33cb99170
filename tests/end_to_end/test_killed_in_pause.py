"""A process that is killed after a pause was asked for, and before the run is paused: its calls are under way."""

import subprocess

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import Desk, until

pytestmark = pytest.mark.timeout(300)
SIMS = 12


def begun(desk: Desk) -> "subprocess.Popen[str]":
    """A run of which calls are under way that are answered only after a while."""
    desk.emulator.inject(FaultRule(FaultKind.HANG, "PATCH", "/sim/", seconds=60.0, processed=True, skip=4))
    asked = ("--to", "activated", "--yes", "--json", "--accept-large", "--batch-size", "6")
    running = desk.start("apply", desk.file(SIMS), *asked, SIMTANDEM_SIM_CONCURRENCY="2")
    until(lambda: int(desk.emulator.stats()["sim_patches"]) >= 5, "SIMs are changed")
    return running


def newest(desk: Desk) -> tuple[str, RunState]:
    """The newest run, and its last state on record."""
    with Ledger.open(f"sqlite:///{desk.home / 'ledger.sqlite'}") as ledger:
        run_id = ledger.runs(1)[0].record.run_id
        return run_id, ledger.states(run_id)[-1].state


def killed(desk: Desk) -> str:
    """A run whose process was killed before it paused; its id."""
    running = begun(desk)
    assert desk.run("pause", "latest").code == 0
    run_id, state = newest(desk)
    running.kill()
    running.communicate()
    desk.emulator.inject()
    assert (state, newest(desk)[1]) == (RunState.PAUSING, RunState.PAUSING), "it never came to it"
    return run_id


def test_a_run_that_is_killed_before_it_pauses_is_named_as_it_is_and_continued(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(SIMS, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED), latency_s=0.05)
    run_id = killed(desk)
    off = desk.emulator.fleet.state_counts()["Activated/Disabled"]
    assert desk.run("runs", "--json", "--state", "interrupted").out != "[]\n"
    for command in ("pause", "resume"):
        refused = desk.run(command, run_id)
        assert (refused.code, f"To continue: simtandem retry {run_id}" in refused.err) == (2, True), refused.err
    told = desk.run("report", run_id, "--json").document()
    assert told["not_sent"]["half_done"] + told["verdicts"]["unknown"] == off
    assert told["verdicts"]["skipped"] - told["not_sent"]["half_done"] == SIMS - off
    page = (desk.run_folders()[-1] / "report.html").read_text(encoding="utf-8")
    assert f"Paying but off: {told['not_sent']['half_done']} devices" in page
    charged = [ident for ident, sim in desk.emulator.fleet.sims.items() if sim.status is SimStatus.ACTIVATED]
    shown = [desk.run("show", ident).out for ident in charged]
    assert sum("Activated+Disabled" in each for each in shown) == told["not_sent"]["half_done"], shown
    assert not any("nothing was sent" in each for each in shown), shown
    again = desk.run("retry", run_id, "--yes", "--json", "--accept-large")
    assert (again.code, again.document()["verdicts"]["in_sync"]) == (0, SIMS)
    require_each_sent_once(desk)


def test_the_same_list_applied_again_sends_the_rest(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(SIMS), latency_s=0.05)
    killed(desk)
    assert set(desk.emulator.fleet.state_counts()) <= {"Issued/Disabled", "Issued/Enabled", "Activated/Enabled"}
    again = desk.run("apply", desk.file(SIMS), "--to", "activated", "--yes", "--json", "--accept-large")
    assert (again.code, again.document()["verdicts"]["in_sync"]) == (0, SIMS)
    require_each_sent_once(desk)


def require_each_sent_once(desk: Desk) -> None:
    """Nothing was lost, and nothing sent twice."""
    stats = desk.emulator.stats()
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"]) == (SIMS, {})
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0)
    assert desk.run("verify").code == 0
