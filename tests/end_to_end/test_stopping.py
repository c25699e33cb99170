"""Ctrl-C while SIMs leave Factory Test: none is left paid for and off if seconds are enough; else it says which."""

import signal
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import FIRST, Desk, Done, until

pytestmark = pytest.mark.timeout(300)
SIMS = 30
IN_TEST = Group(SIMS, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
OFF = "Activated/Disabled"


def stopped(desk: Desk, *numbers: signal.Signals, calls: int = 0, **limits: str) -> Done:
    """A run that gets these signals once it has activated some SIMs, and so many calls were sent."""
    asked = ("--to", "activated", "--yes", "--json", "--accept-large", "--batch-size", "10")
    running = desk.start("apply", desk.file(SIMS), *asked, SIMTANDEM_SIM_CONCURRENCY="2", **limits)
    until(lambda: desk.emulator.fleet.state_counts().get(OFF, 0) >= 3, "SIMs are charged, and off")
    until(lambda: sum(desk.emulator.stats()["by_route"].values()) >= calls, "the rate limit is used up")
    for number in numbers:
        running.send_signal(number)
    return desk.wait(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_endpoints_of_sims_that_are_charged_are_enabled_before_the_end(
    sit_down: MakeDesk, number: signal.Signals
) -> None:
    desk = sit_down(IN_TEST, latency_s=0.3)
    done = stopped(desk, number)
    told, counts = done.document(), desk.emulator.fleet.state_counts()
    assert done.code == 130
    assert set(counts) == {"Activated/Enabled", "Factory Test/Disabled"}
    assert (told["verdicts"]["in_sync"], told["not_sent"]["half_done"]) == (counts["Activated/Enabled"], 0)
    assert "were just activated, and are charged: only their endpoints are still enabled" in done.err
    assert desk.run("retry", "latest", "--yes", "--json", "--accept-large").code == 0
    stats = desk.emulator.stats()
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}
    assert (stats["sim_patches_repeated"], stats["needless_endpoint_patches"]) == ({}, 0)


def test_what_there_is_no_time_for_is_named_and_a_retry_completes_it(sit_down: MakeDesk) -> None:
    desk = sit_down(IN_TEST, latency_s=0.05)
    limits = {"SIMTANDEM_CALLS": "14", "SIMTANDEM_CALLS_WINDOW_S": "240", "SIMTANDEM_CALLS_RESERVE": "0"}
    done = stopped(desk, signal.SIGINT, calls=14, **limits)
    told, off = done.document(), desk.emulator.fleet.state_counts()[OFF]
    assert (done.code, told["not_sent"]["half_done"]) == (130, off)
    assert f"{off} of them are still off, and charged" in done.err
    page = Path(told["files"]["report"]).read_text(encoding="utf-8")
    assert f"Paying but off: {off} devices" in page
    assert desk.run("retry", "latest", "--yes", "--json", "--accept-large", SIMTANDEM_CALLS_WINDOW_S="1").code == 0
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": SIMS}


def test_a_second_signal_ends_it_at_once(sit_down: MakeDesk) -> None:
    desk = sit_down(IN_TEST, latency_s=0.3)
    desk.emulator.inject(FaultRule(FaultKind.HANG, "PATCH", "/endpoint", seconds=60.0))
    done = stopped(desk, signal.SIGINT, signal.SIGTERM)
    assert done.code == 130
    report = desk.run("report", "latest", "--json").document()
    assert report["exit_code"] != 0
    assert "Paying but off" in (desk.run_folders()[-1] / "report.html").read_text(encoding="utf-8")


def test_a_run_that_too_many_failures_stop_leaves_none_paid_for_and_off(sit_down: MakeDesk) -> None:
    desk = sit_down(IN_TEST, latency_s=0.05)
    refused = tuple(range(FIRST + 6, FIRST + 10))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403, ids=refused))
    asked = ("--to", "activated", "--yes", "--json", "--accept-large", "--batch-size", "10")
    limits = {"SIMTANDEM_STOP_AT_LEAST": "3", "SIMTANDEM_SIM_CONCURRENCY": "1"}
    done = desk.wait(desk.start("apply", desk.file(SIMS), *asked, **limits))
    told, counts = done.document(), desk.emulator.fleet.state_counts()
    assert (done.code, told["stopped"]["by"]) == (1, "stop_rule")
    assert set(counts) == {"Activated/Enabled", "Factory Test/Disabled"}
    assert counts["Activated/Enabled"] >= 6
    assert (told["verdicts"]["in_sync"], told["not_sent"]["half_done"]) == (counts["Activated/Enabled"], 0)
    assert desk.emulator.stats()["needless_endpoint_patches"] == 0
