from datetime import UTC, datetime
from typing import cast

import polars as pl
import pytest

from simtandem.inbox.conflicts import Why
from simtandem.inbox.due_rows import LeftOut
from simtandem.inbox.pickup_summary import STATE_NAMES, Concern, LookSummary
from simtandem.ledger.schedule_records import Arrival, FileVersion, ScheduleState
from simtandem.reports.run_document import Document

NO_ROWS = pl.DataFrame(schema={"row": pl.Int64, "column": pl.String, "value": pl.String, "reason": pl.String})
INVALID = pl.DataFrame({"row": [3], "column": ["iccid"], "value": ["x"], "reason": ["is no ICCID"]})


def arrival(rejected: int = 0, reason: str = "") -> Arrival:
    file = FileVersion("/inbox", "depot.csv", 10, "1.000", "e3b0")
    return Arrival("one", file, datetime(2026, 12, 4, tzinfo=UTC), "depot.csv", 10, rejected, reason)


def document(exit_code: int, **verdicts: int) -> Document:
    return cast("Document", {"schema": 2, "run_id": "run", "exit_code": exit_code, "verdicts": verdicts})


def test_a_partly_invalid_file_is_told_of_with_counts_and_the_first_row() -> None:
    summary = LookSummary()
    summary.took(arrival(rejected=2), INVALID)
    assert str(summary) == "depot.csv: 2 of 10 rows are invalid, the first: row 3, iccid 'x': is no ICCID"
    assert STATE_NAMES[summary.concern] == "Rows invalid or refused"


def test_a_file_of_which_nothing_can_be_used_is_refused() -> None:
    summary = LookSummary()
    summary.took(arrival(reason="no row is usable;\nNothing was sent."), NO_ROWS)
    assert str(summary) == "depot.csv: refused, no row is usable; Nothing was sent."


def test_a_good_file_is_nobodys_concern() -> None:
    summary = LookSummary()
    summary.took(arrival(), NO_ROWS)
    summary.ended("depot.csv", ScheduleState.APPLIED, document(0, in_sync=10), "")
    summary.left_out(LeftOut("off.csv", Why.LATER_ROW, 1, 2, "overtaken by on.csv row 2, which was due later"))
    assert summary.concern is Concern.NOTHING
    assert summary.sentences[0] == "depot.csv: applied, 10 in sync (run run)"


@pytest.mark.parametrize(
    ("state", "verdicts", "concern"),
    [
        (ScheduleState.APPLIED, {"in_sync": 8, "refused": 2}, Concern.ROWS),
        (ScheduleState.APPLIED, {"in_sync": 8, "refused": 1, "failed": 1}, Concern.NOT_IN_SYNC),
        (ScheduleState.STOPPED, {"in_sync": 8, "skipped": 2}, Concern.NOT_IN_SYNC),
    ],
)
def test_rows_that_are_the_files_fault_are_told_apart_from_those_that_are_not(
    state: ScheduleState, verdicts: dict[str, int], concern: Concern
) -> None:
    summary = LookSummary()
    summary.ended("depot.csv", state, document(1, **verdicts), "")
    assert summary.concern is concern


def test_what_weighs_most_names_the_look() -> None:
    summary = LookSummary()
    summary.token_refused("The token is wrong.\nMake another.", ["a.csv", "b.csv"])
    summary.took(arrival(rejected=1), INVALID)
    assert STATE_NAMES[summary.concern] == "Token refused"
    assert summary.sentences[0] == (
        "the carrier refused the token: The token is wrong. 2 files wait, nothing is lost: a.csv, b.csv."
    )
    assert "1 of 10 rows is invalid" in summary.sentences[1]


def test_a_thousand_waiting_files_are_counted_not_listed() -> None:
    summary = LookSummary()
    summary.out_of_reach("The disk is full", [f"{number}.csv" for number in range(1000)])
    assert str(summary).endswith("4.csv and 995 more.")
    assert str(summary).startswith("The disk is full. 1,000 files wait")


def test_entries_that_are_not_taken_are_named_and_concern_nobody() -> None:
    summary = LookSummary()
    summary.not_taken({f"{number}.csv": "a named pipe" for number in range(7)})
    assert str(summary) == (
        "not taken: 0.csv (a named pipe), 1.csv (a named pipe), 2.csv (a named pipe), 3.csv (a named pipe), "
        "4.csv (a named pipe) and 2 more"
    )
    assert summary.concern is Concern.NOTHING
    assert summary.sentences == []


def test_entries_that_are_not_taken_come_last() -> None:
    summary = LookSummary()
    summary.not_taken({"pipe.csv": "a named pipe"})
    summary.took(arrival(rejected=1), INVALID)
    assert str(summary).endswith("is no ICCID; not taken: pipe.csv (a named pipe)")
