"""The newest event of each SIM: the same by every way of asking, and with the fewest calls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.carriers.emnify.last_events import LastEvents
from simtandem.emulator.events import Source
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import InputError
from tests.simtandem.carriers.emnify.rig import FIRST_SIM, Proxy, emulated

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(days=7)
SIMS = 40
PER_PAGE = 5


def note(carrier: Emulator, sim: int, at: datetime) -> None:
    fleet = carrier.fleet
    fleet.drift_event(1, "Update location", "", Source.NETWORK, sim_id=FIRST_SIM + sim, endpoint_id=None)
    fleet.events[-1] = replace(fleet.events[-1], at=at.timestamp())


@pytest.fixture
def carrier() -> Emulator:
    """SIM 0 is never heard of, 1 before the window, the others every four hours, until 2 fell silent."""
    return Emulator([Group(SIMS, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False)


def busy(carrier: Emulator, hours: int = 7 * 24 - 4) -> None:
    note(carrier, 1, SINCE - timedelta(hours=1))
    for hour in range(0, hours, 4):
        for sim in range(2 if hour >= 72 else 3, SIMS):
            note(carrier, sim, NOW - timedelta(hours=hour, minutes=sim))


async def last(
    carrier: Emulator, home: Path, sims: range, proxy: Proxy, *, most: int = 2000
) -> tuple[dict[int, datetime], int]:
    asked: dict[str, str | None] = {str(FIRST_SIM + each): carrier.fleet.sim(FIRST_SIM + each).iccid for each in sims}
    async with emulated(home, carrier, proxy=proxy) as rig:
        log = LastEvents(rig.transport, SINCE, NOW, asked, most=most)
        found = await log.read()
    assert log.complete
    assert log.calls == len(proxy.queries)
    return {int(sim) - FIRST_SIM: at for sim, at in found.iter_rows()}, log.calls


async def test_most_of_a_busy_fleet_shows_in_the_newest_slice_and_the_rest_is_asked_for(
    carrier: Emulator, tmp_path: Path
) -> None:
    with carrier:
        busy(carrier)
        found, calls = await last(carrier, tmp_path, range(SIMS), Proxy(per_page=PER_PAGE))
    assert found == {each: NOW - timedelta(minutes=each) for each in range(3, SIMS)} | {
        2: NOW - timedelta(hours=72, minutes=2)
    }
    assert calls < 60, "the window has 300 pages"


async def test_a_few_sims_are_asked_for_six_at_a_time(carrier: Emulator, tmp_path: Path) -> None:
    with carrier:
        busy(carrier)
        proxy = Proxy(per_page=PER_PAGE)
        found, calls = await last(carrier, tmp_path, range(7), proxy)
    assert sorted(found) == [2, 3, 4, 5, 6]
    assert calls < 40
    assert all("iccid:" in query["q"] for query in proxy.queries[1:])


async def test_a_short_log_is_one_call(carrier: Emulator, tmp_path: Path) -> None:
    with carrier:
        busy(carrier, hours=3)
        found, calls = await last(carrier, tmp_path, range(SIMS), Proxy())
    assert (calls, sorted(found)) == (1, [*range(3, SIMS)])
    assert found[3] == NOW - timedelta(minutes=3)


@pytest.mark.parametrize("drops", [(), ("X-Total-Count", "X-Total-Pages", "X-Count-Per-Page")])
async def test_a_log_beyond_the_limit_of_calls_is_refused(
    carrier: Emulator, tmp_path: Path, drops: tuple[str, ...]
) -> None:
    with carrier:
        busy(carrier)
        with pytest.raises(InputError, match="needs more than 1 calls"):
            await last(carrier, tmp_path, range(SIMS), Proxy(per_page=50, drops=drops), most=1)


async def test_nobody_to_ask_for_is_no_call(carrier: Emulator, tmp_path: Path) -> None:
    with carrier:
        assert await last(carrier, tmp_path, range(0), Proxy()) == ({}, 0)
