import os
import pwd
import stat
from pathlib import Path

import pytest

from simtandem.host.other_homes import OtherHomes, shared_folder

HOST = "cdn.emnify.net"
USER = pwd.getpwuid(os.getuid()).pw_name


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def homes(folder: Path, clock: HandClock, name: str, host: str = HOST) -> OtherHomes:
    return OtherHomes(folder.parent / name, host, 300.0, folder, clock)


def test_a_second_home_is_told_of_the_first_once(folder: Path, clock: HandClock) -> None:
    first, second = homes(folder, clock, "service"), homes(folder, clock, "terminal")
    assert first.found() == []
    assert second.found() == [USER]
    clock.now += 11
    assert second.found() == []
    assert first.found() == [USER]
    homes(folder, clock, "third").found()
    clock.now += 11
    assert first.found() == [USER], "another home of the same user"


def test_a_note_says_to_others_neither_where_the_home_is_nor_what_it_calls(folder: Path, clock: HandClock) -> None:
    homes(folder, clock, "service").found()
    (note,) = folder.iterdir()
    shown = note.name + note.read_text()
    assert "service" not in shown
    assert "emnify" not in shown
    assert len(shown) == 32 + 64, "two hashes, and nothing else"


def test_a_note_of_an_earlier_version_is_overwritten(folder: Path, clock: HandClock) -> None:
    homes(folder, clock, "service").found()
    (note,) = folder.iterdir()
    note.write_text('{"home": "/srv/simtandem", "carrier_host": "cdn.emnify.net"}' * 9)
    assert homes(folder, clock, "terminal").found() == []
    assert homes(folder, clock, "service").found() == [USER]
    assert len(note.read_text()) == 64


@pytest.mark.parametrize(("host", "name"), [("other.test", "service"), (HOST, "terminal")])
def test_another_carrier_and_the_same_home_are_nobody(folder: Path, clock: HandClock, host: str, name: str) -> None:
    homes(folder, clock, "service", host if name == "service" else HOST).found()
    assert homes(folder, clock, name if name == "service" else "service").found() == []


def test_a_home_that_sent_nothing_for_a_window_is_not_told_of_and_its_note_goes(folder: Path, clock: HandClock) -> None:
    homes(folder, clock, "service").found()
    clock.now += 301
    assert homes(folder, clock, "terminal").found() == []
    assert len(list(folder.iterdir())) == 2
    clock.now += 90_000
    homes(folder, clock, "terminal").found()
    assert len(list(folder.iterdir())) == 1


def test_everybody_may_leave_a_note_and_nobody_take_away_that_of_others(folder: Path, clock: HandClock) -> None:
    old = os.umask(0o077)
    try:
        homes(folder, clock, "service").found()
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    (note,) = folder.iterdir()
    assert stat.S_IMODE(note.stat().st_mode) == 0o644


def test_notes_by_an_enemy_cost_nothing(folder: Path, clock: HandClock, tmp_path: Path) -> None:
    homes(folder, clock, "service").found()
    (note,) = folder.iterdir()
    for number, content in enumerate(["", "[]", "{}", "\0", note.read_text() + "x", "x" * 5000]):
        (folder / f"{number}").write_text(content)
        os.utime(folder / f"{number}", (clock.now, clock.now))
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (tmp_path / "elsewhere").write_text(note.read_text())
    os.utime(tmp_path / "elsewhere", (clock.now, clock.now))
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert homes(folder, clock, "terminal").found() == [USER]


def test_our_note_does_not_follow_a_link_to_a_file_of_somebody_else(
    folder: Path, clock: HandClock, tmp_path: Path
) -> None:
    homes(folder, clock, "service").found()
    (note,) = folder.iterdir()
    note.unlink()
    (tmp_path / "victim").write_text("kept")
    note.symlink_to(tmp_path / "victim")
    assert homes(folder, clock, "service").found() == []
    assert (tmp_path / "victim").read_text() == "kept"


def test_a_folder_that_cannot_be_used_costs_the_notice_alone(clock: HandClock, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    assert homes(tmp_path / "notes", clock, "service").found() == []


def test_the_folder_is_one_for_all_users_of_the_host() -> None:
    assert shared_folder().name == "simtandem-homes"
