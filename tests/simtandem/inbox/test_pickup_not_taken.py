"""What lies in the inbox under the name of a CSV and can't be taken."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.inbox.pickup import Inbox
from simtandem.inbox.storage import Store
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import look_in

Sim = Callable[[int], str]
Drop = Callable[..., Path]


def test_what_is_no_file_that_can_be_read_stays_and_the_others_are_taken(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "zero.csv").symlink_to("/dev/zero")
    with (inbox / "huge.csv").open("wb") as huge:
        huge.truncate(20 << 30)
    drop("good.csv", f"{sim(11)},activated")
    assert look_in(settings, ledger) == ["applied"]
    assert {path.name for path in inbox.glob("*.csv")} == {"pipe.csv", "zero.csv", "huge.csv"}
    assert "huge.csv stays in the inbox: the file is 20,480 MB large" in caplog.text


def test_what_is_called_csv_and_can_not_be_taken_is_named_with_what_it_is(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "linked.CSV").symlink_to(drop("list.txt", f"{sim(11)},activated"))
    (inbox / "lost.csv").symlink_to("nowhere")
    (inbox / "folder.csv").mkdir()
    (inbox / ".hidden.csv").mkdir()
    (inbox / "folder").mkdir()
    with (inbox / "huge.csv").open("wb") as huge:
        huge.truncate(2 << 30)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inbox / "socket.csv"))
        one = Inbox(Store(settings.inbox_url), Schedules(ledger), settings, sleep=lambda _: None)
        one.take_new()
    assert one.not_taken == {
        "folder.csv": "a folder",
        "linked.CSV": "a symbolic link",
        "lost.csv": "a symbolic link",
        "pipe.csv": "a named pipe",
        "socket.csv": "not a regular file",
        "huge.csv": "the file is 2,048 MB large; at most 1,024 MB are read (SIMTANDEM_MAX_FILE_MB)",
    }
