"""Columns that ask for another owner: how they are read, and what is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.statuses import Target
from simtandem.errors import InputError
from simtandem.intake import Intake
from tests.simtandem.emnify_lists import read_devices, read_schedule

ONE, TWO = "8988303000010000001", "8988303000010000002"


def read(directory: Path, *rows: str, header: str, to: Target | None = None) -> Intake:
    path = directory / "devices.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_devices(path, to)


def asked(directory: Path, *rows: str, header: str, to: Target | None = None) -> list[tuple[str | None, str | None]]:
    """Status and owners of each usable row."""
    return read(directory, *rows, header=header, to=to).devices.select("desired", "owners").rows()


@pytest.mark.parametrize(
    ("header", "owners"),
    [
        ("customer_org_id", "customer_org_id=42"),
        ("Customer Org ID", "customer_org_id=42"),
        ("RESELLER-ORG-ID", "reseller_org_id=42"),
        ("resellerOrgId", "reseller_org_id=42"),
        (" 'Issuer_Org_Id ", "issuer_org_id=42"),
    ],
)
def test_the_columns_are_known_however_they_are_spelled(tmp_path: Path, header: str, owners: str) -> None:
    assert asked(tmp_path, "7,42", header=f"sim_id,{header}") == [(None, owners)]


@pytest.mark.parametrize("header", ["customer_org", "Customer", "organisation", "customer_org_name", "org_id", "owner"])
def test_a_column_that_only_sounds_like_an_owner_is_left_alone(tmp_path: Path, header: str) -> None:
    assert asked(tmp_path, "7,42,activated", header=f"sim_id,{header},status") == [("activated", None)]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("42", "42"),
        ("42.0", "42"),
        ("'42", "42"),
        ('"=""42"""', "42"),
        ("\u00a042 ", "42"),
        ("0042", "42"),
        ("none", "none"),
        ("None", "none"),
        ("NONE ", "none"),
    ],
)
def test_an_owner_is_a_number_or_none_whatever_a_spreadsheet_put_around_it(
    tmp_path: Path, cell: str, value: str
) -> None:
    assert asked(tmp_path, f"7,{cell}", header="sim_id,customer_org_id") == [(None, f"customer_org_id={value}")]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("Acme Ltd", "is neither an organisation's number nor none"),
        ("null", "is neither an organisation's number nor none"),
        ("42.5", "is neither an organisation's number nor none"),
        ("none 42", "is neither an organisation's number nor none"),
        ("0", "is zero; ids begin at 1"),
        ("-42", "is a formula; enter the value itself"),
        ("=A1", "is a formula; enter the value itself"),
        ("4.2E+07", "a spreadsheet turned it into a number and lost digits"),
        ("10.000.001", "has separators between its digits; write the digits only"),
        (ONE, "has 19 digits, an id has at most 18"),
    ],
)
def test_what_is_no_owner_is_told_with_row_column_value_and_reason(tmp_path: Path, cell: str, reason: str) -> None:
    header = "sim_id,Customer Org ID,reseller_org_id"
    intake = read(tmp_path, "7,42,none", f"8,{cell},", header=header)
    assert intake.devices["row"].to_list() == [2]
    ((row, column, value, why),) = intake.rejected.rows()
    assert (row, column, value) == (3, "Customer Org ID", cell)
    assert why.startswith(reason)


@pytest.mark.parametrize("cell", ["none", "NONE"])
def test_a_sim_can_not_be_left_without_an_issuer(tmp_path: Path, cell: str) -> None:
    intake = read(tmp_path, f"7,{cell}", "8,42", header="sim_id,issuer_org_id")
    assert intake.rejected.rows() == [
        (2, "issuer_org_id", cell, "a SIM always has an issuer; give an organisation's number")
    ]


def test_a_row_may_ask_for_an_owner_alone_and_the_next_for_a_status_alone(tmp_path: Path) -> None:
    rows = asked(
        tmp_path,
        "7,,42,",
        "8,suspended,,",
        "9,activated,42,none",
        header="sim_id,status,customer_org_id,reseller_org_id",
    )
    assert rows == [
        (None, "customer_org_id=42"),
        ("suspended", None),
        ("activated", "customer_org_id=42, reseller_org_id=none"),
    ]


def test_a_row_that_asks_for_neither_is_rejected(tmp_path: Path) -> None:
    intake = read(tmp_path, "7,,42", "8,,", header="sim_id,status,customer_org_id")
    assert intake.devices["row"].to_list() == [2]
    ((row, _, _, reason),) = intake.rejected.rows()
    assert (row, reason) == (3, "the row asks for no status and no owner, and no status was given for all rows")


def test_a_file_in_which_no_row_asks_for_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row has a status"):
        read(tmp_path, "7,", "8,", header="sim_id,customer_org_id")


def test_the_status_given_for_all_rows_goes_with_the_owners_of_each(tmp_path: Path) -> None:
    rows = asked(tmp_path, "7,42", "8,", header="sim_id,customer_org_id", to=Target.SUSPENDED)
    assert rows == [("suspended", "customer_org_id=42"), ("suspended", None)]


def test_two_columns_for_one_owner_must_agree(tmp_path: Path) -> None:
    header = "sim_id,customer_org_id,Customer Org ID"
    intake = read(tmp_path, "7,42,42", "8,,43", "9,42,43", header=header)
    assert intake.devices["owners"].to_list() == ["customer_org_id=42", "customer_org_id=43"]
    assert intake.rejected.rows() == [(4, "Customer Org ID", "43", "disagrees with the column 'customer_org_id'")]


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        (
            ["7,,42", "7,,43"],
            {
                2: "asks for customer_org_id=42, but row 3 for another owner of the same device",
                3: "asks for customer_org_id=43, but row 2 for another owner of the same device",
            },
        ),
        (
            ["7,activated,42", "7,activated,"],
            {
                2: "asks for customer_org_id=42, but row 3 for another owner of the same device",
                3: "asks for no owner, but row 2 for another owner of the same device",
            },
        ),
        (
            ["7,activated,42", "7,,42"],
            {
                2: "asks for activated, but row 3 for another status of the same device",
                3: "asks for no status, but row 2 for another status of the same device",
            },
        ),
    ],
)
def test_rows_that_contradict_each_other_about_one_device_name_each_other(
    tmp_path: Path, rows: list[str], reasons: dict[int, str]
) -> None:
    intake = read(tmp_path, *rows, "8,,42", header="sim_id,status,customer_org_id")
    assert intake.devices["row"].to_list() == [4]
    assert dict(intake.rejected.select("row", "reason").rows()) == reasons


def test_a_row_that_asks_the_same_again_is_a_repeat(tmp_path: Path) -> None:
    intake = read(tmp_path, f"7,{ONE},42", f",{ONE},42.0", header="sim_id,iccid,customer_org_id")
    assert intake.repeats.rows() == [(3, 2)]
    assert intake.rejected.is_empty()


def test_a_file_for_later_may_not_change_owners() -> None:
    data = f"iccid,status,Customer Org ID,effective_at\n{ONE},activated,42,2026-12-05\n".encode()
    with pytest.raises(InputError, match=r"'Customer Org ID' asks for another owner.*\n.*apply --change-owners"):
        read_schedule(data, "x.csv", None, lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_a_file_without_the_columns_asks_for_no_owner(tmp_path: Path) -> None:
    intake = read(tmp_path, f"{ONE},activated", f"{TWO},suspended", header="iccid,status")
    assert intake.devices["owners"].null_count() == intake.devices.height == 2
