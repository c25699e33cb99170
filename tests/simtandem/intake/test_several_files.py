"""Several files that are one list: every sentence about a row names its file and the row there."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
import xlsxwriter

from schemas import own_columns
from schemas.own_columns import Places
from schemas.statuses import Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.errors import InputError
from simtandem.intake import Bounds, Intake, ListFile, Reading, read_lists

A = "sim_id,status,Site\n1,activated,Depot 7\n\n2,suspended,\n"
_BOUNDS = Bounds()


def read(folder: Path, files: Mapping[str, bytes | str], to: Target | None = None, bounds: Bounds = _BOUNDS) -> Intake:
    for name, data in files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_lists([ListFile(folder / name, name) for name in files], to, Reading(bounds), lifecycle=EMNIFY)


def test_every_file_is_read_in_its_own_dialect_and_rows_say_where_they_are(tmp_path: Path) -> None:
    b = "SIM ID;Status;site;Kunde\r\n3;activated;Köln;Müller\r\n".encode("cp1252")
    intake = read(
        tmp_path,
        {"a.csv": A, "b.csv": b, "c.csv.gz": gzip.compress(b"iccid\tstatus\n8988303000010000001\tactivated\n")},
    )
    assert intake.file == "a.csv, b.csv, c.csv.gz"
    assert intake.devices.select("row", "sim_id", "desired").rows() == [
        (2, "1", "activated"),
        (4, "2", "suspended"),
        (6, "3", "activated"),
        (8, None, "activated"),
    ]
    assert intake.own.columns == ["row", "file", "file_row", "Site", "Kunde"]
    assert intake.own.rows() == [
        (2, "a.csv", "2", "Depot 7", None),
        (4, "a.csv", "4", None, None),
        (6, "b.csv", "2", "Köln", "Müller"),
        (8, "c.csv.gz", "2", None, None),
    ]
    assert "b.csv: The file is not UTF-8; it was read as cp1252." in intake.notes
    assert "c.csv.gz: The columns are separated by tab." in intake.notes


def test_the_same_wish_in_two_files_is_sent_once_and_another_one_is_invalid_in_both(tmp_path: Path) -> None:
    b = "status;sim_id\nactivated;1\nactivated;2\nx;9\n"
    intake = read(tmp_path, {"a.csv": A, "b.csv": b})
    assert intake.repeats.rows() == [(6, 2)]
    assert (
        "Rows that repeat an earlier row, and are changed once with it: 1 (b.csv row 2 repeats a.csv row 2)."
        in intake.notes
    )
    assert intake.rejected.select("row", "column", "value", "reason").rows()[:2] == [
        (4, "status", "suspended", "asks for suspended, but b.csv row 3 for another status of the same device"),
        (7, "status", "activated", "asks for activated, but a.csv row 4 for another status of the same device"),
    ]
    place = Places(intake.own)
    assert [place(row) for row in (4, 7, 99)] == ["a.csv row 4", "b.csv row 3", "row 99"]
    assert intake.rows == intake.devices.height + intake.rejected.height + intake.repeats.height == 5


def test_a_contradiction_about_a_column_that_a_file_lacks_loses_no_row(tmp_path: Path) -> None:
    intake = read(tmp_path, {"a.csv": "sim_id\n1\n2\n", "b.csv": "sim_id,status\n1,suspended\n"}, Target.ACTIVATED)
    assert intake.rejected.rows() == [
        (2, "status", "", "asks for activated, but b.csv row 2 for another status of the same device"),
        (5, "status", "suspended", "asks for suspended, but a.csv row 2 for another status of the same device"),
    ]
    assert intake.rows == 3


def test_the_digest_of_the_input_is_the_same_in_any_order_and_another_with_other_content(tmp_path: Path) -> None:
    files = {"a.csv": A, "b.csv": "sim_id,status\n7,activated\n"}
    one = read(tmp_path, files).sha256
    assert read(tmp_path, dict(reversed(files.items()))).sha256 == one
    assert read(tmp_path, files | {"b.csv": "sim_id,status\n8,activated\n"}).sha256 != one
    assert read(tmp_path, {"a.csv": A}).sha256 != one


def test_a_file_that_will_not_do_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^b\.csv: no column identifies a device"):
        read(tmp_path, {"a.csv": A, "b.csv": "name\nx\n"})
    with pytest.raises(
        InputError, match=r"^a\.csv, b\.csv: no row is usable; 2 invalid, the first: a\.csv row 2, sim_id 'x'"
    ):
        read(tmp_path, {"a.csv": "sim_id,status\nx,activated\n", "b.csv": "sim_id,status\ny,activated\n"})


def test_the_bounds_are_those_of_all_files_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the files have more than 5 rows together \(SIMTANDEM_MAX_FILE_ROWS\)"):
        read(tmp_path, {"a.csv": A, "b.csv": "sim_id,status\n7,activated\n"}, bounds=Bounds(rows=5))


def test_columns_of_one_name_are_one_and_those_beyond_the_most_are_named(tmp_path: Path) -> None:
    many = ",".join(f"c{number}" for number in range(own_columns.MOST))
    cells = ",".join("x" * own_columns.MOST)
    files = {
        "a.csv": f"sim_id,status,{many}\n1,activated,{cells}\n",
        "b.csv": "sim_id,status,C0,file\n2,activated,y,z\n",
    }
    intake = read(tmp_path, files)
    assert len(own_columns.names(intake.own)) == own_columns.MOST + 2
    assert intake.own["c0"].to_list() == ["x", "y"]
    assert intake.own["file"].to_list() == ["a.csv", "b.csv"]
    assert "Own columns beyond the first 20, not kept: 'input_file'." in intake.notes


def workbook(path: Path, **sheets: str) -> Path:
    with xlsxwriter.Workbook(path) as book:
        for name, sim in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["sim_id", "status"])
            sheet.write_row(1, 0, [sim, "activated"])
    return path


def test_each_workbook_of_a_list_may_have_a_sheet_of_its_own(tmp_path: Path) -> None:
    files = [workbook(tmp_path / "a.xlsx", One="1", Two="2"), workbook(tmp_path / "b.xlsx", One="3", Two="4")]
    listed = [ListFile(each, each.name) for each in files]
    for named, sims in {
        "One": ["1", "3"],
        "a.xlsx:Two\nOne": ["2", "3"],
        f"{files[0]}:One\nb.xlsx:Two": ["1", "4"],
    }.items():
        assert read_lists(listed, None, Reading(sheet=named), lifecycle=EMNIFY).devices["sim_id"].to_list() == sims
    with pytest.raises(InputError, match=r"b\.xlsx: there is no sheet 'Three'; the sheets are 'One', 'Two'"):
        read_lists(listed, None, Reading(sheet="One\nb.xlsx:Three"), lifecycle=EMNIFY)
