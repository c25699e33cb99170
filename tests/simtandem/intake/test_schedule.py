from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.statuses import Target
from simtandem.errors import InputError
from simtandem.intake import Intake
from tests.simtandem.emnify_lists import read_devices, read_schedule

ONE, TWO = "8988303000000000011", "8988303000000000012"


def when(text: str) -> datetime:
    if text.startswith("20"):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    raise ValueError("is no time")


def read(*rows: str, header: str = "iccid,status,Effective At", to: Target | None = None) -> Intake:
    return read_schedule("\n".join([header, *rows]).encode(), "x.csv", to, when)


def test_a_device_may_be_asked_for_once_for_each_moment() -> None:
    intake = read(f"{ONE},suspended,2026-12-05", f"{ONE},activated,2026-12-07", f"{ONE},activated,2026-12-07")
    assert intake.devices["row"].to_list() == [2, 3]
    assert intake.repeats.rows() == [(4, 3)]
    assert intake.rejected.is_empty()
    assert [moment.day for moment in intake.moments["effective_at"]] == [5, 7, 7]


def test_contradictions_at_one_moment_are_refused_also_where_it_is_written_differently() -> None:
    intake = read(f"{ONE},suspended,2026-12-05", f"{ONE},activated,2026-12-05 00:00", f"{TWO},activated,2026-12-05")
    assert intake.devices["row"].to_list() == [4]
    assert intake.rejected["row"].to_list() == [2, 3]


def test_rows_without_a_moment_contradict_each_other_only() -> None:
    intake = read(f"{ONE},suspended,", f"{ONE},activated,2026-12-05", f"{TWO},activated,", f"{TWO},suspended,")
    assert intake.devices["row"].to_list() == [2, 3]
    assert intake.rejected["row"].to_list() == [4, 5]
    assert intake.moments["row"].to_list() == [3]


def test_a_moment_that_is_none_is_told_with_row_column_value_and_reason() -> None:
    intake = read(f"{ONE},activated,soon", f"{ONE},suspended,2026-12-05", "12,activated,never")
    assert intake.rejected.rows() == [
        (2, "Effective At", "soon", "is no time"),
        (4, "iccid", "12", "has 2 digits, an ICCID has 19, or 20 with its check digit; also Effective At is no time"),
    ]
    assert intake.devices["row"].to_list() == [3]


def test_two_columns_that_say_when_must_agree() -> None:
    header = "iccid,effective_at,effective_from"
    intake = read(f"{ONE},2026-12-05,2026-12-06", f"{TWO},,2026-12-06", header=header, to=Target.ACTIVATED)
    assert intake.rejected["reason"].to_list() == ["disagrees with the column 'effective_at'"]
    assert intake.devices["row"].to_list() == [3]
    assert intake.moments["row"].to_list() == [3]


def test_that_no_row_is_usable_is_left_to_the_caller() -> None:
    intake = read(f"{ONE},activated,soon")
    assert intake.devices.is_empty()
    assert intake.rejected.height == 1


def test_a_file_that_is_no_table_of_devices_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"x\.csv: no column identifies a device"):
        read("a,b,c", header="one,two,three")


def test_a_file_that_says_when_is_refused_where_that_can_not_be_heeded(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"iccid,status,effective_at\n{ONE},activated,2026-12-07\n")
    with pytest.raises(InputError, match="schedule add"):
        read_devices(file)


def test_an_empty_column_of_moments_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"iccid,status,effective_at\n{ONE},activated,\n")
    assert read_devices(file).devices.height == 1
