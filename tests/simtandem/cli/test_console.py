import io
from typing import Any

import pytest
from rich.console import Console

from schemas.statuses import Half, Outcome, Verdict
from simtandem import progress
from simtandem.cli import console
from simtandem.cli.console import QuietWatcher, TerminalWatcher, show_files, show_plan, show_result


def paper(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    """A console, and what was printed to it."""
    printed = io.StringIO()
    return Console(file=printed, width=120, force_terminal=terminal, color_system=None), printed


def document(**plan: int) -> dict[str, Any]:
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


def test_a_watcher_at_work_is_the_one_that_is_found() -> None:
    before = progress.current()
    for watcher in (TerminalWatcher(paper()[0]), QuietWatcher()):
        with watcher as at_work:
            assert progress.current() is at_work
    progress.watch(before)


def test_without_a_terminal_stages_and_notes_are_plain_lines() -> None:
    out, printed = paper()
    watcher = TerminalWatcher(out)
    watcher.begins("planning")
    watcher.notes("careful")
    watcher.applies(2000, 5, lambda: 0.0)
    assert printed.getvalue().splitlines() == [
        "  planning",
        "! careful",
        "  sending 2,000 SIM and 5 endpoint changes",
    ]


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    out, printed = paper()
    watcher = TerminalWatcher(out)
    watcher.applies(3, 0, lambda: 0.0)
    monkeypatch.setattr(console, "_PLAIN_EVERY_S", -1.0)
    watcher.ended(Half.SIM, Outcome.APPLIED)
    watcher.ended(Half.SIM, Outcome.REFUSED)
    monkeypatch.setattr(console, "_PLAIN_EVERY_S", 3600.0)
    watcher.ended(Half.SIM, Outcome.APPLIED)
    assert printed.getvalue().splitlines()[1:] == ["  1 of 3 changes", "  2 of 3 changes  1 refused"]


def test_on_a_terminal_there_is_a_bar_for_each_half_that_has_steps() -> None:
    out, printed = paper(terminal=True)
    with TerminalWatcher(out) as watcher:
        watcher.applies(2, 0, lambda: 0.0)
        watcher.ended(Half.SIM, Outcome.APPLIED)
        watcher.ended(Half.ENDPOINT, Outcome.HELD)
    shown = printed.getvalue()
    assert "SIMs" in shown
    assert "1/2" in shown
    assert "endpoints " not in shown


@pytest.mark.parametrize(
    ("ends", "wait", "stopping", "note"),
    [
        ([Outcome.APPLIED, Outcome.UNCHANGED], 0.4, False, ""),
        ([Outcome.FAILED, Outcome.FAILED, Outcome.HELD], 0.0, False, "  2 failed, 1 not sent"),
        ([], 41.2, False, "  call budget used up, next call in 42 s"),
        ([Outcome.UNKNOWN], 1.0, True, "  1 unknown, call budget used up, next call in 1 s, stopping"),
    ],
)
def test_the_note_tells_what_went_wrong_and_what_is_waited_for(
    ends: list[Outcome], wait: float, stopping: bool, note: str
) -> None:
    watcher = TerminalWatcher(paper()[0])
    watcher.applies(9, 9, lambda: wait)
    for end in ends:
        watcher.ended(Half.SIM, end)
    if stopping:
        watcher.stop()
    assert watcher.note() == note


def test_a_plan_is_shown_with_its_counts_notes_and_what_the_gate_says() -> None:
    out, printed = paper()
    show_plan(out, document(refused=2), ["read as text"], [(7, "no such device")], "too many")
    shown = printed.getvalue()
    for words in ("d1g3st", "fleet.csv", "1,234  rows", "2  refused", "3  SIMs to change", "10 min 00 s at least"):
        assert words in shown
    for words in ("read as text", "row 7  no such device", "too many"):
        assert words in shown
    assert "invalid" not in shown


@pytest.mark.parametrize(("count", "shown"), [(0, False), (1200, True)])
def test_a_plan_names_owners_only_where_some_change(count: int, shown: bool) -> None:
    out, printed = paper()
    show_plan(out, document(owner_changes=count), [], [])
    assert ("1,200  SIMs among them get another owner" in printed.getvalue()) is shown
    assert ("owner" in printed.getvalue()) is shown


def test_only_some_problems_are_shown_and_the_others_counted() -> None:
    out, printed = paper()
    show_plan(out, document(), [], [(row, f"problem {row}") for row in range(2, 12)])
    shown = printed.getvalue()
    assert "problem 7" in shown
    assert "problem 8" not in shown
    assert "and 4 more" in shown


def test_what_stands_in_a_file_is_never_taken_as_markup() -> None:
    out, printed = paper()
    show_plan(out, document(), ["[bold]note[/bold]"], [(2, "sim_id '[red]x[/red]' is no number")], "[b]stop[/b]")
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
    assert "2,345  calls (6 retried, 7 throttled) in 1 min 35 s" in shown
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
    assert "979  skipped: 933 half done, 46 not begun" in shown
    assert "To go on: simtandem retry r1" in shown


def test_what_was_not_sent_does_not_fill_the_bar() -> None:
    out, printed = paper(terminal=True)
    with TerminalWatcher(out) as watcher:
        watcher.applies(4, 0, lambda: 0.0)
        watcher.ended(Half.SIM, Outcome.APPLIED)
        watcher.ended(Half.SIM, Outcome.HELD, 3)
    last = printed.getvalue()
    assert "1/4" in last
    assert "4/4" not in last
    assert "3 not sent" in last


def test_files_are_named_on_a_line_each_that_can_be_copied_whole() -> None:
    out, printed = paper()
    long = "/" + "deep/" * 40 + "report.html"
    show_files(out, {"files": {"report": long, "unheard_of": "/x"}})
    assert any(long in line for line in printed.getvalue().splitlines())
    assert "/x" not in printed.getvalue()
