import pytest

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.cli import progress_bars
from simtandem.cli.progress_bars import QuietWatcher, TerminalWatcher
from tests.simtandem.cli.paper import paper


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
    monkeypatch.setattr(progress_bars, "_PLAIN_EVERY_S", -1.0)
    watcher.ended(Half.SIM, Outcome.APPLIED)
    watcher.ended(Half.SIM, Outcome.REFUSED)
    monkeypatch.setattr(progress_bars, "_PLAIN_EVERY_S", 3600.0)
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
