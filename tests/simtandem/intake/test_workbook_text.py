"""What people drop as .xlsx: written by a library, then bent as spreadsheets and attackers bend them."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake import workbook_text
from simtandem.intake.device_file import Bounds
from simtandem.intake.workbook_text import Formula, WorkbookText, open_workbook
from tests.simtandem.emnify_lists import read_devices

ICCID = "8988303000000000011"
BOUNDS = Bounds()


def saved(book: Workbook) -> bytes:
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def workbook(**sheets: list[list[Any]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return book


def of(*rows: list[Any]) -> bytes:
    return saved(workbook(devices=list(rows)))


def changed(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one of its parts as another program would have written it."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.infolist():
            content = before.read(each)
            after.writestr(each.filename, change(content) if each.filename == part else content)
    return target.getvalue()


def records(data: bytes, wanted: str = "") -> list[tuple[int, list[str]]]:
    return list(open_workbook(data, wanted, BOUNDS).records())


SHEET = "xl/worksheets/sheet1.xml"


def test_rows_have_the_numbers_and_cells_the_text_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    data = of(["ICCID", "status", "since"], [], [ICCID, "activated", datetime(2026, 1, 31)])  # noqa: DTZ001 - Excel has no zones
    assert records(data) == [(1, ["ICCID", "status", "since"]), (2, []), (3, [ICCID, "activated", "2026-01-31"])]
    (tmp_path / "a.xlsx").write_bytes(data)
    intake = read_devices(tmp_path / "a.xlsx")
    assert intake.devices.select("row", "iccid", "desired").rows() == [(3, ICCID, "activated")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10000011, "10000011"),
        (10000011.0, "10000011"),
        (1.5, "1.5"),
        (999_999_999_999_999, "999999999999999"),
        (8988303000000000011, "8.98830300000000E+18"),
        (8.9883030000000003e18, "8.98830300000000E+18"),
        (True, "TRUE"),
        (datetime(2026, 1, 31, 12, 30), "2026-01-31T12:30:00"),  # noqa: DTZ001 - Excel has no zones
        ("=A1", "=A1"),
        ("'x", "'x"),
    ],
)
def test_a_value_becomes_text_that_shows_what_happened_to_it(value: object, text: str) -> None:
    assert records(of(["x"], [value]))[1] == (2, [text])


def test_numbers_that_lost_digits_dates_and_formulas_are_refused_by_row_and_column(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(
        of(
            ["sim_id", "ICCID", "status"],
            [None, int(ICCID), "activated"],
            [datetime(2026, 1, 31), None, "activated"],  # noqa: DTZ001 - Excel has no zones
            ["=A9+1", None, "activated"],
            [10000011, None, '=IF(TRUE,"activated","")'],
            [10000012, None, "activated"],
        )
    )
    intake = read_devices(tmp_path / "a.xlsx")
    assert intake.devices["sim_id"].to_list() == ["10000012"]
    told = {row: (column, value, reason) for row, column, value, reason in intake.rejected.iter_rows()}
    assert told[2][:2] == ("ICCID", "8.98830300000000E+18")
    assert "turned it into a number and lost digits" in told[2][2]
    assert told[3][0] == "sim_id"
    assert "is a date; a spreadsheet turned a number into it" in told[3][2]
    assert told[4] == ("sim_id", "=A9+1", "is a formula; enter the value itself")
    assert told[5][0] == "status"


def test_the_value_that_was_calculated_last_is_kept_beside_a_formula() -> None:
    data = changed(of(["x"], ["=1+1"]), SHEET, lambda xml: re.sub(rb"<v\s*/>|<v></v>", b"<v>2</v>", xml, count=1))
    cell = records(data)[1][1][0]
    assert isinstance(cell, Formula)
    assert (str(cell), cell.value) == ("=1+1", "2")


def test_one_visible_sheet_with_text_is_read_and_hidden_ones_are_named() -> None:
    book = workbook(old=[["sim_id"], [1]], devices=[["sim_id"], [2]], empty=[])
    book["old"].sheet_state = "veryHidden"
    found = open_workbook(saved(book), "", BOUNDS)
    assert found.sheet == "devices"
    assert found.notes(1) == ["Hidden sheets are not read: 'old'."]
    assert open_workbook(saved(book), " OLD ", BOUNDS).sheet == "old"


def test_several_sheets_need_a_name_and_a_wrong_name_is_told_the_right_ones() -> None:
    data = saved(workbook(one=[["sim_id"], [1]], two=[["sim_id"], [2]]))
    with pytest.raises(UnrecognisedInput, match=r"2 sheets with something in them; they are 'one', 'two'\.\n") as told:
        open_workbook(data, "", BOUNDS)
    assert "'one'" not in told.value.plain
    with pytest.raises(UnrecognisedInput, match=r"no sheet 'three'; the sheets are 'one', 'two'"):
        open_workbook(data, "three", BOUNDS)
    assert records(data, "two")[1] == (2, ["2"])


def test_a_workbook_of_empty_and_hidden_sheets_says_so() -> None:
    book = workbook(a=[], b=[["sim_id"], [1]])
    book["b"].sheet_state = "hidden"
    with pytest.raises(InputError, match=r"no sheet with anything in it\. Hidden sheets are not read .*'b'"):
        open_workbook(saved(book), "", BOUNDS)


def test_rows_that_a_filter_hides_are_an_error() -> None:
    book = workbook(devices=[["sim_id"], *([n] for n in range(10, 40))])
    for row in (7, 9):
        book["devices"].row_dimensions[row].hidden = True
    with pytest.raises(InputError, match=r"2 rows of the sheet are hidden, .* the first is row 7"):
        open_workbook(saved(book), "", BOUNDS)


def test_a_hidden_row_is_found_at_every_place_where_what_is_looked_at_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    book = workbook(devices=[["sim_id"], [1], [2]])
    book["devices"].row_dimensions[2].hidden = True
    data = saved(book)
    for chunk in range(7, 90):
        monkeypatch.setattr(workbook_text, "_CHUNK", chunk)
        with pytest.raises(InputError, match="1 row of the sheet is hidden"):
            open_workbook(data, "", BOUNDS)


def test_what_the_file_says_of_its_own_size_does_not_cut_rows_off() -> None:
    data = of(["sim_id", "status"], [1, "activated"], [2, "activated"])
    data = changed(data, SHEET, lambda xml: xml.replace(b'ref="A1:B3"', b'ref="A1"'))
    assert len(records(data)) == 3
    assert records(data)[2] == (3, ["2", "activated"])


def test_bytes_beyond_the_bounds_are_never_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (3 << 20))
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(InputError, match="too large when it is unpacked; at most 2 MB"):
        open_workbook(bomb.getvalue(), "", Bounds(megabytes=2))


def test_entities_are_refused_before_they_are_read() -> None:
    laughs = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet/>'
    with pytest.raises(InputError, match="declares entities"):
        open_workbook(changed(of(["x"]), SHEET, lambda _: laughs), "", BOUNDS)


def test_a_row_number_beyond_all_bounds_ends_the_reading(tmp_path: Path) -> None:
    data = changed(of(["sim_id"], [1]), SHEET, lambda xml: xml.replace(b'r="2"', b'r="99999999"'))
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(InputError, match=r"more than 1,000 rows"):
        read_devices(tmp_path / "a.xlsx", bounds=Bounds(rows=1000))


def test_a_cell_far_to_the_right_is_an_error() -> None:
    data = changed(of(["sim_id"], [1]), SHEET, lambda xml: xml.replace(b'r="A2"', b'r="XFD2"'))
    with pytest.raises(InputError, match=r"row 2 of the sheet has 16,384 columns; at most 1,024"):
        records(data)


ENCRYPTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le")


def archive(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name in names:
            made.writestr(zipfile.ZipInfo(name), "x")  # without the time of day, which would name the tests
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ENCRYPTED, "encrypted with a password"),
        (ENCRYPTED[:100], "a workbook of an old Excel"),
        (archive("xl/workbook.bin", "[Content_Types].xml"), "a binary workbook"),
        (archive("mimetype", "content.xml"), "an OpenDocument file"),
        (archive("devices.csv"), "a zip archive and no Excel workbook"),
        (archive("xl/workbook.xml"), "damaged or no Excel workbook"),
        (archive("xl/workbook.xml")[:40], "damaged or no Excel workbook"),
    ],
)
def test_what_is_no_workbook_is_told_for_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        open_workbook(data, "", BOUNDS)
    assert "Nothing was sent." in str(told.value)


def test_a_workbook_cut_short_or_with_broken_parts_is_one_error() -> None:
    data = of(["sim_id"], [1])
    with pytest.raises(InputError, match="damaged"):
        records(data[: len(data) // 2])
    broken = changed(data, SHEET, lambda xml: xml[: len(xml) // 2])
    with pytest.raises(InputError, match="damaged"):
        records(broken)


def test_a_sheet_is_read_again_from_its_start() -> None:
    text = WorkbookText(of(["a"], ["b"]), "devices", formulas=False)
    assert list(text.records()) == list(text.records()) == [(1, ["a"]), (2, ["b"])]
