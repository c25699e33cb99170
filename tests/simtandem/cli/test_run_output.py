from collections.abc import Sequence
from typing import Any

import pytest

from schemas.statuses import Verdict
from simtandem.cli.run_output import PlanView, show_files, show_paths, show_plan, show_result
from tests.simtandem.cli.paper import paper


def document(**plan: int) -> Any:
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
        "plan": {**counts, "calls": 2345, "eta_s": 600.0, **plan},
        "verdicts": dict.fromkeys(Verdict, 0) | {Verdict.IN_SYNC: 1230, Verdict.FAILED: 4},
        "calls": {"total": 2345, "retried": 6, "throttled": 7},
        "seconds": 95.0,
        "files": {"report": "/runs/r1/report.html", "plan": "/runs/r1/plan.csv"},
    }


def view(
    *, notes: Sequence[str] = (), problems: Sequence[tuple[int, str]] = (), refusal: str = "", **plan: int
) -> PlanView:
    shown = document(**plan)
    asked = shown["input"]
    return PlanView(
        shown["digest"],
        asked["file"],
        asked["rows"],
        asked["invalid"],
        shown["plan"],
        notes=notes,
        problems=problems,
        refusal=refusal,
    )


def test_a_plan_is_shown_with_its_counts_notes_and_what_the_gate_says() -> None:
    out, printed = paper()
    show_plan(out, view(refused=2, notes=["read as text"], problems=[(7, "no such device")], refusal="too many"))
    shown = printed.getvalue()
    for words in ("d1g3st", "fleet.csv", "1,234  rows", "2  refused", "3  SIMs to change", "at least 10 min 00 s"):
        assert words in shown
    for words in ("read as text", "row 7  no such device", "too many"):
        assert words in shown
    assert "invalid" not in shown


@pytest.mark.parametrize(("count", "shown"), [(0, False), (1200, True)])
def test_a_plan_names_owners_only_where_some_change(count: int, shown: bool) -> None:
    out, printed = paper()
    show_plan(out, view(owner_changes=count))
    assert ("1,200  SIMs among them get another owner" in printed.getvalue()) is shown
    assert ("owner" in printed.getvalue()) is shown


def test_only_some_problems_are_shown_and_the_others_counted() -> None:
    out, printed = paper()
    show_plan(out, view(problems=[(row, f"problem {row}") for row in range(2, 12)]))
    shown = printed.getvalue()
    assert "problem 7" in shown
    assert "problem 8" not in shown
    assert "and 4 more" in shown


def test_what_stands_in_a_file_is_never_taken_as_markup() -> None:
    out, printed = paper()
    problems = [(2, "sim_id '[red]x[/red]' is no number")]
    show_plan(out, view(notes=["[bold]note[/bold]"], problems=problems, refusal="[b]stop[/b]"))
    shown = printed.getvalue()
    for words in ("[bold]note[/bold]", "[red]x[/red]", "[b]stop[/b]"):
        assert words in shown


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
    assert "To go on: simtandem retry r1" in shown


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
    assert "Stopped by you: 255 in sync, 933 half done, 46 not begun." in shown
    assert "979  not sent: 933 half done, 46 not begun" in shown
    assert "To go on: simtandem retry r1" in shown


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
