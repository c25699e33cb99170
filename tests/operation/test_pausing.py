"""Prefect's own Suspend (Pause in its new UI), pressed on a run that sends, and Resume: as both UIs ask for it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.site import Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]
SIMS = 30


def suspend(site: Site, run: str) -> None:
    ends = (datetime.now(UTC) + timedelta(seconds=300)).isoformat()
    asked = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_timeout": ends, "pause_reschedule": True}}
    site.post(f"/flow_runs/{run}/set_state", state=asked, force=True)


def resume(site: Site, run: str) -> None:
    site.post(f"/flow_runs/{run}/resume")


def test_a_run_that_is_suspended_pauses_in_place_and_is_never_sent_by_two_processes(
    site: Site, fleet: Fill, emulator: Emulator
) -> None:
    fleet(Group(SIMS), latency_s=0.5)
    run = site.begin(file=pasted(SIMS), mode="apply", batch_size=2)
    until(lambda: emulator.stats()["sim_patches"] >= 1, "SIMs are changed")

    [(began,)] = site.ledger("SELECT max(started_at) FROM runs")
    suspend(site, run)
    state = site.reaches(run, "Paused")
    processes = site.processes("flow")
    until(lambda: asked(site)[-1:] == [("paused", "Suspend in Prefect")], "it pauses")
    assert "simtandem resume" in state["message"]
    before = emulator.stats()["sim_patches"]
    assert before < SIMS
    resume(site, run)
    until(lambda: emulator.stats()["sim_patches"] > before, "it continues")
    assert site.processes("flow") == processes
    assert asked(site)[-2:] == [("resuming", "Resume in Prefect"), ("applying", "")]

    with site.frozen("flow"):  # it is resumed before the run has seen that it was suspended: Prefect starts another one
        suspend(site, run)
        resume(site, run)
        until(lambda: site.state(run)["name"] == "Running", "another process carries the run out")
        assert len(site.processes("flow")) == 2
        emulator.configure(latency_s=0.0)
    until(lambda: not site.processes("flow"), "both have ended")
    stats = emulator.stats()
    assert emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (SIMS, {}, 0)
    assert site.ledger("SELECT count(*) FROM runs WHERE started_at >= ?", began) == [(1,)], "the other begins none"
    state = site.state(run)
    assert (state["name"], state["message"].startswith(f"{SIMS} of {SIMS} rows in sync.")) == ("Completed", True), state
    assert {"Failed", "Crashed", "Cancelled"}.isdisjoint(site.states(run))


def asked(site: Site) -> list[tuple[str, str]]:
    """The last states of the newest run, and who asked for each."""
    newest = "SELECT state, detail FROM run_states ORDER BY seq DESC LIMIT 4"
    return [(state, json.loads(detail).get("by", "")) for state, detail in reversed(site.ledger(newest))]
