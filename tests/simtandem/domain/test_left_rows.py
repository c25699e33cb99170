"""A retry is offered for rows that it would send; of all others it is said what to do instead."""

from collections.abc import Mapping

import polars as pl
import pytest

from schemas.statuses import Verdict
from schemas.tables import Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.left_rows import barred, left_rows

USUAL = {
    "iccid": "8988303000000001234",
    "desired": "activated",
    "before": "Suspended+Disabled",
    "after": "Suspended+Disabled",
    "verdict": "failed",
    "reason": "",
    "attempts": 1,
    "error": "",
}
NO_WAY = {"after": "Deleted+Disabled"}
NOWHERE = {"verdict": "refused", "before": "", "after": "", "reason": "SIM 12345678 is not in the carrier's inventory"}
FORBIDDEN = {"verdict": "refused", "desired": "suspended", "reason": "no step leads a SIM from Issued to Suspended"}


def results(*rows: Mapping[str, object]) -> pl.DataFrame:
    full = [{"row": n, "sim_id": str(n), "endpoint_id": str(n + 100), **USUAL, **row} for n, row in enumerate(rows, 2)]
    return Results.validate(pl.DataFrame(full, schema=empty(Results).schema))


@pytest.mark.parametrize("verdict", ["failed", "unknown", "skipped"])
def test_a_row_whose_move_is_allowed_is_retried(verdict: str) -> None:
    left = left_rows(results({"verdict": verdict}, {"verdict": "in_sync"}), EMNIFY)
    assert (left.retried["row"].to_list(), left.instead) == ([2], ())


def test_what_was_not_seen_is_read_by_a_retry() -> None:
    assert left_rows(results({"verdict": "unknown", "after": ""}), EMNIFY).retried.height == 1


def test_a_row_that_no_run_can_change_any_more_is_not_retried() -> None:
    left = left_rows(results(NO_WAY, NO_WAY), EMNIFY)
    assert left.retried.is_empty()
    [sentence] = left.instead
    assert sentence == (
        "2 rows: the SIM is Deleted, which is final; take the row out (the first: row 2, SIM 2): no run can change "
        "that, so ask for another status, or take them out of the list."
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (NOWHERE, "1 row: SIM … is not in the carrier's inventory (the first: row 2, SIM 2): correct it in the list"),
        (FORBIDDEN, "1 row: no step leads a SIM from Issued to Suspended (the first: row 2, SIM 2): no run can"),
        (
            {"verdict": "refused", "reason": "rows contradict each other about one device: row 2 …; keep one of them"},
            "1 row: rows contradict each other about one device: row … …; keep one of them (the first: row 2, SIM",
        ),
        (
            {"verdict": "invalid", "sim_id": None, "endpoint_id": None, "iccid": None, "desired": None, "after": ""}
            | {"reason": "not an id", "before": ""},
            "1 row: not an id (the first: row 2): correct it in the list, then apply the list again.",
        ),
    ],
)
def test_of_each_other_row_it_is_said_what_to_do(row: Mapping[str, object], told: str) -> None:
    left = left_rows(results(row), EMNIFY)
    assert left.retried.is_empty()
    [sentence] = left.instead
    assert sentence.startswith(told)


def test_reasons_are_grouped_the_commonest_first_and_not_endless() -> None:
    many = [FORBIDDEN | {"reason": f"reason {'abcdefg'[at]}"} for at in range(7)]
    left = left_rows(results(*many, FORBIDDEN, FORBIDDEN), EMNIFY)
    assert left.instead[0].startswith("2 rows: no step leads")
    assert left.instead[-1] == "3 other reasons: see results.csv."


def test_a_device_that_two_rows_name_counts_once() -> None:
    same = {"sim_id": "7", "endpoint_id": "107"}
    assert left_rows(results(same, same), EMNIFY).retried.height == 1
    assert left_rows(results(FORBIDDEN | same, FORBIDDEN | same), EMNIFY).instead[0].startswith("1 row:")


def test_where_nobody_read_the_carrier_also_what_is_right_by_the_record_is_read() -> None:
    told = results({"verdict": "in_sync", "after": "Activated+Enabled"}, FORBIDDEN)
    assert left_rows(told, EMNIFY).retried.is_empty()
    assert left_rows(told, EMNIFY, unread=True).retried["row"].to_list() == [2]


def test_only_open_rows_are_barred_in_the_order_of_the_table() -> None:
    table = results({}, NO_WAY, NO_WAY | {"verdict": str(Verdict.IN_SYNC)}, NO_WAY | {"verdict": "changed_by_others"})
    assert barred(table, EMNIFY).to_list() == [False, True, False, True]
    assert barred(table.reverse(), EMNIFY).to_list() == [True, False, True, False]
