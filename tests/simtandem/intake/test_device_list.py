from pathlib import Path

import pytest

from schemas.statuses import Target
from simtandem.errors import InputError
from simtandem.intake import Intake
from tests.simtandem.emnify_lists import read_devices

GOOD = "8988303000010000001"
SURE = f"{GOOD};activated\n"
HEADER = "Name;SIM ID;Device ID;ICCID;status"
LOST = "a spreadsheet turned it into a number and lost digits; format the column as text and export it again"


def read(directory: Path, text: str, to: Target | None = None) -> Intake:
    path = directory / "devices.csv"
    path.write_bytes(text.encode())
    return read_devices(path, to)


def rejected(directory: Path, row: str, to: Target | None = None) -> tuple[int, str, str, str]:
    """The one rejected line of a file whose row 4 is `row`, between two good ones and after a blank one."""
    intake = read(directory, f"{HEADER}\na;1;;;activated\n\n{row}\nb;2;;;activated\n", to)
    assert intake.devices["row"].to_list() == [2, 5]
    (line,) = intake.rejected.rows()
    return line


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        ("x;=A1;;;activated", "SIM ID", "=A1", "is a formula; enter the value itself"),
        ("x;;+1;;activated", "Device ID", "+1", "is a formula; enter the value itself"),
        ("x;;;-8988;activated", "ICCID", "-8988", "is a formula; enter the value itself"),
        ("x;7;;;@now", "status", "@now", "is a formula; enter the value itself"),
        ("x;;;8.98830E+18;activated", "ICCID", "8.98830E+18", LOST),
        ("x;;;8,9883E+18;activated", "ICCID", "8,9883E+18", LOST),
        ("x;1.0E+07;;;activated", "SIM ID", "1.0E+07", LOST),
        (
            "x;10,000,001;;;activated",
            "SIM ID",
            "10,000,001",
            "has separators between its digits; write the digits only",
        ),
        (
            "x;;20.000.001;;activated",
            "Device ID",
            "20.000.001",
            "has separators between its digits; write the digits only",
        ),
        ("x;12x;;;activated", "SIM ID", "12x", "is not a number of digits only"),
        ("x;0;;;activated", "SIM ID", "0", "is zero; ids begin at 1"),
        (
            f"x;{GOOD};;;activated",
            "SIM ID",
            GOOD,
            "has 19 digits, an id has at most 18; perhaps this is an ICCID in the wrong column",
        ),
        (
            f"x;;;{GOOD[:18]};activated",
            "ICCID",
            GOOD[:18],
            "has 18 digits, an ICCID has 19, or 20 with its check digit",
        ),
        (
            "x;;;1288303000010000001;activated",
            "ICCID",
            "1288303000010000001",
            "begins with 12, an ICCID begins with 89",
        ),
        (f"x;;;{GOOD}7;activated", "ICCID", f"{GOOD}7", "has 7 as its check digit where 4 belongs; a digit is wrong"),
        (
            "x;1;;;Issued",
            "status",
            "Issued",
            "a SIM can't become Issued again; allowed are activated, suspended, factory_test",
        ),
        ("x;1;;;3", "status", "3", "simtandem deletes nothing; allowed are activated, suspended, factory_test"),
        (
            "x;1;;;Enabled",
            "status",
            "Enabled",
            "is an endpoint status; use activated or suspended, which set the endpoint as well",
        ),
        ("x;1;;;off", "status", "off", "is not a status; allowed are activated, suspended, factory_test"),
        ("x;;;;activated", "SIM ID, Device ID, ICCID", "", "the row names no device: every id is empty"),
        ("x;1;;;", "status", "", "the row has no status, and none was given for all rows"),
        ("x;1", "status", "", "the row has no status, and none was given for all rows"),
        ("Total;1;;;", "Name", "Total", "is a total row, not a device"),
        (
            "x;1;;;activated;y",
            "column 6",
            "y",
            "the row has more cells than there are columns (5); a cell with a separator in it needs quotes",
        ),
    ],
)
def test_each_damage_is_told_with_row_column_value_and_reason(
    tmp_path: Path, row: str, column: str, value: str, reason: str
) -> None:
    assert rejected(tmp_path, row) == (4, column, value, reason)


@pytest.mark.parametrize("value", ["8988303000010000000", "89883030000100000000", "8988303000010010000"])
def test_an_iccid_that_a_spreadsheet_rounded_is_told_as_that(tmp_path: Path, value: str) -> None:
    row, column, shown, reason = rejected(tmp_path, f"x;;;{value};activated")
    assert (row, column, shown) == (4, "ICCID", value)
    assert "kept 15 digits" in reason
    assert "sim_id" in reason


@pytest.mark.parametrize("ids", ["1;", ";5", "1;5"])
@pytest.mark.parametrize("iccid", ["8988303000010000000", "89883030000000800000", "8988303000010010000"])
def test_a_true_iccid_that_ends_in_zeros_is_read_beside_another_id(tmp_path: Path, ids: str, iccid: str) -> None:
    intake = read(tmp_path, f"SIM ID;Device ID;ICCID;status\n{ids};{iccid};activated\n")
    assert intake.devices["iccid"].to_list() == [iccid[:19]]


def test_rows_with_other_ids_and_one_rounded_iccid_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    """Each is looked at in the listing: whose ICCID it is not is refused there."""
    rows = "".join(f"{sim};8988303000010000000;activated\n" for sim in (1, 2, 3))
    intake = read(tmp_path, f"SIM ID;ICCID;status\n{rows}")
    assert intake.devices["sim_id"].to_list() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("columns", "second", "read_as"),
    [
        ("ICCID;ICCID with Luhn", "89883030000100100004", "8988303000010010000"),
        ("ICCID with Luhn;ICCID", "8988303000010010000", "8988303000010010000"),
    ],
)
def test_the_check_digit_beside_an_iccid_that_ends_in_zeros_vouches_for_it(
    tmp_path: Path, columns: str, second: str, read_as: str
) -> None:
    first = "89883030000100100004" if second == "8988303000010010000" else "8988303000010010000"
    intake = read(tmp_path, f"{columns};status\n{first};{second};activated\n")
    assert intake.devices["iccid"].to_list() == [read_as]


def test_alone_a_right_check_digit_counts_until_another_one_is_wrong(tmp_path: Path) -> None:
    good = "".join(f"89883030000{number:08};activated\n" for number in range(1, 400))
    right, wrong = "89883030000000800000;activated\n", "89883030000200000000;activated\n"
    assert read(tmp_path, f"ICCID;status\n{good}{right}").rejected.is_empty()
    assert read(tmp_path, f"ICCID;status\n{good}{right}{wrong}").rejected["row"].to_list() == [401, 402]
    assert read(tmp_path, f"ICCID;status\n{SURE}{right}").rejected["row"].to_list() == [3], (
        "one in ten is right by luck"
    )


def test_a_column_of_ids_with_one_value_is_named_as_what_may_be_wrong(tmp_path: Path) -> None:
    rows = "".join(f"1;898830300001000{number:04};activated\n" for number in range(1, 9))
    with pytest.raises(InputError, match=r"The column 'SIM' says '1' in every row"):
        read(tmp_path, f"SIM;ICCID;status\n{rows}")


def test_columns_of_one_field_are_compared_with_what_stands_before_them(tmp_path: Path) -> None:
    intake = read(tmp_path, "sim_id,sim id,SIM-ID,status\n1,,1,activated\n,2,3,activated\n4,4,4,activated\n")
    assert intake.devices["sim_id"].to_list() == ["1", "4"]
    assert intake.rejected.rows() == [(3, "SIM-ID", "3", "disagrees with the column 'sim id'")]


def test_more_columns_of_one_field_than_any_list_needs_are_told(tmp_path: Path) -> None:
    header = ",".join("sim" + "_" * number + "id" for number in range(9))
    with pytest.raises(InputError, match="9 columns hold the sim_id"):
        read(tmp_path, f"{header},status\n{'1,' * 9}activated\n")


def test_the_column_furthest_left_leads_and_the_other_problems_follow(tmp_path: Path) -> None:
    line = rejected(tmp_path, "x;12x;;8,9E+18;Enabled")
    assert line[:3] == (4, "SIM ID", "12x")
    assert line[3] == (
        f"is not a number of digits only; also ICCID {LOST}; also status is an endpoint status;"
        " use activated or suspended, which set the endpoint as well"
    )


def test_a_long_value_is_cut_to_80_characters(tmp_path: Path) -> None:
    assert rejected(tmp_path, f"x;{'7a' * 100};;;activated")[2] == "7a" * 39 + "7…"
    assert rejected(tmp_path, f"x;{'7a' * 40};;;activated")[2] == "7a" * 40


def test_the_value_shown_is_the_raw_cell(tmp_path: Path) -> None:
    assert rejected(tmp_path, 'x;"\u00a0\'12-x ";;;activated')[2] == "\u00a0'12-x "


def test_a_rows_own_status_wins_and_the_given_one_fills_the_rest(tmp_path: Path) -> None:
    intake = read(tmp_path, "sim_id,status\n1,activated\n2,\n3,Factory Test\n", Target.SUSPENDED)
    assert intake.devices["desired"].to_list() == ["activated", "suspended", "factory_test"]


def test_no_status_anywhere_is_an_input_error_that_points_at_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--to") as caught:
        read(tmp_path, "sim_id,status\n1,\n2,\n")
    assert "activated, suspended, factory_test" in str(caught.value)


def test_the_status_of_today_is_no_wish_and_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'SIM Status'"):
        read(tmp_path, "sim_id,SIM Status\n1,Activated\n")


def test_two_columns_for_one_thing_fill_each_other_and_must_agree(tmp_path: Path) -> None:
    text = (
        "ICCID;ICCID with Luhn;target;status\n"
        f"{GOOD};{GOOD}4;activated;1\n"
        ";89883030000100000022;;suspended\n"
        "8988303000010000003;;suspended;\n"
        f"8988303000010000004;{GOOD}4;activated;activated\n"
        "8988303000010000005;;activated;suspended\n"
        "8988303000010000006;8.98E+18;activated;\n"
    )
    intake = read(tmp_path, text)
    assert intake.devices.select("row", "iccid", "desired").rows() == [
        (2, GOOD, "activated"),
        (3, "8988303000010000002", "suspended"),
        (4, "8988303000010000003", "suspended"),
    ]
    assert intake.rejected.rows() == [
        (5, "ICCID with Luhn", f"{GOOD}4", "disagrees with the column 'ICCID'"),
        (6, "status", "suspended", "disagrees with the column 'target'"),
        (7, "ICCID with Luhn", "8.98E+18", LOST),
    ]


def test_a_repeat_is_kept_once_and_noted(tmp_path: Path) -> None:
    intake = read(tmp_path, f"sim_id,iccid,status\n1,{GOOD},activated\n2,,activated\n,{GOOD}4,Active\n01,,1\n")
    assert intake.devices["row"].to_list() == [2, 3]
    assert intake.repeats.rows() == [(4, 2), (5, 2)]
    assert intake.notes == ("Rows that repeat an earlier row, and are changed once with it: 2 (row 4 repeats row 2).",)


def test_contradicting_rows_are_all_rejected_each_with_its_own_cell(tmp_path: Path) -> None:
    intake = read(tmp_path, "sim_id,Device ID,target\n1,,Activated\n2,5,1\n1,,SUSPEND\n2,6,1\n3,,1\n")
    assert intake.devices["row"].to_list() == [6]
    assert intake.rejected.rows() == [
        (2, "target", "Activated", "asks for activated, but row 4 for another status of the same device"),
        (3, "Device ID", "5", "names the same device as row 5, but with another endpoint_id"),
        (4, "target", "SUSPEND", "asks for suspended, but row 2 for another status of the same device"),
        (5, "Device ID", "6", "names the same device as row 3, but with another endpoint_id"),
    ]


def test_a_rejected_row_does_not_spoil_another_row_of_its_device(tmp_path: Path) -> None:
    intake = read(tmp_path, "sim_id,status\n1,activated\n1,Enabled\n")
    assert intake.devices["row"].to_list() == [2]


def test_no_usable_row_is_an_input_error_with_count_and_first_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, "iccid,status\n12,activated\nx,activated\n")
    assert str(caught.value) == (
        "devices.csv: no row is usable; 2 invalid, the first: row 2, iccid '12':"
        " has 2 digits, an ICCID has 19, or 20 with its check digit.\n"
        "Nothing was sent. Correct the rows and try again."
    )


@pytest.mark.parametrize("text", ["iccid,status\n", "iccid,status", "iccid,status\n\n,\n"])
def test_a_header_without_rows_is_an_input_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="a header but no rows"):
        read(tmp_path, text)


def test_what_is_not_there_or_no_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: there is no such file"):
        read_devices(tmp_path / "none.csv")
    with pytest.raises(InputError, match="this is a directory"):
        read_devices(tmp_path)
    with pytest.raises(InputError, match="can't be read"):
        read_devices(tmp_path / "a\0b.csv")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't be read: Not a directory"):
        read_devices(tmp_path / "file" / "devices.csv")
