"""SIM actions from several files as one run: each row says where it is, and keeps the operator's own columns."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.emulator.faults import FaultKind, FaultRule
from tests.end_to_end.operator_desk import FIRST, Desk
from tests.end_to_end.test_actions import ENDPOINT, LONE_ENDPOINTS, LONE_SIMS, rows_of, write

pytestmark = pytest.mark.timeout(300)


def test_several_files_are_one_run_and_own_columns_stay_beside_their_rows(look: Callable[..., Desk]) -> None:
    desk = look(LONE_SIMS, LONE_ENDPOINTS)
    files = [
        write(desk, "action,sim_id,endpoint_id,Site", f"assign,{FIRST},{ENDPOINT},Depot 7", name="a.csv"),
        write(
            desk,
            "sim_id;endpoint_id;outcome",
            f"{FIRST + 1};{ENDPOINT + 1};",
            f"{FIRST};{ENDPOINT};twice",
            f"{FIRST + 2};{ENDPOINT + 1};",
            "x;1;",
            name="b.csv",
        ),
    ]
    pattern = desk.folder / "[ab].csv"
    planned = desk.run("action", pattern, "--do", "assign", "--dry-run")
    assert "1 SIM will be assigned to an endpoint; 2 refused; 1 invalid." in planned.out
    assert "for a.csv, b.csv" in planned.out
    assert "(b.csv row 2: SIM " in " ".join(planned.out.split())
    assert "(b.csv row 5: sim_id 'x')" in " ".join(planned.out.split())
    command = planned.out.rpartition("To send these actions: simtandem ")[2]
    assert f"action {files[0]} {files[1]} --do assign" in command

    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", status=403, times=1))
    done = desk.run(*shlex.split(command), "--yes", "--json")
    desk.emulator.inject()
    told = done.document()
    assert told["input"]["file"] == "a.csv, b.csv"
    assert "retry.csv" in told["next"]
    results = rows_of(told["files"]["results"])
    assert [(each["row"], each["file"], each["file_row"], each["Site"]) for each in results] == [
        ("2", "a.csv", "2", "Depot 7"),
        ("4", "b.csv", "2", ""),
        ("5", "b.csv", "3", ""),
        ("6", "b.csv", "4", ""),
        ("7", "b.csv", "5", ""),
    ]
    assert [each["verdict"] for each in results] == ["failed", "refused", "failed", "refused", "invalid"]
    assert (results[2]["reason"], results[2]["input_outcome"]) == (
        "same action and device as a.csv row 2; sent once",
        "twice",
    )
    assert results[1]["reason"] == "b.csv row 4 asks for something else of the same SIM or endpoint"
    assert rows_of(told["files"]["invalid"])[0]["file_row"] == "5"
    assert "Depot 7" in Path(told["files"]["report"]).read_text()
    (retry,) = rows_of(told["files"]["retry"])
    assert (retry["sim_id"], retry["file"], retry["file_row"], retry["Site"]) == (str(FIRST), "a.csv", "2", "Depot 7")

    again = desk.run("action", *reversed(files), "--do", "assign", "--yes", "--json").document()
    assert again["verdicts"]["in_sync"] == 2
    assert again["input"]["sha256"] == told["input"]["sha256"]
    undone = desk.run("undo", again["run_id"], "--yes", "--json").document()
    assert [(each["file"], each["Site"]) for each in rows_of(undone["files"]["results"])] == [("a.csv", "Depot 7")]
    assert desk.run("verify").code == 0
