"""Both of Aeris's platforms through the command line: plan, apply, kill, undo, audit; nothing is sent twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.emulator.aeradmin.server import API_KEY, AerAdminEmulator, DeviceGroup
from simtandem.emulator.aeradmin.server import State as AerState
from simtandem.emulator.iot_accelerator.server import (
    PASSWORD,
    IotAcceleratorEmulator,
    IotFaultRule,
    State,
    SubscriptionGroup,
)
from tests.conftest import PrefectServer
from tests.end_to_end.aeris_desks import CHANGE, DESCRIBED, MADE_UP, SUBMIT, AerisDesk, aeradmin_desk, iot_desk
from tests.end_to_end.operator_desk import until


@pytest.fixture
def iot(tmp_path: Path, prefect_server: PrefectServer) -> Iterator[AerisDesk]:
    fleet = [SubscriptionGroup(6, State.ACTIVE), SubscriptionGroup(1, State.ACTIVE, locked=True)]
    with IotAcceleratorEmulator(fleet, work_s=0.5) as emulator:
        yield iot_desk(tmp_path / "desk", emulator, prefect_server.home)


@pytest.fixture
def aeradmin(tmp_path: Path, prefect_server: PrefectServer) -> Iterator[AerisDesk]:
    fleet = [DeviceGroup(3, (AerState.ACTIVE_BILLED,)), DeviceGroup(2, (AerState.ASSIGNED,))]
    with AerAdminEmulator(fleet, state_change=MADE_UP, change_takes_s=1.0) as emulator:
        yield aeradmin_desk(tmp_path / "desk", emulator, prefect_server.home)


def iccs(desk: AerisDesk) -> list[str]:
    found: list[str] = desk.emulator.change(lambda site: [each.icc for each in site.inventory.subscriptions])
    return found


def iccids(desk: AerisDesk) -> list[str]:
    found: list[str] = desk.emulator.change(lambda site: [each.iccid for each in site.fleet.profiles()])
    return found


def leaks(desk: AerisDesk, secret: str) -> list[str]:
    """Files and words in which the secret stands."""
    files = [path for path in desk.home.rglob("*") if path.is_file() and "prefect" not in path.parts]
    return [str(path) for path in files if secret.encode() in path.read_bytes()] + [
        text for text in desk.said if secret in text
    ]


def test_a_bulk_change_is_one_request_that_ends_with_a_look_and_is_undone(iot: AerisDesk) -> None:
    file = iot.list_of(dict.fromkeys(iccs(iot), "pause"))
    assert iot.run("plan", file, "--json").code == 0
    done = iot.apply(file)
    assert done.code == 1
    assert done.document()["verdicts"] | {"in_sync": 6, "failed": 1} == done.document()["verdicts"]
    assert "Subscription is locked" in (iot.run_folders()[-1] / "results.csv").read_text()
    assert iot.sent(SUBMIT) == 1
    undone = iot.run("undo", "latest", "--yes", "--accept-large", "--json")
    assert (undone.code, undone.document()["verdicts"]["in_sync"]) == (0, 6)
    assert iot.emulator.change(lambda site: site.fleet_summary()["states"])[State.ACTIVE] == 7
    assert iot.run("audit", "--json").code == 0
    assert iot.run("verify").code == 0
    assert leaks(iot, PASSWORD) == []


def test_a_killed_run_leaves_a_ticket_that_the_next_one_waits_for(iot: AerisDesk) -> None:
    iot.emulator.configure(work_s=6.0)
    file = iot.list_of(dict.fromkeys(iccs(iot)[:5], "pause"))
    running = iot.start("apply", file, "--yes", "--accept-large")
    until(lambda: iot.sent("GET /dcpapi/rest/subscriptionManagement/v1/subscriptions/requests/{id}") > 0, "a poll")
    running.kill()
    running.communicate()
    done = iot.apply(file)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 5, 1)
    assert "An earlier run sent changes of 5 SIMs" in done.err


def test_a_request_whose_answer_was_lost_is_found_again(iot: AerisDesk) -> None:
    iot.emulator.inject(IotFaultRule("close", path="state-changes", times=1, processed=True))
    file = iot.list_of(dict.fromkeys(iccs(iot)[:5], "pause"))
    done = iot.apply(file)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 5, 1)


def test_a_change_that_nobody_described_is_refused_and_says_where_it_is_found(aeradmin: AerisDesk) -> None:
    file = aeradmin.list_of(dict.fromkeys(iccids(aeradmin)[:3], "suspend"))
    done = aeradmin.run("apply", file, "--yes", "--accept-large")
    assert (done.code, aeradmin.sent(CHANGE)) == (3, 0)
    assert "SIMTANDEM_AERADMIN_CHANGE_PATH" in done.err
    assert "section 6.7, Update Device State" in done.err


def test_described_changes_are_read_back_and_their_fee_is_told(aeradmin: AerisDesk) -> None:
    billed, assigned = iccids(aeradmin)[:3], iccids(aeradmin)[3:]
    aeradmin.variables |= DESCRIBED | {"SIMTANDEM_AERADMIN_SUSPENSION_FEE": "2.50 EUR"}
    file = aeradmin.list_of(dict.fromkeys(billed, "suspend") | {assigned[0]: "provision", assigned[1]: "bill"})
    planned = aeradmin.run("plan", file)
    assert (
        "suspending costs a one-time fee, and traffic the overage rate; the SIM can still pass traffic" in planned.out
    )
    assert "2.50 EUR" in planned.out
    done = aeradmin.apply(file)
    assert done.document()["verdicts"] | {"in_sync": 4, "refused": 1} == done.document()["verdicts"]
    assert aeradmin.sent(CHANGE) == 4
    again = aeradmin.apply(file)
    assert (again.document()["plan"]["unchanged"], aeradmin.sent(CHANGE)) == (4, 4)
    assert leaks(aeradmin, API_KEY) == []


def test_a_killed_run_is_waited_for_before_anything_is_sent_again(aeradmin: AerisDesk) -> None:
    aeradmin.variables |= DESCRIBED
    aeradmin.emulator.configure(change_takes_s=5.0)
    file = aeradmin.list_of(dict.fromkeys(iccids(aeradmin)[:1], "suspend"))
    running = aeradmin.start("apply", file, "--yes", "--accept-large")
    until(lambda: aeradmin.sent(CHANGE) > 0, "a change")
    running.kill()
    running.communicate()
    done = aeradmin.apply(file)
    assert (done.code, aeradmin.sent(CHANGE)) == (0, 1)


def test_an_audit_goes_by_an_export_whose_column_is_named(aeradmin: AerisDesk) -> None:
    export = aeradmin.folder / "export.csv"
    export.write_text("Name,SIM number\n" + "".join(f"a,{iccid}\n" for iccid in iccids(aeradmin)))
    refused = aeradmin.run("audit")
    assert (refused.code, "aeradmin can't list its whole fleet" in refused.err) == (2, True)
    aeradmin.variables |= {
        "SIMTANDEM_AERADMIN_EXPORT": str(export),
        "SIMTANDEM_AERADMIN_EXPORT_ICCID": "SIM number",
    }
    assert aeradmin.run("audit", "--json").document()["sims"] == 5
