"""Runs that send, from the command line to the carrier and back, each on an ordinary Prefect server."""

import json
import signal
import sqlite3
import urllib.request
from base64 import b64encode
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from tests.conftest import PrefectServer
from tests.end_to_end.conftest import TOKEN, MakeDesk
from tests.end_to_end.operator_desk import FIRST, Desk, until

pytestmark = pytest.mark.timeout(300)
RUNNING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
FILES = {"plan.csv", "invalid.csv", "results.csv", "retry.csv", "report.html"}


def ledger(desk: Desk, query: str) -> list[tuple[object, ...]]:
    """What the ledger's file says, read without any of our code."""
    with closing(sqlite3.connect(desk.home / "ledger.sqlite")) as connection:
        return connection.execute(query).fetchall()


def test_an_approved_plan_is_carried_out_once(sit_down: MakeDesk, prefect_server: PrefectServer) -> None:
    desk = sit_down(Group(5), Group(3, SimStatus.SUSPENDED), Group(2, *RUNNING), Group(1))
    file = desk.file(10)
    digest = desk.run("plan", file, "--to", "activated", "--json").document()["digest"]
    done = desk.run("apply", file, "--to", "activated", "--yes", "--plan", digest, "--json", "--batch-size", "3")
    told = done.document()
    assert done.code == told["exit_code"] == 0
    assert told["digest"] == digest
    assert told["verdicts"]["in_sync"] == told["input"]["rows"] == 10
    assert told["outcomes"]["applied"] == sum(told["outcomes"].values()) == 8 + 8
    assert told["calls"]["total"] == len(ledger(desk, f"SELECT 1 FROM calls WHERE run_id = '{told['run_id']}'"))  # noqa: S608
    assert {Path(path).name for path in told["files"].values()} == FILES
    assert {path.name for path in Path(told["files"]["plan"]).parent.iterdir() if path.is_file()} == FILES
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 10, "Issued/Disabled": 1}
    assert desk.emulator.stats()["pair_violations"] == 0
    sent = desk.patches()
    assert sent == 8 + 3, "a PATCH for each SIM, one for each batch of endpoints"

    again = desk.run("apply", file, "--to", "activated", "--yes", "--json").document()
    assert again["verdicts"]["in_sync"] == 10
    assert desk.patches() == sent, "what is right already costs nothing"
    assert nothing_gives_the_token_away(desk, prefect_server)


def nothing_gives_the_token_away(desk: Desk, prefect_server: PrefectServer) -> bool:
    """Neither the application token nor a bearer token stands in any file, database or output."""
    secrets = [TOKEN.encode(), b"eyJ"]  # a bearer token is a JWT, and those begin so
    assert desk.emulator.stats()["by_route"]["POST /api/v1/authenticate"] >= 2, "there were bearer tokens"
    files = [path for folder in (desk.folder, prefect_server.home) for path in folder.rglob("*") if path.is_file()]
    assert {"ledger.sqlite", "report.html", "prefect.db", "server.log"} <= {path.name for path in files}
    found = [path for path in files for secret in secrets if secret in path.read_bytes()]
    spoken = [said for said in desk.said if TOKEN in said or "eyJ" in said]
    assert found == []
    assert spoken == []
    return True


def test_what_a_run_left_open_is_retried_alone(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(4))
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", f"/sim/{FIRST + 1}$", status=403))
    file = desk.file(4)
    file.write_text(file.read_text() + "nonsense\n")
    first = desk.run("apply", file, "--to", "activated", "--yes")
    assert first.code == 1
    assert "3 of 5 rows are in sync" in first.out
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 3, "Issued/Disabled": 1}, (
        "the endpoint went back"
    )
    [run] = json.loads(desk.run("runs", "--json").out)
    assert (run["state"], run["in_sync"], run["exit_code"]) == ("finished", 3, 1)

    desk.emulator.inject()
    before = desk.patches()
    again = desk.run("retry", run["run_id"], "--yes", "--json").document()
    assert again["input"]["rows"] == again["verdicts"]["in_sync"] == 1
    assert desk.patches() == before + 2
    assert desk.emulator.stats()["needless_sim_patches"] == 0
    left = desk.run("retry", again["run_id"], "--yes")
    assert left.code == 2
    assert "nothing open" in left.err


def test_a_plan_beyond_the_limits_needs_to_be_accepted(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(20, *RUNNING))
    file = desk.file(15)
    planned = desk.run("plan", file, "--to", "suspended", "--json")
    assert planned.code == planned.document()["exit_code"] == 3
    assert "15 of 20 Activated SIMs" in planned.document()["refusal"]
    assert desk.run("plan", file, "--to", "suspended", "--accept-large", "--change-owners", "--yes").code == 0
    assert desk.run("plan", file, "--to", "suspended", "--accept-large", "--plan", "aaaa000011112222").code == 3
    shown = desk.run("apply", file, "--to", "suspended", "--yes")
    assert shown.code == 3
    assert "15  SIMs to change" in shown.out
    assert str(desk.run_folders()[-1] / "plan.csv") in shown.out
    refused = desk.run("apply", file, "--to", "suspended", "--yes", "--json")
    assert refused.code == refused.document()["exit_code"] == 3
    assert refused.document()["verdicts"]["skipped"] == 15
    assert "15 of 20 Activated SIMs" in refused.err
    assert "--accept-large" in refused.err
    other = desk.run("apply", file, "--to", "suspended", "--yes", "--accept-large", "--plan", "0123456789abcdef")
    assert other.code == 3
    assert "0123456789abcdef" in other.err
    assert desk.patches() == 0
    assert desk.run("apply", file, "--to", "suspended", "--yes", "--accept-large").code == 0
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 5, "Suspended/Disabled": 15}


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b"\x04", b"\x03"])
def test_on_a_terminal_only_a_yes_sends(sit_down: MakeDesk, typed: bytes) -> None:
    desk = sit_down(Group(2))
    done = desk.type_at(typed, "apply", desk.file(2), "--to", "activated")
    assert done.code == 130
    said = "Activate 2 (2 newly billed), suspend 0, factory test 0 · 0 already in target state · 0 refused"
    assert done.err.count(said) == 2, "above all, and in the question"
    assert desk.patches() == 0
    [run] = json.loads(desk.run("runs", "--json").out)
    assert run["state"] == ("interrupted" if typed == b"\x03" else "declined")
    assert "Nothing was sent." in done.err
    assert "What was sent" not in done.err


def test_a_yes_on_a_terminal_sends_what_was_shown(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(2))
    done = desk.type_at(b"y\n", "apply", desk.file(2), "--to", "activated", "--json")
    assert done.code == 0
    told = done.document()
    assert told["verdicts"]["in_sync"] == 2
    assert told["digest"] in done.err
    listings = desk.emulator.stats()["by_route"]["GET /api/v1/endpoint"]
    assert listings == 3, "to plan, once more after the yes, and to look at the result"
    nothing = desk.run("reconcile", desk.file(2), "--to", "activated")
    assert nothing.code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_what_is_on_its_way_and_goes_on_later(
    sit_down: MakeDesk, number: signal.Signals
) -> None:
    desk = sit_down(Group(120), latency_s=0.05)
    file = desk.file(120)
    running = desk.start("apply", file, "--to", "activated", "--yes", "--json", SIMTANDEM_SIM_CONCURRENCY="2")
    until(lambda: desk.emulator.stats()["sim_patches"] >= 10, "SIMs are being changed")
    running.send_signal(number)
    done = desk.wait(running)
    told = done.document()
    assert done.code == told["exit_code"] == 130
    assert "Stopping" in done.err or number == signal.SIGTERM
    activated = desk.emulator.fleet.state_counts()["Activated/Enabled"]
    assert 10 <= activated < 120
    assert told["verdicts"]["in_sync"] == activated, "what was done is known"
    assert told["outcomes"]["unknown"] == 0
    assert sum(told["outcomes"].values()) == 240
    assert told["outcomes"]["held"] == 120 - activated
    assert json.loads(desk.run("runs", "--json").out)[0]["state"] == "interrupted"

    desk.emulator.configure(latency_s=0.0)
    again = desk.run("retry", told["run_id"], "--yes", "--json")
    assert again.code == 0
    assert again.document()["input"]["rows"] == 120 - activated
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 120}
    assert_nothing_was_sent_twice(desk)


def assert_nothing_was_sent_twice(desk: Desk) -> None:
    stats = desk.emulator.stats()
    assert stats["sim_patches_repeated"] == {}
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0)
    assert stats["endpoint_write_overlaps"] == 0


def test_a_killed_run_is_gone_on_with_and_its_server_goes_away(sit_down: MakeDesk, tmp_path: Path) -> None:
    desk = sit_down(Group(80), latency_s=0.05)
    (desk.home / "prefect").unlink()  # a server of its own, which nobody else keeps up
    (desk.folder / "json.py").write_text("raise SystemExit('not what was meant')")  # in the folder it is started from
    file = desk.file(80)
    running = desk.start("apply", file, "--to", "activated", "--yes", SIMTANDEM_SIM_CONCURRENCY="2")
    until(lambda: desk.emulator.stats()["sim_patches"] >= 10, "SIMs are being changed")
    running.kill()
    running.communicate()
    url = json.loads((desk.home / "prefect" / "server.json").read_text())["url"]

    [run] = json.loads(desk.run("runs", "--json").out)
    assert run["state"] == "interrupted"
    intents = ledger(desk, "SELECT path FROM calls WHERE path LIKE '/api/v1/sim/%' AND method = 'PATCH'")
    assert desk.emulator.stats()["sim_patches"] <= len(intents), "nothing was sent that is not on record"
    desk.emulator.configure(latency_s=0.0)
    done = desk.run("retry", run["run_id"], "--yes", "--json")
    assert done.code == 0
    assert done.document()["verdicts"]["in_sync"] == 80
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 80}
    assert_nothing_was_sent_twice(desk)
    assert ledger(desk, "PRAGMA integrity_check") == [("ok",)]
    answered = Counter(
        path
        for (path,) in ledger(
            desk, "SELECT path FROM calls JOIN answers USING (call_id) WHERE path LIKE '/api/v1/sim/%' AND status = 204"
        )
    )
    assert max(answered.values()) == 1, "nothing that was answered is sent again"
    until(lambda: not answers(url), "the embedded server ends by itself")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 130), (b"3\n", 0)])
def test_many_sims_are_activated_for_good_only_once_their_number_is_typed(
    sit_down: MakeDesk, typed: bytes, code: int
) -> None:
    desk = sit_down(Group(3))
    desk.variables["SIMTANDEM_CONFIRM_NEWLY_BILLED"] = "2"
    asks = b"type the number of these SIMs: "
    done = desk.type_at(typed, "apply", desk.file(3), "--to", "activated", asks=asks)
    assert done.code == code
    assert "3 SIMs would be newly billed permanently" in done.err
    assert "SIMTANDEM_MAX_NEWLY_BILLED" in done.err
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled" if code == 0 else "Issued/Disabled": 3}
    if code == 0:
        assert "SIMTANDEM_MAX_NEWLY_BILLED" in (desk.run_folders()[-1] / "report.html").read_text()


def test_accepting_a_large_plan_stands_for_typing_its_number(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(2))
    desk.variables["SIMTANDEM_CONFIRM_NEWLY_BILLED"] = "1"
    done = desk.type_at(b"y\n", "apply", desk.file(2), "--to", "activated", "--accept-large")
    assert done.code == 0


def test_what_moves_while_the_question_stands_is_not_sent(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(3))
    into_test = partial(desk.emulator.change, lambda fleet: fleet.drift_sim(FIRST, SimStatus.FACTORY_TEST))
    done = desk.type_at(b"y\n", "apply", desk.file(3), "--to", "activated", meanwhile=into_test)
    assert done.code == 1
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 2, "Factory Test/Disabled": 1}
    assert "2 of 3 rows are in sync" in done.out


def test_a_server_that_is_named_is_used_and_no_other(sit_down: MakeDesk, prefect_server: PrefectServer) -> None:
    desk = sit_down(Group(1))
    (desk.home / "prefect").unlink()
    file = desk.file(1, name="named-server.csv")
    named = {"PREFECT_API_URL": prefect_server.url, "PREFECT_API_AUTH_STRING": prefect_server.credential}
    done = desk.run("apply", file, "--to", "activated", "--yes", **named)
    assert done.code == 0
    assert not (desk.home / "prefect").exists()
    assert [run["state"]["type"] for run in flow_runs(prefect_server, "named-server.csv")] == ["COMPLETED"]

    unreachable = desk.run("apply", file, "--to", "suspended", "--yes", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert unreachable.code == 1
    assert "PREFECT_API_URL" in unreachable.err
    assert desk.patches() == 2


def flow_runs(server: PrefectServer, name: str) -> list[dict[str, dict[str, str]]]:
    """The flow runs whose name holds this."""
    body = json.dumps({"flow_runs": {"name": {"like_": name}}}).encode()
    basic = f"Basic {b64encode(server.credential.encode()).decode()}"
    headers = {"Content-Type": "application/json", "Authorization": basic}
    request = urllib.request.Request(f"{server.url}/flow_runs/filter", body, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
        found: list[dict[str, dict[str, str]]] = json.load(answer)
        return found
