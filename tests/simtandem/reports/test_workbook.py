from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from simtandem.errors import LedgerError
from simtandem.reports.report_tables import Part
from simtandem.reports.workbook import write_workbook
from simtandem.text.escaping import lines
from tests.simtandem.reports.reading_back import Cell, Sheet, read_workbook

HOSTILE = [
    '=HYPERLINK("http://evil.example";"x")',
    "+1+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "<script>&amp;</script>]]>",
    "  spaces kept  ",
    "two\nlines",
    "0001",
    "8.98830E+18",
    "TRUE",
    "https://example.com",
    "ünïcödé 🛰",
    "{=1+1}",
    "<r><t>formatted</t></r>",
    '<r></t></is></c><c r="Z2"><f>1+1</f></c></r>',
]


def written(tmp_path: Path, *frames: pl.DataFrame, **options: int) -> dict[str, Sheet]:
    path = tmp_path / "book.xlsx"
    write_workbook([Part("table", frames[0].schema, lambda: iter(frames))], path, **options)
    return read_workbook(path)


def test_hostile_text_is_text_and_nothing_else(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"text": HOSTILE}))["table"]
    assert [row["text"].text.rstrip() for row in sheet.rows] == [lines(text).rstrip() for text in HOSTILE]
    assert {row["text"].kind for row in sheet.rows} == {"inlineStr"}
    assert sheet.formulas == 0


def test_an_iccid_is_text_of_nineteen_digits(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"iccid": ["8988303000000000011"], "sim_id": ["10"]}))["table"]
    assert sheet.rows[0]["iccid"] == Cell("inlineStr", "8988303000000000011", "@")
    assert sheet.rows[0]["sim_id"].kind == "inlineStr"


def test_numbers_truths_and_instants_have_their_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"n": [7], "share": [0.25], "yes": [True], "at": [datetime(2026, 3, 1, 18, 0, 0, 500_000, tzinfo=UTC)]},
        schema_overrides={"at": pl.Datetime("ms", "UTC")},
    )
    row = written(tmp_path, frame)["table"].rows[0]
    assert (row["n"].kind, row["n"].text) == ("n", "7")
    assert (row["share"].kind, row["share"].text) == ("n", "0.25")
    assert (row["yes"].kind, row["yes"].text) == ("b", "1")
    days = float(row["at"].text)
    assert abs(days - (46082 + 0.75 + 0.5 / 86400)) < 1e-8  # 2026-03-01 is day 46082
    assert row["at"].format == "yyyy-mm-dd hh:mm:ss.000"


def test_headers_stay_in_view_and_can_be_filtered(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"a": ["x", "y"], "b": ["1", "2"]}))["table"]
    assert sheet.frozen_rows == 1
    assert sheet.filtered == "A1:B3"
    assert sheet.columns == ["a", "b"]


def test_what_is_not_there_has_no_cell(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [None, ""], "b": [None, 1], "c": ["x", "y"]}, schema_overrides={"a": pl.String})
    assert [list(row) for row in written(tmp_path, frame)["table"].rows] == [["c"], ["b", "c"]]


def test_characters_xml_can_not_hold_are_replaced(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"text": ["a\x00b\x1b\ufffe", "line\rend"]}))["table"]
    assert [row["text"].text for row in sheet.rows] == [r"a\x00b\x1b\ufffe", r"line\rend"]


def test_text_that_reads_like_a_code_of_the_spreadsheet_means_itself(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"text": ["_x0041_"]}))["table"]
    assert sheet.rows[0]["text"].text == "_x005F_x0041_"


def test_spaces_at_the_ends_are_kept(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({"text": ["  a  "]}))["table"]
    assert sheet.rows[0]["text"].text == "  a  "


def test_text_longer_than_a_cell_is_cut_visibly(tmp_path: Path) -> None:
    text = written(tmp_path, pl.DataFrame({"text": ["x" * 40_000]}))["table"].rows[0]["text"].text
    assert len(text) == 32_767
    assert text.endswith("x…")


def test_rows_of_several_frames_follow_each_other(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"a": values}, schema={"a": pl.Int64}) for values in ([1], [], [2, 3], [])]
    assert [row["a"].text for row in written(tmp_path, *frames)["table"].rows] == ["1", "2", "3"]


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame(schema={"a": pl.String}))["table"]
    assert (sheet.columns, sheet.rows) == (["a"], [])


def test_a_table_too_long_for_a_sheet_goes_on_in_another(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [3, 4, 5, 6, 7]})]
    sheets = written(tmp_path, *frames, rows_of_a_sheet=3)
    assert {name: [row["a"].text for row in sheet.rows] for name, sheet in sheets.items()} == {
        "table": ["1", "2", "3"],
        "table 2": ["4", "5", "6"],
        "table 3": ["7"],
    }
    assert sheets["table 2"].filtered == "A1:A4"


def test_a_full_sheet_is_not_followed_by_an_empty_one(tmp_path: Path) -> None:
    assert list(
        written(tmp_path, pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1]}).clear(), rows_of_a_sheet=2)
    ) == ["table"]


def test_columns_beyond_z_have_two_letters(tmp_path: Path) -> None:
    sheet = written(tmp_path, pl.DataFrame({f"c{n}": [n] for n in range(60)}))["table"]
    assert [cell.text for cell in sheet.rows[0].values()] == [str(n) for n in range(60)]
    assert sheet.filtered == "A1:BH2"


def test_a_folder_that_is_not_there_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"book\.xlsx"):
        write_workbook([Part("a", pl.Schema({"a": pl.Int64()}), lambda: iter([]))], tmp_path / "no" / "book.xlsx")
