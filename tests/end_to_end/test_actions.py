"""Assigning SIMs to endpoints and releasing them, as an operator does it: from a file to a report, and back."""

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.aeradmin.server import AerAdminEmulator, DeviceGroup, State
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from tests.end_to_end.aeris_desks import aeradmin_desk
from tests.end_to_end.operator_desk import FIRST, Desk, until

pytestmark = pytest.mark.timeout(300)

ENDPOINT = 20_000_001
LONE_SIMS = Group(3, SimStatus.SUSPENDED, None)
LONE_ENDPOINTS = Group(3, None, EndpointStatus.DISABLED)
PAIR = Group(1, SimStatus.ACTIVATED, EndpointStatus.ENABLED)


def write(desk: Desk, *lines: str, name: str = "actions.csv") -> Path:
    path = desk.folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def rows_of(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text("utf-8-sig").splitlines()))


def three(desk: Desk) -> Path:
    return write(desk, "action,sim_id,endpoint_id", *(f"assign,{FIRST + at},{ENDPOINT + at}" for at in range(3)))


def test_sims_are_assigned_shown_undone_and_verified(look: Callable[..., Desk]) -> None:
    desk = look(LONE_SIMS, LONE_ENDPOINTS, PAIR)
    file = three(desk)
    planned = desk.run("action", file, "--dry-run")
    assert planned.code == 0
    assert "3 SIMs will be assigned to an endpoint." in planned.out
    assert desk.patches() == 0

    digest = desk.run("action", file, "--dry-run", "--json").document()["digest"]
    done = desk.run("action", file, "--yes", "--plan", digest, "--json", "--quiet")
    told = done.document()
    assert done.code == told["exit_code"] == 0, done.err
    assert told["plan"]["actions"] == {"assign": 3, "release": 0, "reset_connectivity": 0, "register_batch": 0}
    assert (told["outcomes"]["applied"], told["verdicts"]["in_sync"], told["plan"]["devices"]) == (3, 3, 3)
    fleet = desk.emulator.fleet
    assert [fleet.sims[FIRST + at].endpoint_id for at in range(3)] == [ENDPOINT + at for at in range(3)]
    results = rows_of(told["files"]["results"])
    assert {(each["before"], each["after"]) for each in results} == {("Suspended+no endpoint", "Suspended+Disabled")}

    again = desk.run("action", file, "--yes", "--json").document()
    assert (again["plan"]["unchanged"], again["verdicts"]["in_sync"], again["exit_code"]) == (3, 3, 0)

    run = told["run_id"]
    undone = desk.run("undo", run, "--yes", "--json").document()
    assert (undone["verdicts"]["in_sync"], undone["exit_code"]) == (3, 0)
    assert [fleet.sims[FIRST + at].endpoint_id for at in range(3)] == [None] * 3
    back = desk.run("undo", undone["run_id"], "--yes", "--json").document()
    assert back["verdicts"]["in_sync"] == 3
    assert fleet.sims[FIRST].endpoint_id == ENDPOINT

    assert desk.run("verify").code == 0
    assert "action" in desk.run("runs").out
    page = desk.run("report", run)
    assert page.code == 0
    assert "assign" in Path(page.out.strip()).read_text()


def test_what_may_not_be_done_is_refused_row_by_row(look: Callable[..., Desk]) -> None:
    desk = look(
        Group(1, SimStatus.FACTORY_TEST, None),
        PAIR,
        Group(2, None, EndpointStatus.ENABLED),
        Group(1, SimStatus.ISSUED, None),
        Group(1, SimStatus.SUSPENDED, None),
    )
    endpoints = sorted(desk.emulator.fleet.endpoints)
    paired, free, other = endpoints
    sims = {sim.status: sim.id for sim in desk.emulator.fleet.sims.values()}
    file = write(
        desk,
        "Action,SIM ID,Endpoint ID,ICCID",
        f"assign,{sims[SimStatus.FACTORY_TEST]},{free},",
        f"assign,{sims[SimStatus.ACTIVATED]},{free},",
        f"assign,{sims[SimStatus.ISSUED]},{paired},",
        f"assign,{sims[SimStatus.SUSPENDED]},{other},",
        f"assign,,{free},",
        f"delete,{sims[SimStatus.ISSUED]},,",
        "assign,99,98,",
    )
    done = desk.run("action", file, "--yes", "--json")
    told = done.document()
    rows = {int(each["row"]): each for each in rows_of(told["files"]["results"])}
    assert done.code == 1
    assert "Factory Test" in rows[2]["reason"]
    assert f"assigned to endpoint {paired}; release it there first" in rows[3]["reason"]
    assert "release that one first" in rows[4]["reason"]
    assert (rows[5]["verdict"], rows[6]["verdict"], rows[7]["verdict"]) == ("in_sync", "invalid", "invalid")
    assert "simtandem deletes nothing" in rows[7]["reason"]
    assert "the carrier has no SIM 99" in rows[8]["reason"]
    assert sum(told["verdicts"].values()) == told["input"]["rows"] == 7
    assert desk.emulator.fleet.sims[sims[SimStatus.FACTORY_TEST]].status is SimStatus.FACTORY_TEST


def test_a_charged_sim_is_released_only_where_that_is_accepted(look: Callable[..., Desk]) -> None:
    desk = look(PAIR)
    assert desk.run("apply", desk.file(1), "--to", "activated", "--yes").code == 0
    file = write(desk, "sim_id", str(FIRST))
    refused = desk.run("action", file, "--do", "release", "--yes")
    assert refused.code == 3
    assert "1 SIM would stay charged without an endpoint" in refused.err
    assert desk.patches() == 0
    done = desk.run("action", file, "--do", "release", "--yes", "--accept-large", "--json")
    assert done.code == 0, done.err
    assert desk.emulator.fleet.sims[FIRST].endpoint_id is None
    assert "charged for nothing" in rows_of(done.document()["files"]["results"])[0]["reason"]
    findings = desk.run("audit", "--json").document()["findings"]
    assert (findings["sim_without_endpoint"], findings["drifted"]) == (1, 0), "the release is simtandem's own"
    shown = desk.run("show", FIRST, "--json").document()["history"]
    assert [(each["kind"], each["action"], each["verdict"], each["finding"]) for each in shown] == [
        ("apply", None, "in_sync", None),
        ("action", "release", "skipped", None),
        ("action", "release", "in_sync", None),
        ("audit", None, None, "sim_without_endpoint"),
        ("audit", None, None, "endpoint_without_sim"),
    ]
    assert f"action release, row 2 of {file.name}" in desk.run("show", FIRST).out


@pytest.mark.parametrize("processed", [True, False])
def test_an_unanswered_call_is_read_back_before_it_is_sent_again(look: Callable[..., Desk], processed: bool) -> None:
    desk = look(LONE_SIMS, LONE_ENDPOINTS)
    desk.emulator.inject(FaultRule(FaultKind.CLOSE, "PATCH", times=1, processed=processed))
    done = desk.run("action", three(desk), "--yes", "--json")
    assert done.code == 0, done.err
    fleet = desk.emulator.fleet
    assert [fleet.sims[FIRST + at].endpoint_id for at in range(3)] == [ENDPOINT + at for at in range(3)]
    assigned = [event for event in fleet.events if event.kind == 51]
    assert len(assigned) == 3


def test_a_killed_run_is_taken_up_by_the_next_one(look: Callable[..., Desk]) -> None:
    desk = look(Group(40, SimStatus.SUSPENDED, None), Group(40, None, EndpointStatus.DISABLED), latency_s=0.05)
    lines = [f"{FIRST + at},{ENDPOINT + at}" for at in range(40)]
    file = write(desk, "sim_id,endpoint_id", *lines)
    running = desk.start("action", file, "--do", "assign", "--yes")
    until(lambda: desk.patches() >= 5, "five calls")
    running.kill()
    running.communicate(timeout=30)
    (killed,) = json.loads(desk.run("runs", "--json").out)
    assert killed["state"] == "interrupted"

    shown = desk.run("report", killed["run_id"], "--json").document()
    assert shown["verdicts"]["in_sync"] >= 4
    assert f"simtandem action {file} --do assign" in shown["next"]
    refused = desk.run("retry", killed["run_id"], "--yes")
    assert refused.code == 2
    assert f"simtandem action {file} --do assign" in refused.err, "it was killed before it wrote a retry.csv"

    again = desk.run("action", file, "--do", "assign", "--yes", "--json")
    assert again.code == 0, again.err
    assert again.document()["verdicts"]["in_sync"] == 40
    assert again.document()["plan"]["unchanged"] >= 5
    assigned = [event.sim_id for event in desk.emulator.fleet.events if event.kind == 51]
    assert sorted(assigned) == [FIRST + at for at in range(40)]

    undone = desk.run("undo", killed["run_id"], "--yes", "--json").document()
    assert undone["verdicts"]["in_sync"] == undone["input"]["rows"] >= 5
    assert desk.run("verify").code == 0


def test_a_carrier_without_actions_says_so_in_a_sentence(tmp_path: Path) -> None:
    with AerAdminEmulator([DeviceGroup(3, (State.ACTIVE_BILLED,))]) as emulator:
        desk = aeradmin_desk(tmp_path / "desk", emulator, None)
        done = desk.run("action", three(desk), "--yes")
    assert done.code == 2
    assert "its interface offers nothing that simtandem knows for SIM actions. Nothing was sent." in done.err


def test_an_audit_lists_the_endpoints_without_a_sim_to_be_filled_in(look: Callable[..., Desk]) -> None:
    desk = look(LONE_SIMS, LONE_ENDPOINTS, PAIR)
    shown = desk.run("audit")
    assert "endpoints without a SIM: fill in a SIM for each, then simtandem action" in shown.out
    files = desk.run("audit", "--json").document()["files"]
    template = Path(files["assign"])
    untouched = desk.run("action", template, "--yes")
    assert untouched.code == 2
    assert "an assignment names the endpoint by its endpoint_id, and the SIM by its sim_id or iccid" in untouched.err
    lines = template.read_text("utf-8-sig").splitlines()
    assert lines[0] == "action,iccid,sim_id,endpoint_id"
    template.write_text("\n".join([lines[0], lines[1].replace("assign,,", f"assign,,{FIRST}"), *lines[2:]]) + "\n")
    filled = desk.run("action", template, "--yes", "--json").document()
    assert (filled["verdicts"]["in_sync"], filled["verdicts"]["invalid"]) == (1, 2)
    assert desk.run("audit", "--json").document()["findings"]["endpoint_without_sim"] == 2


BATCH = Group(5, SimStatus.ISSUED, None, bic="AB-12")


@pytest.mark.parametrize("processed", [True, False])
def test_a_batch_is_registered_once_whether_its_call_is_answered_or_not(
    look: Callable[..., Desk], processed: bool
) -> None:
    desk = look(BATCH, PAIR)
    planned = desk.run("register-batch", "AB-12", "--dry-run")
    assert "1 batch of 5 SIMs will be registered." in planned.out
    assert "  for batch AB-12" in planned.out
    assert re.search(r"register batch +batch AB-12 +not registered → registered", planned.out)
    assert re.search(r"\b1 +action to send", planned.out)
    assert "None" not in planned.out
    assert "in the file" not in planned.out
    assert desk.patches() == 0
    desk.emulator.inject(FaultRule(FaultKind.CLOSE, "PATCH", times=1, processed=processed))
    done = desk.run("register-batch", "AB-12", "NO-SUCH", "--yes", "--json")
    told = done.document()
    assert done.code == 1
    assert (told["verdicts"]["in_sync"], told["verdicts"]["refused"]) == (1, 1)
    assert told["plan"]["sim_changes"] == 5
    registered = [event for event in desk.emulator.fleet.events if event.kind == 48]
    assert len(registered) == 1
    first, second = rows_of(told["files"]["results"])
    assert (first["bic"], first["before"], first["after"]) == ("AB-12", "not registered", "registered")
    assert second["reason"]

    again = desk.run("register-batch", "AB-12", "--yes", "--json").document()
    assert (again["plan"]["unchanged"], again["exit_code"]) == (1, 0)
    undone = desk.run("undo", told["run_id"], "--yes")
    assert undone.code == 2
    assert "1 can't be undone: a registered batch stays in the workspace." in undone.err
    assert desk.run("verify").code == 0


def test_the_plan_of_a_batch_names_the_command_that_registers_it(look: Callable[..., Desk]) -> None:
    desk = look(BATCH)
    planned = desk.run("register-batch", "AB-12", "NO-SUCH", "--to", "activated", "--accept-large", "--dry-run")
    assert planned.code == 1
    assert "(batch NO-SUCH)" in planned.out
    assert "row 3" not in planned.out
    _, _, command = planned.out.rpartition("To send these actions: simtandem ")
    done = desk.run(*shlex.split(command), "--yes", "--json")
    assert "--plan" in command
    assert done.document()["verdicts"]["in_sync"] == 1
    assert {sim.status for sim in desk.emulator.fleet.sims.values()} == {SimStatus.ACTIVATED}


def test_a_batch_that_charges_more_sims_than_allowed_is_refused(look: Callable[..., Desk]) -> None:
    desk = look(BATCH)
    limit = {"SIMTANDEM_MAX_NEWLY_BILLED": "4"}
    refused = desk.run("register-batch", "AB-12", "--to", "activated", "--yes", **limit)
    assert refused.code == 3
    assert "5 SIMs would be newly billed (limit 4)." in refused.err
    assert desk.patches() == 0
    file = write(desk, "action,bic,status", "register batch,AB-12,Activated", "register batch,../x,")
    done = desk.run("action", file, "--yes", "--accept-large", "--json", **limit)
    assert done.document()["plan"]["newly_billed"] == 5
    assert done.document()["verdicts"]["invalid"] == 1
    assert {sim.status for sim in desk.emulator.fleet.sims.values()} == {SimStatus.ACTIVATED}


def test_connectivity_is_reset_where_that_activates_nothing(look: Callable[..., Desk]) -> None:
    desk = look(
        PAIR,
        Group(1, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),
        Group(1, SimStatus.SUSPENDED, EndpointStatus.DISABLED),
    )
    file = write(desk, "sim_id", *(str(FIRST + at) for at in range(3)))
    done = desk.run("action", file, "--do", "reset-connectivity", "--yes", "--json")
    told = done.document()
    assert done.code == 1
    assert (told["verdicts"]["in_sync"], told["verdicts"]["refused"]) == (1, 2)
    reasons = [each["reason"] for each in rows_of(told["files"]["results"])]
    assert "makes the carrier activate it" in reasons[1]
    assert "can't attach" in reasons[2]
    resets = [event.endpoint_id for event in desk.emulator.fleet.events if event.kind == 68]
    assert resets == [ENDPOINT]
    assert desk.emulator.fleet.sims[FIRST + 1].status is SimStatus.FACTORY_TEST
    assert "leaves nothing to take back" in desk.run("undo", told["run_id"], "--yes").err


@pytest.mark.parametrize("processed", [True, False])
def test_a_reset_without_an_answer_is_never_sent_again_silently(look: Callable[..., Desk], processed: bool) -> None:
    desk = look(PAIR)
    desk.emulator.inject(FaultRule(FaultKind.CLOSE, "PATCH", times=1, processed=processed))
    file = write(desk, "endpoint_id", str(ENDPOINT))
    done = desk.run("action", file, "--do", "reset", "--yes", "--json")
    told = done.document()
    assert desk.patches() == 1
    assert told["outcomes"]["unknown"] == 1
    assert told["verdicts"]["in_sync" if processed else "unknown"] == 1
    assert rows_of(told["files"]["retry"]) == []

    again = desk.run("action", file, "--do", "reset", "--yes", "--json").document()
    assert desk.patches() == 1
    assert again["plan"]["unchanged" if processed else "refused"] == 1
    meant = desk.run("action", file, "--do", "reset", "--yes", "--again", "--json").document()
    assert desk.patches() == 2
    assert meant["exit_code"] == 0


def test_a_killed_run_of_resets_is_continued_without_repeating_any(look: Callable[..., Desk]) -> None:
    desk = look(Group(30, SimStatus.ACTIVATED, EndpointStatus.ENABLED), latency_s=0.05)
    file = write(desk, "sim_id", *(str(FIRST + at) for at in range(30)))
    running = desk.start("action", file, "--do", "reset", "--yes")
    until(lambda: desk.patches() >= 5, "five resets")
    running.kill()
    running.communicate(timeout=30)
    again = desk.run("action", file, "--do", "reset", "--yes", "--json").document()
    assert again["plan"]["unchanged"] >= 4
    assert again["verdicts"]["refused"] <= 1  # a call that was recorded, and perhaps never left
    assert again["verdicts"]["in_sync"] + again["verdicts"]["refused"] == 30
    resets = [event.endpoint_id for event in desk.emulator.fleet.events if event.kind == 68]
    assert len(resets) == len(set(resets)) == again["verdicts"]["in_sync"]
