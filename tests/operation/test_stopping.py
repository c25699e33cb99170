"""Each process of `simtandem up` is killed in the middle of a run; nothing is lost, and nothing is done twice.

These tests come last here by their name: after them nothing is up any more.
"""

from collections.abc import Callable

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.site import Site, pasted, until
from tests.operation.test_pausing import suspend

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]


def sends(emulator: Emulator, sims: int) -> None:
    """Wait until so many SIMs have been changed."""
    until(lambda: emulator.stats()["sim_patches"] >= sims, f"{sims} SIMs are changed")


def everything_is_done_and_nothing_twice(site: Site, emulator: Emulator, sims: int) -> bool:
    stats = emulator.stats()
    assert emulator.fleet.state_counts() == {"Activated/Enabled": sims}
    assert stats["sim_patches_repeated"] == {}
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0)
    assert stats["pair_violations"] == 0
    return True


def test_a_run_outlives_the_server_and_the_worker(site: Site, fleet: Fill, emulator: Emulator) -> None:
    fleet(Group(150), latency_s=0.6)
    run = site.begin(file=pasted(150), mode="apply", batch_size=25)
    sends(emulator, 4)
    [flow] = site.processes("flow")
    site.kill("server")
    before = emulator.stats()["sim_patches"]
    sends(emulator, before + 4)  # it goes on sending while nobody listens
    site.get("/health")
    site.kill("worker")
    sends(emulator, emulator.stats()["sim_patches"] + 4)
    assert site.processes("flow") == [flow]
    until(lambda: site.processes("worker") != [], "another worker")
    emulator.configure(latency_s=0.0)
    state = site.reaches(run)
    assert state["name"] == "Completed", state
    assert everything_is_done_and_nothing_twice(site, emulator, 150)


def test_what_was_killed_is_run_again_from_where_it_stood(site: Site, fleet: Fill, emulator: Emulator) -> None:
    fleet(Group(120), latency_s=0.4)
    file = pasted(120, "activated")
    run = site.begin(file=file, mode="apply", batch_size=25)
    sends(emulator, 4)
    site.kill("flow")
    assert site.reaches(run)["type"] == "CRASHED"
    first = emulator.stats()["sim_patches"]
    assert first < 120

    second = site.begin(file=file, mode="apply", batch_size=25)  # Retry may overtake the worker's own word of the crash
    sends(emulator, first + 4)
    nightly = site.deployment("fleet-audit")["schedules"]
    site.kill("up")
    site.start()
    assert [each["active"] for each in site.deployment("fleet-audit")["schedules"]] == [
        each["active"] for each in nightly
    ]
    emulator.configure(latency_s=0.0)
    assert site.reaches(second)["type"] in {"CRASHED", "CANCELLED"}, "nobody waits for a run that is gone"
    assert emulator.stats()["sim_patches"] < 120
    again = site.begin(file=file, mode="apply", batch_size=25)
    state = site.reaches(again)
    assert state["name"] == "Completed", state
    assert "120 of 120 rows in sync" in state["message"]
    assert everything_is_done_and_nothing_twice(site, emulator, 120)


def test_after_a_power_cut_nothing_waits_for_the_run_that_is_gone(site: Site, fleet: Fill, emulator: Emulator) -> None:
    fleet(Group(60), latency_s=0.2)
    run = site.begin(file=pasted(60), mode="apply", batch_size=30)
    sends(emulator, 4)
    site.cut_power()
    until(lambda: site.processes() == [], "all is dark")
    site.start()
    state = site.state(run)
    assert state["type"] == "CRASHED"
    assert state["message"].startswith("Its process is gone. Ended before it was done: "), state
    assert "to continue: simtandem retry" in state["message"], state
    emulator.configure(latency_s=0.0)
    again = site.reaches(site.begin(file=pasted(60), mode="apply"))
    assert again["name"] == "Completed", again
    assert everything_is_done_and_nothing_twice(site, emulator, 60)


@pytest.mark.parametrize("end", [Site.stop, Site.cut_power])
def test_a_pause_ends_with_its_process_and_nothing_waits_for_it(
    site: Site, fleet: Fill, emulator: Emulator, end: Callable[[Site], object]
) -> None:
    fleet(Group(40), latency_s=0.5)
    run = site.begin(file=pasted(40), mode="apply", batch_size=5)
    sends(emulator, 2)
    suspend(site, run)
    site.reaches(run, "Paused")
    until(lambda: newest_state(site) == "paused", "it is paused")
    end(site)
    until(lambda: site.processes() == [], "all is dark")
    site.start()
    state, [(run_id,)] = site.state(run), site.ledger("SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1")
    assert state["type"] == ("CANCELLED" if end is Site.stop else "CRASHED"), state
    assert f"to continue: simtandem retry {run_id}" in state["message"], state
    assert site.post(f"/flow_runs/{run}/resume")["status"] == "ABORT", "there is nothing to resume"
    emulator.configure(latency_s=0.0)
    again = site.reaches(site.begin(file=pasted(40), mode="apply"))
    assert again["name"] == "Completed", again
    assert everything_is_done_and_nothing_twice(site, emulator, 40)


def newest_state(site: Site) -> str:
    """The last state that a run has recorded."""
    return str(site.ledger("SELECT state FROM run_states ORDER BY seq DESC LIMIT 1")[0][0])


def test_ctrl_c_lets_a_run_record_what_it_sent_and_report(site: Site, fleet: Fill, emulator: Emulator) -> None:
    fleet(Group(40), latency_s=1.0)
    run = site.begin(file=pasted(40), mode="apply", batch_size=5)
    sends(emulator, 4)
    assert site.stop() == 0
    assert newest_state(site) == "interrupted"
    assert site.ledger("SELECT count(*) FROM outcomes WHERE outcome = 'unknown'") == [(0,)]
    emulator.configure(latency_s=0.0)
    site.start()
    assert site.state(run)["type"] == "CANCELLED", site.state(run)


def test_ctrl_c_ends_all_of_it(site: Site) -> None:
    assert site.stop() == 0
    until(lambda: site.processes() == [], "nothing is left")
