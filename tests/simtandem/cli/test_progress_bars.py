import pytest

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.cli import progress_bars
from simtandem.cli.progress_bars import QuietProgress, TerminalProgress
from tests.simtandem.cli.paper import paper


def test_hooks_at_work_are_the_ones_that_are_found() -> None:
    before = progress.current()
    for hooks in (TerminalProgress(paper()[0]), QuietProgress()):
        with hooks as at_work:
            assert progress.current() is at_work
    progress.install(before)


def test_without_a_terminal_stages_and_notes_are_plain_lines() -> None:
    out, printed = paper()
    hooks = TerminalProgress(out)
    hooks.begins("planning")
    hooks.message("careful")
    hooks.applies(2000, 5, lambda: 0.0)
    assert printed.getvalue().splitlines() == [
        "  planning",
        "! careful",
        "  sending 2,000 SIM and 5 endpoint changes",
    ]


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    out, printed = paper()
    hooks = TerminalProgress(out)
    hooks.applies(3, 0, lambda: 0.0)
    monkeypatch.setattr(progress_bars, "_PLAIN_EVERY_S", -1.0)
    hooks.ended(Half.SIM, Outcome.APPLIED)
    hooks.ended(Half.SIM, Outcome.REFUSED)
    monkeypatch.setattr(progress_bars, "_PLAIN_EVERY_S", 3600.0)
    hooks.ended(Half.SIM, Outcome.APPLIED)
    assert printed.getvalue().splitlines()[1:] == ["  1 of 3 changes", "  2 of 3 changes  1 refused"]


def test_on_a_terminal_there_is_a_bar_for_each_half_that_has_steps() -> None:
    out, printed = paper(terminal=True)
    with TerminalProgress(out) as hooks:
        hooks.applies(2, 0, lambda: 0.0)
        hooks.ended(Half.SIM, Outcome.APPLIED)
        hooks.ended(Half.ENDPOINT, Outcome.HELD)
    shown = printed.getvalue()
    assert "SIMs" in shown
    assert "1/2" in shown
    assert "endpoints " not in shown


@pytest.mark.parametrize(
    ("ends", "wait", "stopping", "note"),
    [
        ([Outcome.APPLIED, Outcome.UNCHANGED], 0.4, False, ""),
        ([Outcome.FAILED, Outcome.FAILED, Outcome.HELD], 0.0, False, "  2 failed, 1 not sent"),
        ([], 41.2, False, "  rate limit reached, next call in 42 s"),
        ([Outcome.UNKNOWN], 1.0, True, "  1 unknown, rate limit reached, next call in 1 s, stopping"),
    ],
)
def test_the_note_tells_what_went_wrong_and_what_is_waited_for(
    ends: list[Outcome], wait: float, stopping: bool, note: str
) -> None:
    hooks = TerminalProgress(paper()[0])
    hooks.applies(9, 9, lambda: wait)
    for end in ends:
        hooks.ended(Half.SIM, end)
    if stopping:
        hooks.stop()
    assert hooks.note() == note


def test_what_went_wrong_with_a_half_stands_behind_its_own_bar() -> None:
    out, printed = paper(terminal=True)
    with TerminalProgress(out) as watcher:
        watcher.applies(4, 4, lambda: 0.0)
        watcher.ended(Half.ENDPOINT, Outcome.APPLIED, 4)
        watcher.ended(Half.SIM, Outcome.HELD, 3)
    last = [line for line in printed.getvalue().splitlines() if line.strip()]
    (endpoints,) = [line for line in last if "endpoints" in line and "4/4" in line][-1:]
    (sims,) = [line for line in last if "SIMs" in line and "0/4" in line][-1:]
    assert "not sent" not in endpoints
    assert "3 not sent" in sims


def test_what_was_not_sent_does_not_fill_the_bar() -> None:
    out, printed = paper(terminal=True)
    with TerminalProgress(out) as hooks:
        hooks.applies(4, 0, lambda: 0.0)
        hooks.ended(Half.SIM, Outcome.APPLIED)
        hooks.ended(Half.SIM, Outcome.HELD, 3)
    last = printed.getvalue()
    assert "1/4" in last
    assert "4/4" not in last
    assert "3 not sent" in last


def test_a_path_is_never_broken() -> None:
    out, printed = paper(width=50)
    path = "/a/folder/" + "deep/" * 20 + "file.csv"
    TerminalProgress(out).begins(f"reading {path}")
    TerminalProgress(out).message(f"{path} is damaged")
    assert printed.getvalue().splitlines() == [f"  reading {path}", f"! {path} is damaged"]
