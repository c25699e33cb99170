from typing import Any

import pytest

from schemas.statuses import Verdict
from simtandem.cli.run_output import show_files, show_paths, show_result
from tests.simtandem.cli.paper import paper


def document() -> Any:
    counts = {
        "devices": 8,
        "sim_changes": 3,
        "endpoint_changes": 2,
        "unchanged": 1,
        "refused": 0,
        "newly_billed": 3,
        "owner_changes": 0,
    }
    return {
        "run_id": "r1",
        "exit_code": 1,
        "carrier": "emnify",
        "carrier_host": "cdn.emnify.net",
        "account": "default",
        "changed": {"newly_billed": 2},
        "not_sent": {"half_done": 0, "not_begun": 0},
        "digest": "d1g3st",
        "input": {"file": "fleet.csv", "rows": 1234, "invalid": 0},
        "plan": {**counts, "calls": 2345, "eta_s": 600.0},
        "verdicts": dict.fromkeys(Verdict, 0) | {Verdict.IN_SYNC: 1230, Verdict.FAILED: 4},
        "calls": {"total": 2345, "retried": 6, "throttled": 7},
        "seconds": 95.0,
        "files": {"report": "/runs/r1/report.html", "plan": "/runs/r1/plan.csv"},
        "next": "simtandem retry r1",
    }


def test_a_result_names_the_verdicts_that_occurred() -> None:
    out, printed = paper()
    show_result(out, document())
    shown = printed.getvalue()
    assert "1,230 of 1,234 rows are in sync." in shown
    assert "4  failed" in shown
    assert "unknown" not in shown
    assert "2,345  calls (6 retried, 7 rate-limited) in 1 min 35 s" in shown
    assert "2  SIMs newly billed (3 planned)" in shown
    assert "emnify at cdn.emnify.net, account default" in shown
    assert "To continue: simtandem retry r1" in shown


def test_a_stopped_run_is_told_with_what_is_half_done_and_how_to_go_on() -> None:
    out, printed = paper()
    told = document() | {
        "exit_code": 130,
        "verdicts": dict.fromkeys(Verdict, 0) | {Verdict.IN_SYNC: 255, Verdict.SKIPPED: 979},
        "not_sent": {"half_done": 933, "not_begun": 46},
        "stopped": {"by": "operator", "why": ""},
    }
    show_result(out, told)
    shown = printed.getvalue()
    assert "Stopped by you: 255 in sync, 933 partly changed, 46 not begun." in shown
    assert "979  not sent: 933 partly changed, 46 not begun" in shown
    assert "To continue: simtandem retry r1" in shown


def test_what_no_run_can_change_is_told_in_place_of_a_retry() -> None:
    out, printed = paper()
    told = document() | {"instead": ["2 rows: no step leads there: ask for another status."]}
    del told["next"]
    show_result(out, told)
    assert "To continue" not in printed.getvalue()
    assert "  2 rows: no step leads there: ask for another status." in printed.getvalue()


def test_of_several_reasons_the_commonest_is_shown_and_where_the_others_are() -> None:
    out, printed = paper()
    show_result(out, document() | {"instead": ["5 rows: this.", "1 row: that.", "1 row: the other."]})
    assert "5 rows: this." in printed.getvalue()
    assert "Other rows have other reasons: see report.html." in printed.getvalue()
    assert "that." not in printed.getvalue()


def test_files_are_named_on_a_line_each_that_can_be_copied_whole() -> None:
    out, printed = paper()
    long = "/" + "deep/" * 40 + "report.html"
    show_paths(out, {"report": long, "unheard_of": "/x"})
    assert any(long in line for line in printed.getvalue().splitlines())
    assert "/x" not in printed.getvalue()


@pytest.mark.parametrize(("invalid", "listed"), [(0, False), (3, True)])
def test_a_file_of_invalid_rows_is_listed_only_if_there_are_any(invalid: int, listed: bool) -> None:
    out, printed = paper()
    shown = document()
    shown["input"]["invalid"] = invalid
    shown["files"]["invalid"] = "/runs/r1/invalid.csv"
    show_files(out, shown)
    assert ("invalid.csv" in printed.getvalue()) is listed
    assert "plan.csv" in printed.getvalue()


@pytest.mark.parametrize(
    ("verdicts", "listed"),
    [({"in_sync": 3, "refused": 1, "invalid": 1}, False), ({"in_sync": 3, "changed_by_others": 1}, True)],
)
def test_a_file_of_rows_to_retry_is_listed_only_if_there_are_any(verdicts: dict[str, int], listed: bool) -> None:
    out, printed = paper()
    shown = document()
    shown["verdicts"] = {str(verdict): verdicts.get(verdict, 0) for verdict in Verdict}
    shown["files"]["retry"] = "/runs/r1/retry.csv"
    show_files(out, shown)
    assert ("retry.csv" in printed.getvalue()) is listed
