import threading
from collections.abc import Iterator

import pytest

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.cli.progress_bars import LoggedProgress, QuietProgress, TerminalProgress
from simtandem.progress import Sending
from tests.kept_records import Kept, kept_records
from tests.simtandem.cli.paper import paper


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def logged() -> Iterator[Kept]:
    with kept_records("simtandem.progress") as kept:
        yield kept


def _sending(devices: int) -> Sending:
    return Sending(devices, devices, 0, devices)


def _one_done(hooks: progress.ProgressHooks) -> None:
    hooks.ended(Half.SIM, Outcome.APPLIED)
    hooks.devices_done(1)


def test_hooks_at_work_are_the_ones_that_are_found_and_end_their_thread() -> None:
    before, threads = progress.current(), threading.active_count()
    for hooks in (TerminalProgress(paper()[0]), QuietProgress(), LoggedProgress()):
        with hooks as at_work:
            assert progress.current() is at_work
            assert progress.attended()
    progress.install(before)
    assert threading.active_count() == threads


def test_without_a_terminal_stages_and_notes_are_plain_lines() -> None:
    out, printed = paper()
    hooks = TerminalProgress(out)
    hooks.begins("planning")
    hooks.message("careful")
    hooks.applies(Sending(2000, 2000, 5, 2001))
    assert printed.getvalue().splitlines() == [
        "  planning",
        "! careful",
        "  sending 2,000 SIM and 5 endpoint changes of 2,000 devices",
    ]


def test_in_a_pipe_what_moved_is_said_every_ten_seconds_and_silence_every_thirty() -> None:
    (out, printed), clock = paper(), Clock()
    hooks = TerminalProgress(out, clock)
    hooks.applies(_sending(3))
    said: list[float] = []
    for second in range(101):
        clock.s = float(second)
        if second == 5:
            _one_done(hooks)
        before = printed.tell()
        hooks.tick()
        if printed.tell() > before:
            said.append(clock.s)
    assert said == [10, 40, 70, 100]
    assert all("1 of 3 devices" in line for line in printed.getvalue().splitlines()[1:])


def test_nothing_is_said_while_an_operator_is_asked() -> None:
    (out, printed), clock = paper(), Clock()
    hooks = TerminalProgress(out, clock)
    hooks.begins("planning")
    hooks.idles()
    clock.s = 500.0
    hooks.tick()
    assert printed.getvalue() == "  planning\n"


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_there_is_a_bar_of_devices_and_the_line_below_it(width: int) -> None:
    out, printed = paper(terminal=True, width=width)
    with TerminalProgress(out) as hooks:
        hooks.applies(_sending(4))
        _one_done(hooks)
        hooks.ended(Half.SIM, Outcome.HELD, 3)
    shown = printed.getvalue()
    assert "1/4" in shown
    assert "4/4" not in shown, "what was not sent does not fill the bar"
    assert "1 of 4 devices" in shown
    assert "3 not sent" in shown


def test_a_second_wave_makes_the_bar_longer() -> None:
    out, printed = paper(terminal=True)
    with TerminalProgress(out) as hooks:
        for _ in range(2):
            hooks.applies(_sending(2))
            _one_done(hooks)
    assert "2/4" in printed.getvalue()


def test_a_bar_takes_the_place_of_lines() -> None:
    (out, printed), clock = paper(terminal=True), Clock()
    hooks = TerminalProgress(out, clock)
    hooks.applies(_sending(2))
    clock.s = 100.0
    before = printed.getvalue().count("0 of 2 devices")
    hooks.show(hooks.meter)
    assert printed.getvalue().count("0 of 2 devices") == before
    hooks._progress.stop()


def test_a_path_is_never_broken() -> None:
    out, printed = paper(width=50)
    path = "/a/folder/" + "deep/" * 20 + "file.csv"
    TerminalProgress(out).begins(f"reading {path}")
    TerminalProgress(out).message(f"{path} is damaged")
    assert printed.getvalue().splitlines() == [f"  reading {path}", f"! {path} is damaged"]


def test_where_logs_are_records_so_is_the_progress(logged: Kept) -> None:
    hooks = LoggedProgress()
    hooks.begins("planning")
    hooks.message("careful")
    hooks.applies(_sending(3))
    _one_done(hooks)
    hooks.show(hooks.meter)
    assert [each.levelname for each in logged.records] == ["INFO", "WARNING", "INFO", "INFO"]
    assert logged.records[-1].__dict__["done"] == 1
    assert "1 of 3 devices" in logged.records[-1].getMessage()
