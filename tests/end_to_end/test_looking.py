"""Commands that send nothing, and what keeps the others from sending."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from tests.end_to_end.operator_desk import COMMAND, FIRST, PATIENCE_S, Desk

pytestmark = pytest.mark.timeout(300)
RUNNING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
Look = Callable[..., Desk]


def test_a_plan_shows_and_writes_what_would_be_sent_and_sends_nothing(look: Look) -> None:
    desk = look(Group(4), Group(2, *RUNNING))
    done = desk.run("plan", desk.file(6), "--to", "activated", "--json")
    told = done.document()
    assert done.code == told["exit_code"] == 0
    keys = ["run_id", "carrier", "digest", "exit_code", "schema", "account", "input", "plan", "outcomes", "verdicts"]
    assert list(told)[: len(keys)] == keys
    assert {"calls", "seconds", "files"} <= set(told)
    assert set(told["plan"]) >= {"devices", "sim_changes", "endpoint_changes", "unchanged", "refused", "calls"}
    assert (told["plan"]["sim_changes"], told["plan"]["unchanged"], told["plan"]["newly_billed"]) == (4, 2, 4)
    [folder] = desk.run_folders()
    assert folder.name == told["run_id"]
    lines = (folder / "plan.csv").read_text(encoding="utf-8-sig").splitlines()
    heading = "row,sim_id,iccid,endpoint_id,sim_before,endpoint_before,sim_after,endpoint_after,steps,reason"
    assert lines[0] == heading
    assert len(lines) == 7
    assert desk.patches() == 0
    assert not (desk.home / "prefect").exists()


def test_the_plan_for_a_person_names_counts_and_files(look: Look) -> None:
    desk = look(Group(2), Group(1, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED))
    done = desk.run("plan", desk.file(3), "--to", "suspended")
    assert done.code == 1, "rows are refused"
    assert "suspend 0, factory test 0 · 0 already in target state · 3 refused" in done.out
    assert "(row 2: SIM 10000001)" in done.out
    assert "plan.csv" in done.out
    assert "To apply this plan" not in done.out, "it has no changes"
    assert "listing the fleet" in done.err


def test_a_plan_says_what_it_will_do_in_one_sentence_with_the_money(look: Look) -> None:
    desk = look(Group(3), Group(2, *RUNNING))
    desk.variables |= {"SIMTANDEM_MONTHLY_RATE": "0.45", "SIMTANDEM_CURRENCY": "EUR"}
    says = "Activate 3 (3 newly billed, about 1.35 EUR a month), suspend 0, factory test 0"
    says += " · 2 already in target state · 0 refused"
    assert says in desk.run("plan", desk.file(5), "--to", "activated").out
    plan = desk.run("plan", desk.file(5), "--to", "activated", "--json").document()["plan"]
    assert plan["summary"] == says
    assert plan["changes"] == {"activated": 3, "suspended": 0, "factory_test": 0}
    assert (plan["monthly_cost"], plan["currency"]) == (1.35, "EUR")


def test_the_last_line_of_a_plan_is_the_command_that_applies_exactly_it(look: Look) -> None:
    desk = look(Group(3))
    desk.file(3, name="depot 7.csv")
    done = desk.run("plan", "depot 7.csv", "--to", "activated", "--batch-size", "2")
    said, command = done.out.splitlines()[-1].split(": ", 1)
    assert said == "  To apply this plan"
    digest = done.out.split("Plan ", 1)[1].split()[0]
    assert command == f"simtandem apply 'depot 7.csv' --to activated --batch-size 2 --plan {digest}"
    refused = desk.run("plan", "depot 7.csv", "--to", "activated", SIMTANDEM_MAX_NEWLY_BILLED="1")
    assert refused.code == 3
    assert "To apply this plan" not in refused.out, "what is missing stands in the refusal"


def test_a_dash_reads_the_list_from_standard_input(look: Look) -> None:
    desk = look(Group(3))
    file = desk.file(3)

    def given(*words: str) -> str:
        with file.open() as devices:
            return subprocess.run(
                [COMMAND, *words],
                env=desk.variables,
                stdin=devices,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=True,
            ).stdout

    planned = given("plan", "-", "--to", "activated")
    assert "Activate 3 (3 newly billed)" in planned
    said, command = planned.splitlines()[-1].split(": ", 1)
    assert said == "  To apply this plan, with the same list on standard input"
    assert "3 of 3 rows are in sync." in given(*shlex.split(command)[1:])


def test_quiet_leaves_only_the_result(look: Look) -> None:
    desk = look(Group(1))
    assert desk.run("plan", desk.file(1), "--to", "activated", "--quiet").err == ""


def test_a_plan_has_the_same_digest_until_something_in_it_changes(look: Look) -> None:
    desk = look(Group(3))
    file = desk.file(2)
    first, second = (desk.run("plan", file, "--to", "activated", "--json").document()["digest"] for _ in range(2))
    desk.emulator.change(lambda fleet: fleet.drift_sim(FIRST + 1, SimStatus.ACTIVATED))
    third = desk.run("plan", file, "--to", "activated", "--json").document()["digest"]
    assert first == second != third


@pytest.mark.parametrize(("to", "code"), [("activated", 0), ("suspended", 1)])
def test_reconcile_says_whether_anything_differs(look: Look, to: str, code: int) -> None:
    desk = look(Group(3, *RUNNING))
    done = desk.run("reconcile", desk.file(3), "--to", to, "--json")
    told = done.document()
    assert done.code == told["exit_code"] == code
    assert sum(told["verdicts"].values()) == 3
    assert (told["verdicts"]["in_sync"] == 3) == (code == 0)
    assert desk.patches() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plan", "nowhere.csv", "--to", "activated"], "no such file"),
        (["plan", "devices.csv"], "status"),
        (["plan", "devices.csv", "--to", "paused"], "--to paused"),
        (["plan", "devices.csv", "--colour", "red"], "--colour"),
        (["plan"], "FILE"),
        (["apply", "devices.csv", "--to", "activated", "--yes", "--batch-size", "2001"], "--batch-size"),
        (["apply", "devices.csv", "--to", "activated"], "--yes"),
        (["report", "20200101"], "no run"),
        (["retry", "20200101", "--yes"], "no run"),
        (["dance"], "dance"),
    ],
)
def test_what_can_not_be_used_is_told_and_exits_2(look: Look, arguments: list[str], says: str) -> None:
    desk = look(Group(1))
    desk.file(1)
    done = desk.run(*arguments)
    assert done.code == 2
    assert says in done.err
    assert done.out == ""
    assert desk.emulator.stats()["calls"] == 0


def test_without_a_token_nothing_is_tried(look: Look) -> None:
    desk = look(Group(1))
    for command in (["plan"], ["apply", "--yes"], ["reconcile"]):
        done = desk.run(command[0], desk.file(1), "--to", "activated", *command[1:], SIMTANDEM_EMNIFY_TOKEN=None)
        assert done.code == 2
        assert "SIMTANDEM_EMNIFY_TOKEN" in done.err
    assert desk.emulator.stats()["calls"] == 0


def test_a_setting_that_can_not_be_used_is_named(look: Look) -> None:
    desk = look(Group(1))
    done = desk.run("plan", desk.file(1), "--to", "activated", SIMTANDEM_CALLS="many")
    assert done.code == 2
    assert "SIMTANDEM_CALLS" in done.err


def test_an_error_is_one_json_document_as_well(look: Look) -> None:
    desk = look(Group(1))
    done = desk.run("plan", "nowhere.csv", "--to", "activated", "--json")
    told = done.document()
    assert done.code == told["exit_code"] == 2
    assert told["error"] == "InputError"


def test_a_carrier_that_does_not_let_us_in_exits_4_and_hides_the_token(look: Look) -> None:
    desk = look(Group(1))
    done = desk.run("plan", desk.file(1), "--to", "activated", "--json", SIMTANDEM_EMNIFY_TOKEN="wrong-hush-token")
    assert done.code == done.document()["exit_code"] == 4
    assert "wrong-hush-token" not in done.out + done.err
    assert desk.emulator.stats()["by_route"] == {"POST /api/v1/authenticate": 1}, "three failures lock the account"
    [run] = json.loads(desk.run("runs", "--json").out)
    assert run["state"] == "failed"


def test_runs_are_listed_newest_first(look: Look) -> None:
    desk = look(Group(2, *RUNNING))
    assert "No runs yet" in desk.run("runs").out
    first = desk.run("plan", desk.file(1), "--to", "activated", "--json").document()["run_id"]
    second = desk.run("reconcile", desk.file(2), "--to", "activated", "--json").document()["run_id"]
    listed = json.loads(desk.run("runs", "--json").out)
    assert [run["run_id"] for run in listed] == [second, first]
    assert [(run["kind"], run["state"], run["rows"]) for run in listed] == [
        ("reconcile", "finished", 2),
        ("plan", "finished", 1),
    ]
    shown = desk.run("runs", "--limit", "1").out
    assert second in shown
    assert first not in shown


def test_a_report_is_written_again_from_the_ledger_alone(look: Look) -> None:
    desk = look(Group(2, *RUNNING))
    told = desk.run("reconcile", desk.file(2), "--to", "activated", "--json").document()
    [folder] = desk.run_folders()
    for path in [*folder.glob("work/*"), *folder.glob("*.*")]:
        path.unlink()
    done = desk.run("report", told["run_id"][:16])
    assert done.code == 0
    assert done.out.strip() == str(folder / "report.html")
    assert told["run_id"] in (folder / "report.html").read_text()
    assert desk.run("report", told["run_id"], "--json").document() == told


def test_a_plan_has_nothing_to_report_or_to_retry(look: Look) -> None:
    desk = look(Group(1))
    run_id = desk.run("plan", desk.file(1), "--to", "activated", "--json").document()["run_id"]
    for command in (["report", run_id], ["retry", run_id, "--yes"]):
        done = desk.run(*command)
        assert done.code == 2
        assert run_id in done.err


def test_prefect_is_not_imported_where_it_is_not_needed(look: Look) -> None:
    desk = look(Group(1))
    desk.file(1)
    for arguments in (["reconcile", "devices.csv", "--to", "activated"], ["report", "latest"], ["runs"]):
        assert "prefect" not in modules_after(desk, arguments), arguments


def test_neither_prefect_nor_the_carrier_is_imported_for_help(look: Look) -> None:
    assert not {"polars", "httpx", "sqlalchemy", "prefect"} & modules_after(look(), ["--help"])


def test_a_plan_imports_neither_prefect_nor_tools_of_tests(look: Look) -> None:
    desk = look(Group(1))
    loaded = modules_after(desk, ["plan", str(desk.file(1)), "--to", "activated"])
    assert "pandera.backends.polars.builtin_checks" in loaded, "the checks that would import Hypothesis did run"
    assert not {name for name in loaded if name.split(".")[0] in {"prefect", "pytest"} or "hypothesis." in name}


def modules_after(desk: Desk, arguments: list[str]) -> set[str]:
    """What a command had imported when it ended well."""
    program = (
        "import json, sys\nfrom simtandem.cli import app\napp.leave = sys.exit\n"
        "try:\n    app.main()\nexcept SystemExit as end:\n"
        "    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=desk.variables,
        cwd=desk.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in (0, 1)
    return set(modules)


def test_the_emulator_is_a_carrier_until_ctrl_c(look: Look) -> None:
    desk = look()
    running = subprocess.Popen(
        [COMMAND, "emulator", "--port", "0", "--devices", "30"], env=desk.variables, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    settings: dict[str, str] = {}
    while len(settings) < 2:
        line = running.stdout.readline()
        assert line, "it ended before it said how to reach it"
        if "export " in line:
            name, _, value = line.split("export ")[1].strip().partition("=")
            settings[name] = value
    done = desk.run("plan", desk.file(10), "--to", "activated", "--json", **settings)
    running.send_signal(signal.SIGINT)
    assert done.document()["plan"]["devices"] == 10
    assert running.wait(PATIENCE_S) == 0
    running.stdout.close()


def test_a_port_in_use_is_told(look: Look) -> None:
    desk = look()
    port = desk.emulator.url.rsplit(":", 1)[1]
    done = desk.run("emulator", "--port", port)
    assert done.code == 2
    assert port in done.err


def test_only_the_fields_that_are_named_are_printed_as_json(look: Look) -> None:
    desk = look(Group(2, *RUNNING))
    desk.run("reconcile", desk.file(2), "--to", "activated")
    assert json.loads(desk.run("runs", "--json", "kind,rows").out) == [{"kind": "reconcile", "rows": 2}]
    assert json.loads(desk.run("show", str(FIRST), "--json", "verdict,row").out) == [{"verdict": "in_sync", "row": 2}]
    assert json.loads(desk.run("show", "--json", str(FIRST)).out)["device"]["sim_id"] == [str(FIRST)]
    wrong = desk.run("runs", "--json", "colour")
    assert (wrong.code, "There are run_id" in wrong.err) == (2, True)


def test_what_each_status_would_do_to_a_device_now(look: Look) -> None:
    desk = look(Group(2))
    unknown = desk.run("show", f"sim_id={FIRST}", "--now")
    assert unknown.code == 0, unknown.err
    assert f"SIM {FIRST}" in unknown.out
    assert "Now: Issued+Disabled" in unknown.out
    assert "  activated: Issued+Disabled → Activated+Enabled, newly billed\n" in unknown.out
    assert "  suspended: refused: " in unknown.out
    told = desk.run("show", f"sim_id={FIRST}", "--now", "--json").document()
    assert [(each["goal"], each["action"]) for each in told["now"]] == [
        ("activated", "change"),
        ("suspended", "refused"),
        ("factory_test", "change"),
    ]
    assert desk.patches() == 0
    gone = desk.run("show", "sim_id=10999999", "--now")
    assert "Now: not in the carrier's inventory" in gone.out
    either = desk.run("show", "10999999", "--now")
    assert (either.code, "Write sim_id=10999999 or endpoint_id=10999999" in either.err) == (2, True)
