"""The first sentence about a run."""

from typing import Any

import pytest

from schemas.statuses import StoppedBy
from simtandem.reports.headline import command, headline, next_lines, parts, retry_command


def told(**more: Any) -> dict[str, Any]:
    verdicts = {"in_sync": 69, "failed": 0, "unknown": 0, "refused": 2, "invalid": 0, "skipped": 979}
    return {
        "run_id": "r1",
        "exit_code": 1,
        "input": {"rows": 1050},
        "plan": {"owner_changes": 0},
        "verdicts": verdicts,
        "not_sent": {"half_done": 933, "not_begun": 46},
        **more,
    }


@pytest.mark.parametrize(
    ("by", "who"),
    [
        (StoppedBy.OPERATOR, "Stopped by you"),
        (StoppedBy.PREFECT, "Cancelled in Prefect"),
        (StoppedBy.STOP_RULE, "Stopped by the stop rule"),
        (StoppedBy.ERROR, "Stopped by an error"),
        (StoppedBy.KILLED, "Ended before it was done"),
    ],
)
def test_a_run_that_was_stopped_says_by_whom_and_what_became_of_every_row(by: StoppedBy, who: str) -> None:
    document = told(stopped={"by": str(by), "why": ""})
    assert headline(document) == f"{who}: 69 in sync, 933 partly changed, 46 not begun, 2 refused"
    assert sum(count for count, _ in parts(document)) == document["input"]["rows"]


def test_a_run_that_came_to_its_end_says_how_many_rows_are_in_sync() -> None:
    assert headline(told()) == "69 of 1,050 rows are in sync"


def test_a_run_that_is_still_at_work_is_told_to_be() -> None:
    assert headline(told(exit_code=None)).startswith("Still running: 69 in sync")


def test_a_run_that_pauses_is_not_told_to_be_running() -> None:
    assert headline(told(exit_code=None, state="paused")).startswith("Paused: 69 in sync, 933 partly changed, 46 not")


def test_a_refused_plan_is_no_run_that_failed() -> None:
    document = told(refusal="emnify: too many.", next="simtandem retry r1")
    assert headline(document) == "Refused before anything was sent: 1,050 rows left as they were"
    assert retry_command(document) == ""


def test_rows_that_were_not_sent_are_called_so() -> None:
    assert parts(told(not_sent={"half_done": 0, "not_begun": 979}))[1] == (979, "not sent")


def test_the_next_command_can_be_pasted_into_a_shell() -> None:
    assert command("retry", told(run_id="a b")) == "simtandem retry 'a b'"
    assert command("retry", told(plan={"owner_changes": 1})) == "simtandem retry r1 --change-owners"


def test_what_to_do_next_is_as_the_rows_decided_it() -> None:
    assert next_lines(told()) == []
    assert next_lines(told(next="simtandem retry r1", instead=["2 rows: no."])) == [
        "To continue: simtandem retry r1",
        "2 rows: no.",
    ]
