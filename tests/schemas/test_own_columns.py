import polars as pl
import pytest

from schemas import own_columns
from schemas.own_columns import MOST, RESERVED, beside, decoded, encoded, names, usable_names
from simtandem.reports import report_tables, result_files


def test_every_column_of_the_files_that_own_columns_are_in_is_reserved() -> None:
    files = {
        *result_files.PLAN,
        *result_files.INVALID,
        *result_files.RESULTS,
        *result_files.RESULT_OWNERS,
        *result_files.RETRY,
        *report_tables.DEVICES,
    }
    assert files <= RESERVED


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["Site", "customer"], ["Site", "customer"]),
        (["reason", "Reason", "REASON"], ["input_reason", "input_Reason_2", "input_REASON_3"]),
        (["tag", "tag"], ["tag", "input_tag"]),
        (["reason", "input_reason"], ["input_reason", "input_input_reason"]),
        (["=HYPERLINK(1)", "@x", "'+y", "^a$", "*", "-"], ["HYPERLINK(1)", "x", "y", "a$", "column_5", "column_6"]),
        (["a\nb\0c", "\u202e"], ["a b c", "column_2"]),
        (["x" * 99], ["x" * 60]),
    ],
)
def test_names_are_free_in_every_file_and_run_nowhere(headers: list[str], expected: list[str]) -> None:
    assert usable_names(headers) == expected


def test_as_many_columns_of_one_name_as_are_kept_have_names() -> None:
    assert len(set(usable_names(["reason"] * MOST))) == MOST


def test_what_is_recorded_is_read_back() -> None:
    own = pl.DataFrame({"row": [2, 3, 4], "site": ['a"b', None, "ü"], "^x": [None, None, "1"]})
    assert decoded(encoded(own)).rows(named=True) == [
        {"row": 2, "site": 'a"b', "^x": None},
        {"row": 4, "site": "ü", "^x": "1"},
    ]
    assert names(decoded(encoded(own_columns.none()))) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"site": {"a": 1}, "row": "9"}'])
def test_a_record_that_was_damaged_leaves_its_cells_empty(text: str) -> None:
    table = pl.DataFrame({"row": [2, 3], "cells": ['{"site": "a"}', text]})
    assert decoded(table).rows() == [(2, "a"), (3, None)]


def test_rows_have_their_own_columns_beside_them_in_any_order_and_as_often_as_they_come() -> None:
    own = pl.DataFrame({"row": [2, 3], "site": ["a", "b"]})
    assert beside(own, pl.Series([3, 9, 2, 3]))["site"].to_list() == ["b", None, "a", "b"]
