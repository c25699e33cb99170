"""`simtandem rehearse` at every carrier that has an emulator."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.aeradmin.server import AerAdminEmulator, DeviceGroup
from simtandem.emulator.aeradmin.server import State as AerState
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator, State, SubscriptionGroup
from simtandem.emulator.seeding import Group
from tests.end_to_end.aeris_desks import CHANGE, DESCRIBED, MADE_UP, SUBMIT, aeradmin_desk, iot_desk
from tests.end_to_end.operator_desk import PATIENCE_S, Desk, until

pytestmark = pytest.mark.timeout(300)
Look = Callable[..., Desk]
RUNNING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)


def test_it_says_how_long_what_is_left_out_and_what_it_costs_and_sends_nothing(look: Look) -> None:
    desk = look(Group(30), Group(1, SimStatus.ACTIVATED, None))
    desk.variables |= {"SIMTANDEM_MONTHLY_RATE": "0.45", "SIMTANDEM_CURRENCY": "EUR"}
    done = desk.run("rehearse", desk.file(31), "--to", "activated")

    assert done.code == 1, "as plan: a row is refused"
    assert "Activate 30 (30 newly billed, about 13.50 EUR a month)" in done.out
    assert "Rehearsed: it takes " in done.out
    assert "30 of 31 rows are in sync then." in done.out
    assert "rehearsal.csv  every row with its rehearsed outcome" in done.out
    assert done.out.splitlines()[-1].startswith("  To apply this plan: simtandem apply ")
    assert desk.patches() == 0
    assert "rehearsing on an emulated carrier" in done.err


def test_the_json_document_is_the_plans_with_the_rehearsal_in_it(look: Look) -> None:
    desk = look(Group(20, *RUNNING))
    planned = desk.run("plan", desk.file(20), "--to", "suspended", "--accept-large", "--json").document()
    done = desk.run("rehearse", desk.file(20), "--to", "suspended", "--accept-large", "--faults", "--json")
    told = done.document()

    assert done.code == told["exit_code"] == 0
    assert told["digest"] == told["rehearsal"]["digest"] == planned["digest"]
    assert set(planned) < set(told)
    rehearsal = told["rehearsal"]
    assert rehearsal["verdicts"]["in_sync"] == 20
    assert (rehearsal["exit_code"], rehearsal["same_plan"], rehearsal["faults"]) == (0, True, True)
    assert rehearsal["seconds"] > 0
    assert Path(told["files"]["rehearsal"]).read_text(encoding="utf-8-sig").startswith("row,sim_id,")


def test_a_plan_beyond_the_limits_is_rehearsed_and_exits_as_plan_does(look: Look) -> None:
    desk = look(Group(20))
    done = desk.run("rehearse", desk.file(20), "--to", "activated", SIMTANDEM_MAX_NEWLY_BILLED="5")

    assert done.code == 3
    assert "--accept-large" in done.out
    assert "20 of 20 rows are in sync then." in done.out
    assert "To apply this plan" not in done.out


def test_a_plan_without_changes_has_nothing_to_rehearse(look: Look) -> None:
    desk = look(Group(2, *RUNNING))
    done = desk.run("rehearse", desk.file(2), "--to", "activated")
    assert done.code == 0
    assert "There is nothing to rehearse" in done.out
    told = desk.run("rehearse", desk.file(2), "--to", "activated", "--json").document()
    assert told["rehearsal"] is None


def test_runs_reports_and_retries_know_nothing_of_a_rehearsal(look: Look) -> None:
    desk = look(Group(3, *RUNNING))
    real = desk.run("reconcile", desk.file(3), "--to", "activated", "--json").document()["run_id"]
    desk.run("rehearse", desk.file(3), "--to", "suspended", "--accept-large")

    kinds = [(run["kind"], run["rows"]) for run in json.loads(desk.run("runs", "--json").out)]
    assert kinds == [("plan", 3), ("reconcile", 3)]
    assert desk.run("report", "latest", "--json").document()["run_id"] == real
    assert "suspended" not in desk.run("show", "10000001").out.casefold()
    assert desk.run("verify").code == 0


def test_waves_are_rehearsed_and_a_wave_beyond_its_limit_ends_it(look: Look) -> None:
    desk = look(Group(30))
    file = desk.file(30)
    told = desk.run(
        "rehearse", file, "--to", "activated", "--waves", "5,rest", "--wave-limit", "0", "--json"
    ).document()
    assert [(wave["devices"], wave["state"]) for wave in told["rehearsal"]["waves"]] == [(5, "passed"), (25, "sent")]
    assert told["rehearsal"]["verdicts"]["in_sync"] == 30

    desk.variables["SIMTANDEM_WAVES"] = "20,rest"
    shown = desk.run("rehearse", file, "--to", "activated", "--waves", "10%,rest")
    assert "wave 1: 3 of 3 in sync, passed" in shown.out
    assert "--waves 10%,rest --plan" in shown.out.splitlines()[-1]
    assert [line.rpartition(",")[2] for line in _rehearsed(desk)][:6] == ["wave", "1", "1", "1", "2", "2"]
    assert desk.patches() == 0


def _rehearsed(desk: Desk) -> list[str]:
    return (desk.run_folders()[-1] / "rehearsal.csv").read_text(encoding="utf-8-sig").splitlines()


def test_a_retry_and_an_undo_are_rehearsed_before_they_are_run(sit_down: Look) -> None:
    desk = sit_down(Group(6, SimStatus.SUSPENDED, EndpointStatus.DISABLED))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", r"/sim/1000000[12]$", status=403))
    run = desk.run("apply", desk.file(6), "--to", "activated", "--yes", "--json").document()
    assert run["verdicts"]["in_sync"] == 4
    sent = desk.patches()

    retried = desk.run("rehearse", "--retry", run["run_id"], "--json").document()
    assert (retried["rehearsal"]["verdicts"]["in_sync"], retried["rehearsal"]["same_plan"]) == (2, True)
    undone = desk.run("rehearse", "--undo", "latest", "--accept-large", "--json").document()
    assert (undone["rehearsal"]["verdicts"]["in_sync"], undone["rehearsal"]["same_plan"]) == (4, True)
    shown = desk.run("rehearse", "--undo", run["run_id"], "--accept-large").out.splitlines()[-1]
    assert shown.startswith(f"  To apply this plan: simtandem undo {run['run_id']} --yes --accept-large --plan ")
    options = ("--undo", run["run_id"], "--issued-to", "suspended", "--accept-large")
    shown = desk.run("rehearse", *options).out.splitlines()[-1]
    assert f"simtandem undo {run['run_id']} --yes --accept-large --issued-to suspended --plan " in shown
    unfit = desk.run("rehearse", "--retry", run["run_id"], "--issued-to", "suspended")
    assert (unfit.code, "--issued-to is for an undo" in unfit.err) == (2, True)
    both = desk.run("rehearse", desk.file(6), "--retry", run["run_id"])
    assert both.code == 2
    assert "names its devices" in both.err
    assert desk.patches() == sent


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_stopped_nothing_is_left_running(look: Look, end: signal.Signals) -> None:
    desk = look(Group(4000, *RUNNING))
    desk.cold = True  # its processes are known by the environment they were started with
    running = desk.start("rehearse", desk.file(4000), "--to", "suspended", "--accept-large", "--quiet")
    homes = desk.home / "rehearsals"
    until(lambda: any(homes.glob("*/ledger.sqlite")), "the rehearsal is under way")
    running.send_signal(end)
    out, err = running.communicate(timeout=PATIENCE_S)

    assert running.returncode == (-9 if end is signal.SIGKILL else 130), err
    assert "Traceback" not in out + err
    assert not processes_of(desk.home)
    assert homes.exists() is (end is signal.SIGKILL), "what a kill leaves is removed by the next rehearsal"
    assert desk.patches() == 0


def processes_of(home: Path) -> list[str]:
    """Processes that have this home in their environment."""
    ours, found = f"SIMTANDEM_HOME={home}\0".encode(), []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and ours in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_at_the_iot_accelerator(tmp_path: Path) -> None:
    fleet = [SubscriptionGroup(6, State.ACTIVE), SubscriptionGroup(1, State.TERMINATED)]
    with IotAcceleratorEmulator(fleet) as emulator:
        desk = iot_desk(tmp_path / "desk", emulator, None)
        iccids = emulator.change(lambda site: [each.icc for each in site.inventory.subscriptions])
        done = desk.run("rehearse", desk.list_of(dict.fromkeys(iccids, "pause")), "--json", "--accept-large")

        assert done.code == 1, done.err
        assert done.document()["rehearsal"]["same_plan"]
        assert done.document()["rehearsal"]["verdicts"]["in_sync"] == 6
        assert desk.sent(SUBMIT) == 0


def test_at_aeradmin_with_its_call_described(tmp_path: Path) -> None:
    fleet = [DeviceGroup(3, (AerState.ACTIVE_BILLED,)), DeviceGroup(2, (AerState.ASSIGNED,))]
    with AerAdminEmulator(fleet, state_change=MADE_UP) as emulator:
        desk = aeradmin_desk(tmp_path / "desk", emulator, None)
        iccids = emulator.change(lambda site: [each.iccid for each in site.fleet.profiles()])
        file = desk.list_of(dict.fromkeys(iccids, "suspended"))
        unknown = desk.run("rehearse", file, "--json")
        assert (unknown.code, unknown.document()["rehearsal"]) == (3, None)
        assert "AERADMIN_CHANGE_METHOD" in unknown.document()["refusal"]

        desk.variables |= DESCRIBED
        done = desk.run("rehearse", file, "--json", "--accept-large")
        assert done.code == 1, done.err
        assert done.document()["rehearsal"]["verdicts"]["in_sync"] == 3
        assert desk.sent(CHANGE) == 0
