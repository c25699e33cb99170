"""Several files and patterns as one list, from the command to the record."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from simtandem.emulator.seeding import Group
from tests.end_to_end.operator_desk import COMMAND, FIRST, Desk

pytestmark = pytest.mark.timeout(300)


def workbook(path: Path, *rows: tuple[object, ...]) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("SIMs")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)


def test_files_of_every_kind_are_planned_and_applied_as_one_list(sit_down: Callable[..., Desk]) -> None:
    desk = sit_down(Group(6))
    (desk.folder / "more").mkdir()
    (desk.folder / "a.csv").write_text(f"sim_id,status,Site\n{FIRST},activated,Depot 7\n{FIRST + 1},activated,\n")
    workbook(desk.folder / "b.xlsx", ("sim_id", "status"), (FIRST + 2, "activated"), (FIRST, "activated"), ("x", ""))
    packed = f"sim_id;status\n{FIRST + 3};activated\n{FIRST + 1};suspended\n".encode()
    (desk.folder / "more" / "c.csv.gz").write_bytes(gzip.compress(packed))
    named = ["a.csv", "b.xlsx", "more/*.csv.gz"]

    planned = desk.run("plan", *named)
    assert planned.code == 1, "rows are invalid"
    out = " ".join(planned.out.split())
    assert "for a.csv, b.xlsx, c.csv.gz Activate 3 (3 newly billed)" in out
    assert "7 rows in the files" in out
    assert "changed once with it: 1 (b.xlsx row 3 repeats a.csv row 2)." in out
    assert "(a.csv row 3: status 'activated')" in out
    assert "(b.xlsx row 4: sim_id 'x')" in out
    command = planned.out.splitlines()[-1].partition(": ")[2]
    assert command.startswith("simtandem apply a.csv b.xlsx 'more/*.csv.gz' --plan ")

    digest = command.rpartition(" ")[2]
    done = desk.run("apply", *reversed(named), "--plan", digest, "--yes", "--json")
    told = done.document()
    assert told["verdicts"]["in_sync"] == 4, "the repeated row, too"
    results = Path(told["files"]["results"]).read_text("utf-8-sig").splitlines()
    assert results[0].endswith(",file,file_row,Site")
    assert [line.rpartition("error")[2].split(",")[-3:] for line in results[1:3]] == [
        ["a.csv", "2", "Depot 7"],
        ["a.csv", "3", ""],
    ]
    assert told["run_id"] in desk.run("runs", "--file", "c.csv").out


def test_a_pattern_without_a_match_and_a_list_from_standard_input(look: Callable[..., Desk]) -> None:
    desk = look(Group(2))
    missing = desk.run("plan", "less/*.csv", "--to", "activated")
    assert (missing.code, missing.out) == (2, "")
    assert "less/*.csv: no file matches this pattern." in missing.err
    (desk.folder / "a.csv").write_text(f"sim_id\n{FIRST}\n")
    piped = subprocess.run(
        [COMMAND, "plan", "a.csv", "-", "--to", "activated", "--quiet"],
        input=f"sim_id\n{FIRST + 1}\n",
        env=desk.variables,
        cwd=desk.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "for stdin, a.csv" in piped.stdout
    assert "Activate 2" in piped.stdout
