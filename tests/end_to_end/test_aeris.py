"""Both of Aeris's platforms through the command line: plan, apply, kill, undo, audit; nothing is sent twice."""

import csv
import subprocess
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
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from tests.conftest import PrefectServer
from tests.end_to_end.aeris_desks import CHANGE, DESCRIBED, MADE_UP, SUBMIT, AerisDesk, aeradmin_desk, iot_desk
from tests.end_to_end.operator_desk import until

POLL = "GET /dcpapi/rest/subscriptionManagement/v1/subscriptions/requests/{id}"


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


def csv_rows(path: Path) -> list[dict[str, str]]:
    """The cells of a file that a run wrote, without what keeps them text in a spreadsheet."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(file)]


def leaks(desk: AerisDesk, secret: str) -> list[str]:
    """Files and words in which the secret stands."""
    files = [path for path in desk.home.rglob("*") if path.is_file() and "prefect" not in path.parts]
    return [str(path) for path in files if secret.encode() in path.read_bytes()] + [
        text for text in desk.said if secret in text
    ]


def test_a_bulk_change_is_one_request_that_ends_with_a_look_and_is_undone(iot: AerisDesk) -> None:
    file = iot.list_of(dict.fromkeys(iccs(iot), "pause"))
    planned = iot.run("plan", file, "--json")
    assert (planned.code, planned.document()["plan"]["refused"]) == (1, 1)
    done = iot.apply(file)
    assert done.code == 1
    assert done.document()["verdicts"] | {"in_sync": 6, "refused": 1} == done.document()["verdicts"]
    assert "its state is locked at the platform" in (iot.run_folders()[-1] / "results.csv").read_text()
    assert iot.sent(SUBMIT) == 1
    undone = iot.run("undo", "latest", "--yes", "--accept-large", "--json")
    assert (undone.code, undone.document()["verdicts"]["in_sync"]) == (0, 6)
    assert iot.emulator.change(lambda site: site.fleet_summary()["states"])[State.ACTIVE] == 7
    assert iot.run("audit", "--json").code == 0
    assert iot.run("verify").code == 0
    assert leaks(iot, PASSWORD) == []


def test_what_only_the_contract_says_is_no_fact_in_a_plan_and_still_limited(iot: AerisDesk) -> None:
    assert iot.apply(iot.list_of(dict.fromkeys(iccs(iot)[:2], "pause"))).code == 0
    file = iot.list_of(dict.fromkeys(iccs(iot)[:2], "activate") | {iccs(iot)[2]: "pause"})
    iot.variables |= {"SIMTANDEM_MAX_NEWLY_BILLED": "1", "SIMTANDEM_MONTHLY_RATE": "0.45"}
    refused = iot.run("apply", file, "--yes", "--json")
    assert refused.code == 3
    assert "2 SIMs would be newly ACTIVE (limit 1)" in refused.err
    plan = refused.document()["plan"]
    assert (plan["newly_billed"], plan["monthly_cost"], plan["charges_known"]) == (2, None, False)
    assert plan["summary"].startswith("Activate 2 (2 may cost a fee), pause 1 (1 may cost a fee), deactivate 0")
    shown = iot.run("plan", file)
    assert "+ newly ACTIVE, ~ changed, - no longer ACTIVE; what that costs is the contract's" in shown.out + shown.err
    assert [words for words in ("billed", "charged") if words in shown.out + shown.err] == []
    done = iot.apply(file)
    page = (iot.run_folders()[-1] / "report.html").read_text()
    assert done.code == 0
    assert "Newly ACTIVE" in page
    assert "Newly billed" not in page


def test_a_killed_run_leaves_a_ticket_that_the_next_one_waits_for(iot: AerisDesk) -> None:
    iot.emulator.configure(work_s=6.0)
    file = iot.list_of(dict.fromkeys(iccs(iot)[:5], "pause"))
    running = iot.start("apply", file, "--yes", "--accept-large")
    until(lambda: iot.sent(POLL) > 0, "a poll")
    running.kill()
    running.communicate()
    done = iot.apply(file)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 5, 1)
    assert "An earlier run sent changes of 5 SIMs" in done.err


def begin_slowly(iot: AerisDesk) -> "subprocess.Popen[str]":
    """A run of six requests, of which the first ones are under way."""
    iot.emulator.configure(work_s=4.0)
    file = iot.list_of(dict.fromkeys(iccs(iot)[:6], "pause"))
    running = iot.start("apply", file, "--yes", "--accept-large", "--json", "--batch-size", "1")
    until(lambda: iot.sent(POLL) > 0, "a poll")
    return running


def last_state(desk: AerisDesk) -> tuple[str, dict[str, object]]:
    with Ledger.open(f"sqlite:///{desk.home / 'ledger.sqlite'}") as ledger:
        last = ledger.states(ledger.runs(1)[0].record.run_id)[-1]
    return last.state, dict(last.detail)


def test_a_pause_follows_the_requests_that_are_under_way_and_asks_for_nothing_else(iot: AerisDesk) -> None:
    running = begin_slowly(iot)
    assert iot.run("pause", "latest").code == 0
    until(lambda: last_state(iot)[0] == RunState.PAUSED, "it pauses")
    asked = iot.sent(SUBMIT)
    left = last_state(iot)[1]
    assert (left["left"], left["split"]) == (6 - asked, 0)
    assert 0 < asked < 6, "those that were under way, followed to their end"
    assert iot.emulator.change(lambda site: site.fleet_summary()["states"])[State.PAUSE] == asked
    assert iot.run("resume", "latest").code == 0
    done = iot.wait(running)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 6, 6)
    assert iot.run("verify").code == 0


def test_a_run_that_is_resumed_while_its_requests_are_under_way_asks_for_none_of_them_again(iot: AerisDesk) -> None:
    running = begin_slowly(iot)
    assert iot.run("pause", "latest").code == 0
    assert iot.run("resume", "latest").code == 0
    done = iot.wait(running)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 6, 6)


def test_a_run_that_is_killed_once_it_is_asked_to_pause_has_its_requests_followed_by_the_retry(iot: AerisDesk) -> None:
    running = begin_slowly(iot)
    assert iot.run("pause", "latest").code == 0
    running.kill()
    running.communicate()
    asked = iot.sent(SUBMIT)
    assert 0 < asked < 6
    done = iot.run("retry", "latest", "--yes", "--accept-large", "--json")
    assert (done.code, done.document()["verdicts"]["in_sync"]) == (0, 6)
    assert iot.sent(SUBMIT) == asked + 1, "one for all those that were not asked for yet"
    assert f"An earlier run sent changes of {asked} SIMs" in done.err


def test_a_request_whose_answer_was_lost_is_found_again(iot: AerisDesk) -> None:
    iot.emulator.inject(IotFaultRule("close", path="state-changes", times=1, processed=True))
    file = iot.list_of(dict.fromkeys(iccs(iot)[:5], "pause"))
    done = iot.apply(file)
    assert (done.code, done.document()["verdicts"]["in_sync"], iot.sent(SUBMIT)) == (0, 5, 1)


def test_sims_named_by_another_id_are_found_and_keep_it_in_results_and_when_tried_again(iot: AerisDesk) -> None:
    sims = iot.emulator.change(
        lambda site: [(each.icc, each.imsi, each.msisdn) for each in site.inventory.subscriptions]
    )
    file = iot.folder / "numbers.csv"
    file.write_text("msisdn,status\n" + "".join(f"{msisdn},pause\n" for _, _, msisdn in sims) + "4671900,pause\n")
    iot.emulator.inject(IotFaultRule("failed_sims", path="state-changes", times=1, ids=(sims[0][0],)))
    done = iot.apply(file)
    assert done.document()["verdicts"] | {"in_sync": 5, "failed": 1, "refused": 2} == done.document()["verdicts"]
    by_row = {row["row"]: row for row in csv_rows(iot.run_folders()[-1] / "results.csv")}
    for number, (icc, _, msisdn) in enumerate(sims, 2):
        assert (by_row[f"{number}"]["sim_id"], by_row[f"{number}"]["named_as"]) == (icc, msisdn)
    again = iot.run("retry", "latest", "--yes", "--accept-large", "--json")
    [left] = csv_rows(iot.run_folders()[-1] / "results.csv")
    assert (again.code, left["sim_id"], left["named_as"]) == (0, sims[0][0], sims[0][2])
    undone = iot.run("undo", done.document()["run_id"], "--yes", "--accept-large", "--json")
    back = {(row["sim_id"], row["named_as"]) for row in csv_rows(iot.run_folders()[-1] / "results.csv")}
    assert (undone.code, back) == (0, {(icc, msisdn) for icc, _, msisdn in sims[1:6]})
    assert f"listed as {sims[1][2]}" in (iot.run_folders()[-1] / "report.html").read_text()
    file.write_text(f"imsi,status\n{sims[0][1]},activate\n")
    assert iot.apply(file).document()["verdicts"]["in_sync"] == 1
    file.write_text(f"sim_id,status\n{sims[0][1]},pause\n{sims[0][0]},activate\n")
    told = iot.apply(file)
    assert (told.code, told.document()["verdicts"]["refused"]) == (1, 2)


def test_at_aeradmin_an_imsi_names_a_sim_unless_its_iccid_stays_unknown(aeradmin: AerisDesk) -> None:
    aeradmin.variables |= DESCRIBED
    sims = aeradmin.emulator.change(lambda site: [(each.iccid, each.imsi) for each in site.fleet.profiles()])
    file = aeradmin.folder / "numbers.csv"
    file.write_text(f"imsi,status\n{sims[0][1]},suspend\n{sims[3][1]},provision\n")
    done = aeradmin.apply(file)
    suspended, unknown = csv_rows(aeradmin.run_folders()[-1] / "results.csv")
    assert (suspended["sim_id"], suspended["named_as"], suspended["verdict"]) == (*sims[0], "in_sync")
    assert (done.code, unknown["verdict"], aeradmin.sent(CHANGE)) == (1, "refused", 1)
    assert "name the SIM by its ICCID" in unknown["reason"]


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
    assert "SIMTANDEM_AERADMIN_EXPORT_ICCID" in refused.err
    aeradmin.variables |= {
        "SIMTANDEM_AERADMIN_EXPORT": str(export),
        "SIMTANDEM_AERADMIN_EXPORT_ICCID": "SIM number",
    }
    assert aeradmin.run("audit", "--json").document()["sims"] == 5
