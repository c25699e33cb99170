import polars as pl

from schemas.device_csv import DeviceCsv
from simtandem.intake.row_errors import _SENTENCES, PROBLEMS, one_line_a_row


def test_every_check_of_the_table_has_its_sentence() -> None:
    columns = DeviceCsv.to_schema().columns.items()
    kinds = {check.name for name, column in columns for check in column.checks if name != "row"}
    assert kinds == {*_SENTENCES}


def test_a_row_gets_one_line_in_the_order_of_its_columns() -> None:
    problems = pl.DataFrame(
        [
            (3, 2, "c", "v2", "second"),
            (2, 1, "b", "v", "alone"),
            (3, 0, "a", "v0", "first"),
            (3, 2, "c", "v2", "third"),
        ],
        schema=PROBLEMS,
        orient="row",
    )
    assert one_line_a_row(problems).rows() == [
        (2, "b", "v", "alone"),
        (3, "a", "v0", "first; also c second; also c third"),
    ]


def test_no_problems_make_an_empty_table() -> None:
    assert one_line_a_row(PROBLEMS.to_frame()).columns == ["row", "column", "value", "reason"]
