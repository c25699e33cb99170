import csv
import re
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tables import Plan, Rejected, Results, empty
from simtandem.errors import LedgerError
from simtandem.reports.result_files import write_invalid, write_plan, write_results, write_retry
from simtandem.reports.spreadsheet_cells import csv_text
from simtandem.text.escaping import visible

PLANNED = {
    "sim_id": "1",
    "iccid": "8988303000000001234",
    "endpoint_id": "2",
    "sim_before": "Suspended",
    "endpoint_before": "Disabled",
    "desired": "activated",
    "sim_after": "Activated",
    "endpoint_after": "Enabled",
    "sim_step": True,
    "endpoint_step": True,
    "first": "endpoint",
    "action": "change",
    "reason": "",
    "newly_billed": True,
    "same_as": None,
}


def plan_of(*rows: Mapping[str, object]) -> pl.DataFrame:
    full = [{"row": n, **PLANNED, **row} for n, row in enumerate(rows, start=2)]
    return Plan.validate(pl.DataFrame(full, schema=empty(Plan).schema))


def read(path: Path) -> list[dict[str, str]]:
    """The file as a program reads it: the byte order mark and one leading apostrophe taken off."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("row", "steps"),
    [
        ({}, "endpoint Enabled, then SIM Activated"),
        (
            {"first": "sim", "sim_after": "Suspended", "endpoint_after": "Disabled"},
            "SIM Suspended, then endpoint Disabled",
        ),
        ({"endpoint_step": False, "first": "sim"}, "SIM Activated"),
        ({"sim_step": False}, "endpoint Enabled"),
        ({"sim_step": False, "endpoint_step": False, "first": None, "action": "unchanged"}, ""),
        ({"action": "refused", "sim_step": False, "endpoint_step": False, "sim_after": None}, ""),
        ({"action": "repeat", "same_as": 2}, ""),
    ],
)
def test_the_plan_tells_the_steps_of_a_row_in_their_order(tmp_path: Path, row: dict[str, object], steps: str) -> None:
    write_plan(plan_of(row), tmp_path / "plan.csv")

    assert read(tmp_path / "plan.csv")[0]["steps"] == steps


def test_the_plan_tells_which_row_a_repeat_repeats(tmp_path: Path) -> None:
    write_plan(plan_of({}, {"action": "repeat", "same_as": 2}, {"reason": "kept"}), tmp_path / "plan.csv")

    assert [row["reason"] for row in read(tmp_path / "plan.csv")] == ["", "same device and status as row 2", "kept"]


def test_a_plan_file_is_byte_for_byte_what_a_spreadsheet_takes(tmp_path: Path) -> None:
    write_plan(plan_of({"reason": 'say "no", please\nnow'}), tmp_path / "plan.csv")

    assert (tmp_path / "plan.csv").read_bytes() == (
        b"\xef\xbb\xbfrow,sim_id,iccid,endpoint_id,sim_before,endpoint_before,sim_after,endpoint_after,steps,reason\r\n"
        b"2,1,'8988303000000001234,2,Suspended,Disabled,Activated,Enabled,"
        b'"endpoint Enabled, then SIM Activated","say ""no"", please\\nnow"\r\n'
    )


def test_results_have_one_line_a_row_in_the_documented_columns(
    tmp_path: Path, make_results: Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
) -> None:
    nothing = {
        "sim_id": None,
        "iccid": None,
        "endpoint_id": None,
        "desired": None,
        "sim_outcome": None,
        "endpoint_outcome": None,
        "http_status": None,
    }
    results = make_results([{}, {**nothing, "verdict": "refused", "reason": "no id"}])

    write_results(results, tmp_path / "results.csv")

    rows = read(tmp_path / "results.csv")
    assert ",".join(rows[0]) == (
        "row,sim_id,iccid,endpoint_id,desired,before,after,sim_outcome,endpoint_outcome,verdict,reason,"
        "attempts,http_status,error"
    )
    lines = results.select(list(rows[0])).to_dicts()
    expected = [{name: "" if cell is None else str(cell) for name, cell in line.items()} for line in lines]
    assert rows == expected


def test_rows_to_retry_are_an_input_file(tmp_path: Path) -> None:
    retry = pl.DataFrame(
        {
            "iccid": ["8988303000000001234", None],
            "status": ["activated"] * 2,
            "sim_id": [None, "7"],
            "endpoint_id": [None] * 2,
        },
        schema_overrides={"endpoint_id": pl.String},
    )

    write_retry(retry, tmp_path / "retry.csv")

    assert (tmp_path / "retry.csv").read_bytes() == (
        b"\xef\xbb\xbfsim_id,endpoint_id,iccid,status\r\n,,'8988303000000001234,activated\r\n7,,,activated\r\n"
    )


@pytest.mark.parametrize(
    ("write", "table", "header"),
    [
        (write_invalid, Rejected, b"row,column,value,reason"),
        (
            write_plan,
            Plan,
            b"row,sim_id,iccid,endpoint_id,sim_before,endpoint_before,sim_after,endpoint_after,steps,reason",
        ),
    ],
)
def test_no_rows_leave_a_header(
    tmp_path: Path, write: Callable[[pl.DataFrame, Path], None], table: type, header: bytes
) -> None:
    write(empty(table), tmp_path / "file.csv")

    assert (tmp_path / "file.csv").read_bytes() == b"\xef\xbb\xbf" + header + b"\r\n"


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        '"=1',
        "\uff1d1",
        "'quoted",
        "8.98830E+18",
        "89883030000000012345",
        "007",
    ],
)
def test_a_cell_a_spreadsheet_would_run_or_round_begins_with_an_apostrophe(tmp_path: Path, value: str) -> None:
    rejected = pl.DataFrame([(2, "iccid", value, value)], schema=empty(Rejected).schema, orient="row")

    write_invalid(rejected, tmp_path / "invalid.csv")

    with (tmp_path / "invalid.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["value"], row["reason"]) == (f"'{value}", f"'{value}")


@pytest.mark.parametrize("value", ["\t=1", "\r=1", "\n=1", "a\x1b[2J", "\u202egnp", "a\u200bb", "a\0b"])
def test_what_is_not_seen_stands_as_an_escape(tmp_path: Path, value: str) -> None:
    rejected = pl.DataFrame([(2, "iccid", value, value)], schema=empty(Rejected).schema, orient="row")

    write_invalid(rejected, tmp_path / "invalid.csv")

    assert f",{visible(value)},".encode() in (tmp_path / "invalid.csv").read_bytes()
    assert "\\" in visible(value)


@pytest.mark.parametrize("value", ["x;=1+1", "x\t=cmd|' /C calc'!A0", "a, +1", 'a;"@SUM(1)', "a|-2"])
def test_no_part_behind_a_separator_begins_like_a_formula(tmp_path: Path, value: str) -> None:
    rejected = pl.DataFrame([(2, "iccid", value, "r")], schema=empty(Rejected).schema, orient="row")

    write_invalid(rejected, tmp_path / "invalid.csv")

    told = (tmp_path / "invalid.csv").read_text("utf-8-sig")
    assert not re.search(
        r"[;,|\t]\s*[\"']*\s*[=@+-]", told.replace("'=", "").replace("'@", "").replace("'+", "").replace("'-", "")
    )


@pytest.mark.parametrize("value", ["plain", "12345678901", "0", "a=b", "Ünïcode ✓", " x "])
def test_a_harmless_cell_stays_as_it_is(tmp_path: Path, value: str) -> None:
    rejected = pl.DataFrame([(2, "iccid", value, "r")], schema=empty(Rejected).schema, orient="row")

    write_invalid(rejected, tmp_path / "invalid.csv")

    assert f",{value},".encode() in (tmp_path / "invalid.csv").read_bytes()


def test_every_sign_there_is_is_seen_or_an_escape() -> None:
    signs = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]
    written = pl.DataFrame({"sign": signs}).select(csv_text(pl.col("sign")))["sign"].to_list()
    assert [ascii(sign) for sign, cell in zip(signs, written, strict=True) if cell != visible(sign)] == []


hostile = st.text(alphabet=st.sampled_from("=+-@\t\r\n'\",;ab01éE \uff1d"), max_size=8) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(hostile, hostile, hostile), min_size=1, max_size=4))
def test_no_cell_begins_like_a_formula_and_every_value_comes_back(
    tmp_path: Path, cells: list[tuple[str, str, str]]
) -> None:
    rejected = pl.DataFrame(
        [(n, *texts) for n, texts in enumerate(cells, start=2)], schema=empty(Rejected).schema, orient="row"
    )
    path = tmp_path / "invalid.csv"

    write_invalid(rejected, path)

    with path.open(encoding="utf-8-sig", newline="") as file:
        written = [row[1:] for row in csv.reader(file)][1:]
    assert not [cell for row in written for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    pieces = [piece for row in written for cell in row for piece in re.split("[;,|]", cell)]
    assert not [piece for piece in pieces if piece.lstrip(' "').startswith(("=", "+", "-", "@", "\uff1d"))]
    kept = [tuple(cell.replace("'", "") for cell in row) for row in written]
    assert kept == [tuple(visible(value).replace("'", "") for value in row) for row in cells]


def test_memory_does_not_grow_with_the_fleet(
    tmp_path: Path, make_results: Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
) -> None:
    def peak(rows: int) -> int:
        results = pl.concat([make_results([{}])] * rows, rechunk=True)
        tracemalloc.start()
        write_results(results, tmp_path / "results.csv")
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(200_000) < 1.5 * peak(50_000)


def test_an_existing_file_survives_a_failure(tmp_path: Path) -> None:
    (tmp_path / "results.csv").mkdir()

    with pytest.raises(LedgerError, match=r"results\.csv can't be written"):
        write_results(empty(Results), tmp_path / "results.csv")

    assert [entry.name for entry in tmp_path.iterdir()] == ["results.csv"]
