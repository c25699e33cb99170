"""Prefect's server is away for a minute in the middle of a run."""

import time
from collections.abc import Callable

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.site import FIRST, Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]
SIMS = 200
AWAY_S = 60.0


def test_a_run_goes_on_while_the_server_is_away_and_nothing_of_it_is_lost(
    site: Site, fleet: Fill, emulator: Emulator
) -> None:
    """First it hangs, so that requests wait; then it is gone, so that they are refused. `up` can't start it again."""
    fleet(Group(SIMS), latency_s=0.8)
    run = site.begin(file=pasted(SIMS), mode="apply", batch_size=40)
    until(lambda: sent(emulator) >= 4, "SIMs are being changed")
    with site.frozen("up"):
        with site.frozen("server"):
            goes_on_sending(emulator, AWAY_S / 2)
            site.kill("server")
        goes_on_sending(emulator, AWAY_S / 2)
        assert site.processes("server") == []
    assert sent(emulator) < SIMS, "the run is still under way when the server may come back"
    state = site.reaches(run)

    assert state["name"] == "Completed", state
    assert state["message"].startswith(f"{SIMS} of {SIMS} rows in sync.")
    assert {"Crashed", "Failed"}.isdisjoint(site.states(run)), "nobody took it for dead"
    assert f"{SIMS} of {SIMS} rows are in sync" in site.artifacts(run)["The result"]
    the_ledger_tells_what_the_carrier_holds(site, emulator)


def sent(emulator: Emulator) -> int:
    return int(emulator.stats()["sim_patches"])


def goes_on_sending(emulator: Emulator, seconds: float) -> None:
    """For so long, SIMs are changed all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = sent(emulator)
        until(lambda: sent(emulator) >= before + 2, "more SIMs are changed")  # noqa: B023 - called at once


def the_ledger_tells_what_the_carrier_holds(site: Site, emulator: Emulator) -> None:
    [(run,)] = site.ledger("SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1")
    stats = emulator.stats()
    assert emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches"], stats["sim_patches_repeated"], stats["pair_violations"]) == (SIMS, {}, 0)
    verdicts = site.ledger("SELECT sim_id, after FROM verdicts WHERE run_id = ? ORDER BY row", run)
    assert verdicts == [(str(FIRST + number), "Activated+Enabled") for number in range(SIMS)]
    outcomes = site.ledger("SELECT half, outcome, count(*) FROM outcomes WHERE run_id = ? GROUP BY 1, 2", run)
    assert sorted(outcomes) == [("endpoint", "applied", SIMS), ("sim", "applied", SIMS)]
    calls = "SELECT count(*), count(answers.call_id) FROM calls LEFT JOIN answers USING (call_id) WHERE run_id = ?"
    [(asked, answered)] = site.ledger(f"{calls} AND method = 'PATCH' AND path LIKE '%/sim/%'", run)
    assert asked == answered == SIMS
