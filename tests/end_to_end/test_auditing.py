"""`simtandem audit`, as an operator or a nightly job meets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from tests.end_to_end.operator_desk import FIRST, Desk

pytestmark = pytest.mark.timeout(300)
Look = Callable[..., Desk]
ON = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
FLEET = (
    Group(5, *ON),
    Group(3, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
    Group(2, SimStatus.SUSPENDED, EndpointStatus.ENABLED),
    Group(1, None, EndpointStatus.ENABLED),
    Group(1, SimStatus.ACTIVATED, None),
)


def test_the_document_has_exactly_the_keys_it_promises(look: Look) -> None:
    desk = look(*FLEET)
    done = desk.run("audit", "--json")
    told = done.document()

    assert done.code == 1
    assert list(told) == ["run_id", "carrier", "sims", "endpoints", "findings", "devices", "without_status", "files"]
    assert told["carrier"] == "emnify"
    assert (told["sims"], told["endpoints"]) == (11, 11)
    assert told["findings"] == {
        "paying_but_off": 3,
        "on_but_dead": 2,
        "sim_without_endpoint": 1,
        "endpoint_without_sim": 1,
        "factory_test": 0,
        "drifted": 0,
    }
    assert all(Path(path).is_file() for path in told["files"].values())
    assert {Path(path).parent.name for path in told["files"].values()} == {told["run_id"]}
    assert desk.patches() == 0


def test_a_clean_fleet_ends_with_0(look: Look) -> None:
    done = look(Group(5, *ON), Group(5)).run("audit", "--quiet")

    assert (done.code, done.err) == (0, "")
    assert "0 devices with findings in 10 SIMs and 10 endpoints." in done.out


def test_every_repair_file_makes_a_plan_without_refusals(look: Look) -> None:
    desk = look(*FLEET)
    files = desk.run("audit", "--json").document()["files"]
    repairs = {name: path for name, path in files.items() if name.startswith("repair-")}

    assert sorted(repairs) == ["repair-on_but_dead", "repair-paying_but_off", "repair-sim_without_endpoint"]
    for path in repairs.values():
        plan = desk.run("plan", path, "--json")
        assert plan.code == 0
        assert plan.document()["plan"]["refused"] == plan.document()["plan"]["newly_billed"] == 0


def test_an_audit_for_a_person_shows_counts_money_trend_and_files(look: Look) -> None:
    desk = look(*FLEET)
    desk.run("audit")
    desk.emulator.change(lambda fleet: fleet.drift_endpoint(20_000_001, EndpointStatus.DISABLED))
    done = desk.run("audit", SIMTANDEM_MONTHLY_RATE="0.45", SIMTANDEM_CURRENCY="EUR")

    assert "8 devices with findings in 11 SIMs and 11 endpoints." in done.out
    assert "+1 since the last audit" in done.out
    assert "2.25 EUR a month: an estimate: 5 SIMs" in done.out
    assert "1 device changed: by someone else (API or Portal)" in done.out
    assert "repair-paying_but_off.csv" in done.out
    assert "listing the whole fleet" in done.err


def test_an_audit_shows_in_the_list_of_runs(look: Look) -> None:
    desk = look(*FLEET)
    run_id = desk.run("audit", "--json").document()["run_id"]
    [run] = json.loads(desk.run("runs", "--json").out)

    assert (run["run_id"], run["kind"], run["state"]) == (run_id, "audit", "finished")


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"SIMTANDEM_EMNIFY_TOKEN": "wrong"}, 4, "AuthenticationFailed"),
        ({"SIMTANDEM_EMNIFY_TOKEN": None}, 2, "No application token"),
        ({"SIMTANDEM_MONTHLY_RATE": "cheap"}, 2, "SIMTANDEM_MONTHLY_RATE"),
        ({"SIMTANDEM_MONTHLY_RATE": "-1"}, 2, "SIMTANDEM_MONTHLY_RATE"),
    ],
)
def test_an_audit_that_can_not_begin_says_why(
    look: Look, variables: dict[str, str | None], code: int, words: str
) -> None:
    done = look(*FLEET).run("audit", "--json", **variables)

    assert (done.code, done.document()["exit_code"]) == (code, code)
    assert words in done.err


def test_an_audit_needs_no_prefect(look: Look) -> None:
    desk = look(*FLEET)
    code = """
import sys
from simtandem.cli import app

app.leave = sys.exit
sys.argv = ["simtandem", "audit", "-q"]
try:
    app.main()
finally:
    print("prefect" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], env=desk.variables, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1] == "False"
    assert not (desk.home / "prefect").exists()


def test_a_sim_that_simtandem_knows_and_others_moved_is_found_by_the_command(look: Look) -> None:
    desk = look(*FLEET)
    assert desk.run("reconcile", desk.file(1), "--to", "activated").code == 0
    desk.emulator.change(lambda fleet: fleet.drift_sim(FIRST, SimStatus.SUSPENDED))

    # A reconcile puts nothing anywhere, so nothing has drifted; the pair is split all the same.
    assert desk.run("audit", "--json").document()["findings"] | {"paying_but_off": 0} == {
        "paying_but_off": 0,
        "on_but_dead": 3,
        "sim_without_endpoint": 1,
        "endpoint_without_sim": 1,
        "factory_test": 0,
        "drifted": 0,
    }
