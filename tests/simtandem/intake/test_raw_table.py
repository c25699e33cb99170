import pytest

from simtandem.errors import InputError
from simtandem.intake.raw_table import read_sheet


def test_only_the_columns_that_are_read_are_kept_as_they_stand_in_the_file() -> None:
    sheet = read_sheet(b"Name,iccid,status\nx, 0089 ,On\ny,'1\n")
    assert [source.header for source in sheet.sources] == ["iccid", "status"]
    assert sheet.cells.rows() == [(2, "0089 ", "On"), (3, "'1", "")]


def test_the_header_may_follow_blank_lines_and_rows_count_on_from_it() -> None:
    sheet = read_sheet(b"\n;;\niccid;status\n1;2\n")
    assert sheet.cells["row"].to_list() == [4]


def test_rows_of_nothing_but_blanks_and_separators_are_skipped_and_counted() -> None:
    sheet = read_sheet("iccid;status\n;\n\n \t;\u00a0\n1;2\n\n".encode())
    assert sheet.cells["row"].to_list() == [5]
    assert sheet.blank == 4
    assert "Blank rows skipped: 4." in sheet.notes()


def test_a_row_with_text_only_in_columns_not_read_is_still_a_row() -> None:
    assert read_sheet(b"iccid;Name\n;x\n").cells.rows() == [(2, "")]


def test_missing_cells_are_empty_and_empty_cells_too_many_do_not_matter() -> None:
    sheet = read_sheet(b"iccid;sim;status\n1\n1;2;3;; \n")
    assert sheet.cells.rows() == [(2, "1", "", ""), (3, "1", "2", "3")]
    assert sheet.overflows == {}


def test_filled_cells_beyond_the_header_are_kept_for_the_report() -> None:
    assert read_sheet(b"iccid;status\n1;2;;x\n").overflows == {2: ";x"}


@pytest.mark.parametrize(
    "cell", ["Total", "TOTAL:", " Sum ", "Gesamt", "Grand Total", "total 12", "'Summe", "Total: 1.234"]
)
def test_a_total_row_is_known_by_its_first_cell(cell: str) -> None:
    assert read_sheet(f"Name;iccid\n{cell};12\n".encode()).totals == {2: cell.lstrip()}


@pytest.mark.parametrize("cell", ["", "Total loss sensor", "Totaliser 3", "12", "Assume"])
def test_other_first_cells_are_no_total(cell: str) -> None:
    assert read_sheet(f"Name;iccid\n{cell};12\n".encode()).totals == {}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b";;;\n", b"sep=;\n"])
def test_a_file_without_text_is_empty(data: bytes) -> None:
    with pytest.raises(InputError, match="the file is empty"):
        read_sheet(data)


def test_a_plain_file_needs_no_notes() -> None:
    assert read_sheet(b"\xef\xbb\xbficcid,status\n1,2\n").notes() == []
    assert read_sheet(b"iccid\n1\n").notes() == []


def test_notes_tell_what_was_guessed_and_what_was_left_out() -> None:
    sheet = read_sheet("sep=\t\niccid\tSIM Status\tStraße\n1\tActivated\tx\n".encode("utf-16"))
    assert sheet.notes() == [
        "The file is not UTF-8; it was read as utf-16.",
        "The columns are separated by tab.",
        "The first line names the separator; as in Excel, it does not count as a row.",
        (
            "Not read, because it may be the current status, not the target status: 'SIM Status'."
            " Name the target column status or target_status."
        ),
        "Own columns, kept in plan, results and report: 'SIM Status', 'Straße'.",
    ]
