"""Two hosts with homes and clocks of their own, one ledger in PostgreSQL, one account: as the carrier sees them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.store import Ledger
from tests.end_to_end.sending_host import Order, planned, result, send
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]

CALLS, WINDOW_S = 100, 15.0
Hosts = Callable[..., "Popen[str]"]


@pytest.fixture
def site(carrier: Emulator) -> Iterator[Emulator]:
    carrier.reset()
    yield carrier
    carrier.reset()


@pytest.fixture
def host(tmp_path: Path, site: Emulator, new_schema: Callable[[], str]) -> Iterator[Hosts]:
    """Starts hosts: each has a home of its own, and sends a file of these SIMs."""
    ledger_url = new_schema()
    started: list[Popen[str]] = []
    Ledger.open(ledger_url).close()

    def start(sims: range, **order: object) -> "Popen[str]":
        number = len(started)
        file = tmp_path / f"devices-{number}.csv"
        first = min(site.fleet.sims)
        file.write_text("sim_id\n" + "".join(f"{first + each}\n" for each in sims))
        values = {"calls": CALLS, "calls_window_s": WINDOW_S, "clock_s": 300.0 * number, **order}
        home = str(tmp_path / f"host-{number}")
        started.append(Order(str(file), home, ledger_url, site.url, **values).start())  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.kill()
        if each.stdout and not each.stdout.closed:
            each.communicate()


def refuse_more(site: Emulator, devices: int, calls: int = CALLS) -> None:
    site.refill([Group(devices)])
    site.configure(calls=calls, calls_window_s=WINDOW_S, latency_s=0.03)


def assert_kept(site: Emulator, calls: int = CALLS) -> None:
    """No window over the limit, nothing sent that was there already, and endpoints one call after another."""
    stats = site.stats()
    assert (stats["throttled"], stats["most_calls_in_window"] <= calls) == (0, True)
    assert (stats["endpoint_write_overlaps"], stats["sim_patches_repeated"]) == (0, {})
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0)


def test_two_hosts_share_the_limit_to_the_call_and_no_device_is_sent_twice(site: Emulator, host: Hosts) -> None:
    calls = 40  # so few that busy hosts reach them, too
    refuse_more(site, 80, calls)
    one, other = (host(sims, calls=calls) for sims in (range(40), range(40, 80)))
    planned(one, other)
    send(one, other)
    both = [result(each) for each in (one, other)]
    assert [each["exit_code"] for each in both] == [0, 0]
    assert [each["outcomes"] for each in both] == [{"applied": 80}] * 2
    assert_kept(site, calls)
    stats = site.stats()
    assert stats["sim_patches"] == 80
    assert stats["most_calls_in_window"] >= 0.97 * calls


def test_of_one_file_on_two_hosts_one_sends_and_the_other_finds_it_done(site: Emulator, host: Hosts) -> None:
    refuse_more(site, 60)
    one, other = host(range(60)), host(range(60))
    planned(one, other)
    send(one, other)
    both = [result(each) for each in (one, other)]
    assert [each["exit_code"] for each in both] == [0, 0]
    assert sorted([*each["outcomes"].items()] for each in both) == [[("applied", 120)], [("unchanged", 120)]]
    assert_kept(site)


def test_what_a_killed_host_left_is_finished_by_the_other(site: Emulator, host: Hosts) -> None:
    refuse_more(site, 60)
    one, other = host(range(60)), host(range(60))
    planned(one, other)
    send(one)
    while site.stats()["sim_patches"] < 20:
        time.sleep(0.05)
    one.kill()
    send(other)
    done = result(other)
    assert done["exit_code"] == 0
    assert 0 < done["outcomes"]["applied"] < 120
    assert set(site.fleet.state_counts()) == {"Activated/Enabled"}
    assert_kept(site)


def test_five_urgent_devices_are_done_soon_while_a_large_run_continues(site: Emulator, host: Hosts) -> None:
    refuse_more(site, 500)
    large, small = host(range(400), batch_size=100), host(range(495, 500), urgent=True)
    planned(large, small)
    send(large)
    while site.stats()["sim_patches"] < 20:
        time.sleep(0.05)
    began = time.monotonic()
    send(small)
    assert result(small)["outcomes"] == {"applied": 10}
    assert time.monotonic() - began < 60
    assert large.poll() is None, "it continues"
    large.terminate()
    assert_kept(site)
