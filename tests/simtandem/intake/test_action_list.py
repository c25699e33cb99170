"""Lists of SIM actions as they come: what is understood, and why the rest is not."""

from pathlib import Path

import polars as pl
import pytest

from schemas.sim_actions import SimAction
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.errors import InputError
from simtandem.intake import Bounds, Intake, ListFile, Reading
from simtandem.intake.action_list import read_actions

ICCID = "8988303000000000019"


def read(tmp_path: Path, text: str, do: SimAction | None = None) -> Intake:
    file = tmp_path / "actions.csv"
    file.write_text(text)
    return read_actions([ListFile(file, file.name)], do, lifecycle=EMNIFY)


def read_several(tmp_path: Path, *texts: str, do: SimAction | None = None, reading: Reading | None = None) -> Intake:
    """Lists called a.csv, b.csv and so on, as one."""
    files = [tmp_path / f"{name}.csv" for name, _ in zip("abc", texts, strict=False)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    named = [ListFile(file, file.name) for file in files]
    return read_actions(named, do, reading or Reading(), lifecycle=EMNIFY)


def wishes(intake: Intake) -> list[tuple[object, ...]]:
    return intake.devices.select("row", "action", "sim_id", "endpoint_id", "iccid").rows()


def reasons(intake: Intake) -> dict[int, str]:
    return dict(intake.rejected.select("row", "reason").iter_rows())


def test_spellings_of_people_and_spreadsheets_are_understood(tmp_path: Path) -> None:
    lines = ("\ufeffSIM Action;ICCID;Device ID", f"Release;'{ICCID};", '"Un-assign";;="12"', f";{ICCID};7.0")
    intake = read(tmp_path, "\n".join(lines), SimAction.ASSIGN)
    assert wishes(intake) == [
        (2, "release", None, None, ICCID),
        (3, "release", None, "12", None),
        (4, "assign", None, "7", ICCID),
    ]
    assert intake.rejected.is_empty()


def test_every_other_row_is_named_with_its_reason(tmp_path: Path) -> None:
    intake = read(
        tmp_path,
        "action,sim_id,endpoint_id,iccid\n"
        "assign,1,2,\n"
        "assign,1,,\n"
        "assign,,2,\n"
        "release,,,\n"
        ",1,2,\n"
        "terminate,1,2,\n"
        "explode,1,2,\n"
        "assign,=1+1,2,\n"
        "assign,,2,8.98830E+18\n"
        "assign,1,2,,5\n"
        "Total,,,\n",
    )
    told = reasons(intake)
    assert [row for row, *_ in wishes(intake)] == [2]
    assert intake.rows == intake.devices.height + intake.rejected.height == 11
    assert (
        told[3] == told[4] == "an assignment names the endpoint by its endpoint_id, and the SIM by its sim_id or iccid"
    )
    assert told[5] == "the row names no device: every id is empty"
    assert told[6].startswith("the row has no action")
    assert told[7] == "simtandem deletes nothing; allowed are assign, release, reset_connectivity, register_batch"
    assert told[8] == "is not an action; allowed are assign, release, reset_connectivity, register_batch"
    assert "formula" in told[9]
    assert "lost digits" in told[10]
    assert "more cells" in told[11]
    assert "total row" in told[12]


def test_an_endpoint_vouches_for_no_iccid_that_may_have_lost_digits(tmp_path: Path) -> None:
    lines = [f"assign,{at},89883030000{at:04d}0000" for at in range(1000, 1020)]
    with pytest.raises(InputError, match=r"ends in zeros after its 15th digit"):
        read(tmp_path, "\n".join(["action,endpoint_id,iccid", *lines]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("action,name\nassign,x\n", "no column identifies a device"),
        ("action,sim_id\n", "no rows"),
        ("sim_id,endpoint_id\n1,2\n", "the row has no action"),
        ("action,sim_id,effective_at\nrelease,1,2026-03-01\n", "asks for what no SIM action does"),
        ("action,sim_id,customer_org_id\nrelease,1,7\n", "asks for what no SIM action does"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        read(tmp_path, text)
    assert "Nothing was sent." in str(refused.value)


def test_a_carrier_without_actions_says_so(tmp_path: Path) -> None:
    file = tmp_path / "actions.csv"
    file.write_text("action,sim_id\nrelease,1\n")
    with pytest.raises(InputError, match="aeradmin: its interface offers nothing"):
        read_actions([ListFile(file, file.name)], SimAction.RELEASE, lifecycle=AERADMIN)


def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    lines = [f"{at},{at + 1_000_000}" for at in range(1, 100_001)]
    intake = read(tmp_path, "\n".join(["sim_id,endpoint_id", *lines]), SimAction.ASSIGN)
    assert intake.devices.height == 100_000
    assert intake.devices.filter(pl.col("action") == "assign").height == 100_000


def test_several_files_are_one_list_and_every_row_says_where_it_is(tmp_path: Path) -> None:
    texts = ("action,sim_id,endpoint_id,Site\nassign,1,2,Depot 7\nassign,3,,\n", "SIM ID;site\n4;Depot 8\nx;\n")
    intake = read_several(tmp_path, *texts, do=SimAction.RELEASE)
    assert [(row, action) for row, action, *_ in wishes(intake)] == [(2, "assign"), (5, "release")]
    assert list(reasons(intake)) == [3, 6]
    assert (intake.rows, intake.file) == (4, "a.csv, b.csv")
    assert intake.own.select("row", "file", "file_row", "Site").rows() == [
        (2, "a.csv", "2", "Depot 7"),
        (3, "a.csv", "3", None),
        (5, "b.csv", "2", "Depot 8"),
        (6, "b.csv", "3", None),
    ]
    assert "a.csv: Own columns, kept in plan, results and report: 'Site'." in intake.notes
    again = read_several(tmp_path, *reversed(texts), do=SimAction.RELEASE)
    assert again.sha256 == intake.sha256, "the same in any order"


def test_a_file_of_several_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    good = "action,sim_id\nrelease,1\n"
    with pytest.raises(InputError, match=r"^b\.csv: the column 'effective_at' asks for what no SIM action does"):
        read_several(tmp_path, good, "action,sim_id,effective_at\nrelease,1,2026-03-01\n")
    with pytest.raises(InputError, match=r"^b\.csv: the file has a header but no rows"):
        read_several(tmp_path, good, "action,sim_id\n")
    with pytest.raises(InputError, match=r"more than 4 rows together"):
        read_several(tmp_path, good, good, good, reading=Reading(Bounds(rows=4)))
    with pytest.raises(InputError, match=r"^a\.csv, b\.csv: no row is usable; 2 invalid, the first: a\.csv row 2, "):
        read_several(tmp_path, "action,sim_id\nrelease,x\n", "action,sim_id\nrelease,y\n")


def test_own_columns_are_kept_under_names_that_are_free_in_the_files_of_actions(tmp_path: Path) -> None:
    intake = read(tmp_path, "action,sim_id,Site,outcome,Reason\nrelease,1,Depot 7,lost,broken\n")
    assert intake.own.rows(named=True) == [
        {"row": 2, "Site": "Depot 7", "input_outcome": "lost", "input_Reason": "broken"}
    ]
    assert (
        intake.notes[-1] == "Own columns with another name there: 'outcome' is input_outcome, 'Reason' is input_Reason."
    )
