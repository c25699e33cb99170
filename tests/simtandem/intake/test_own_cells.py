from pathlib import Path

import polars as pl
import pytest

from schemas.own_columns import LONGEST_CELL, MOST
from simtandem.intake.own_cells import OwnCells
from simtandem.intake.raw_table import read_sheet
from simtandem.intake.workbook_text import Formula
from tests.simtandem.emnify_lists import read_devices


def test_every_named_column_that_is_not_read_is_kept_beside_its_row() -> None:
    sheet = read_sheet(b"site,iccid,status,,empty\nDepot 7,1,on,x,\n\n,2,on,,\n")
    assert sheet.own.rows(named=True) == [{"row": 2, "site": "Depot 7"}, {"row": 4, "site": None}]


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("'=1+1", "=1+1"),
        ("''quoted", "'quoted"),
        ('"=""0042"""', "0042"),
        ("\u00a0 x \t y ", "x   y"),
        ("a\x07\x1bb", "a b"),
        ("\tTAB", "TAB"),
        ('"two\r\nlines"', "two lines"),
        ("x" * 500, "x" * (LONGEST_CELL - 1) + "…"),
    ],
)
def test_what_spreadsheets_put_around_text_is_taken_off_and_the_rest_is_bounded(cell: str, kept: str) -> None:
    sheet = read_sheet(f"iccid,site\n1,{cell}\n".encode())
    assert sheet.own["site"].to_list() == [kept]


def test_only_the_first_columns_are_kept_and_the_notes_name_the_others() -> None:
    header = [f"c{number}" for number in range(MOST + 2)]
    sheet = read_sheet(f"iccid,{','.join(header)}\n1,{','.join(header)}\n".encode())
    assert sheet.own.width == MOST + 1
    assert f"Own columns beyond the first {MOST}, not kept: 'c20', 'c21'." in sheet.notes()


def test_a_name_of_simtandems_own_is_changed_and_the_notes_say_so() -> None:
    sheet = read_sheet(b"iccid,Reason\n1,x\n")
    assert sheet.own.columns == ["row", "input_Reason"]
    assert "Own columns with another name there: 'Reason' is input_Reason." in sheet.notes()


def test_the_value_of_a_formula_is_kept_not_the_formula() -> None:
    cells = OwnCells(["site"], ())
    cells.add([Formula("=A1", "Depot 7")])
    assert cells.table(pl.Series("row", [2]))["site"].to_list() == ["Depot 7"]


def test_invalid_rows_and_repeats_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sim_id,status,site\n10000001,activated,a\n10000001,activated,b\nx,activated,c\n")
    assert read_devices(path).own.rows() == [(2, "a"), (3, "b"), (4, "c")]
