"""Whatever comes in between, what was dropped into the inbox is there afterwards, byte by byte."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
import pytest

from simtandem.errors import InputError, LedgerError
from simtandem.inbox.pickup import Inbox
from simtandem.inbox.storage import Store
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, look_in, nothing, tree
from tests.simtandem.inbox.conftest import Clock, Drop

Sim = Callable[[int], str]
TIMED = "iccid,status,effective_at"


def an_inbox(
    settings: Settings, schedules: Schedules, reached: Callable[[str], None] = nothing, store: Store | None = None
) -> Inbox:
    return Inbox(store or Store(settings.inbox_url), schedules, settings, sleep=lambda _s: None, reached=reached)


def contents(inbox: Path, name: str) -> list[bytes]:
    """What lies somewhere below the inbox under names that end so."""
    return sorted(path.read_bytes() for path in inbox.rglob(f"*{name}") if path.is_file())


def lists(inbox: Path) -> list[str]:
    """The device lists below the inbox, without result files."""
    return [name for name in tree(inbox) if name.endswith(".csv") and ".results" not in name and ".invalid" not in name]


@pytest.fixture
def other(tmp_path: Path, settings: Settings, clock: Clock) -> Iterator[tuple[Settings, Ledger]]:
    """Another home that looks into the same inbox."""
    elsewhere = Settings(home=tmp_path / "other", inbox=settings.inbox_url, timezone="Europe/Berlin")
    with closing(Ledger.open(elsewhere.ledger(), clock=clock)) as opened:
        yield elsewhere, opened


def test_who_puts_files_away_removes_no_copy_that_another_worker_is_just_taking(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    dropped = drop("a.csv", f"{sim(11)},activated,2026-12-07", header=TIMED).read_bytes()

    class Meanwhile(Schedules):
        """Another worker takes a file between our look at the ledger and our look at the copies."""

        def open_arrivals(self, inbox: str) -> list:  # type: ignore[type-arg]
            found = super().open_arrivals(inbox)
            if inbox:
                an_inbox(settings, Schedules(ledger)).take_new()
            return found

    an_inbox(settings, Meanwhile(ledger)).go_on()
    assert contents(inbox, "a.csv") == [dropped]
    look_in(settings, ledger)
    assert contents(inbox, "a.csv") == [dropped]
    assert [name.split("/")[0] for name in tree(inbox)] == ["taken"]


def test_while_another_worker_takes_files_putting_away_is_left_to_it(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated,2026-12-07", header=TIMED)
    gone_on: list[bool] = []

    def beside(step: str) -> None:
        if step in ("recorded", "copied", "cleared"):
            gone_on.append(an_inbox(settings, Schedules(ledger)).go_on())

    an_inbox(settings, Schedules(ledger), beside).take_new()
    assert gone_on == [False, False, False]
    assert an_inbox(settings, Schedules(ledger)).go_on()


def test_two_homes_with_one_inbox_take_each_file_once_and_leave_each_others_copies_alone(
    settings: Settings, ledger: Ledger, other: tuple[Settings, Ledger], inbox: Path, drop: Drop, sim: Sim, clock: Clock
) -> None:
    first = drop("a.csv", f"{sim(11)},activated,2026-12-06", header=TIMED).read_bytes()
    look_in(settings, ledger)
    second = drop("a.csv", f"{sim(12)},activated,2026-12-06", header=TIMED).read_bytes()
    look_in(*other)
    look_in(settings, ledger)
    assert contents(inbox, "a.csv") == [first, second]
    clock.advance(days=3)
    assert look_in(settings, ledger) == ["applied"]
    assert look_in(*other) == ["applied"]
    assert contents(inbox, ".csv").count(first) == 1
    assert contents(inbox, ".csv").count(second) == 1
    assert len([name for name in lists(inbox) if name.startswith("processed/a.")]) == 2


def test_two_homes_do_not_take_one_file_at_the_same_time(
    settings: Settings, ledger: Ledger, other: tuple[Settings, Ledger], drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated,2026-12-07", header=TIMED)
    taken: list[object] = []

    def beside(step: str) -> None:
        if step == "recorded":
            taken.extend(an_inbox(other[0], Schedules(other[1])).take_new())

    an_inbox(settings, Schedules(ledger), beside).take_new()
    assert taken == []


def test_a_file_that_is_replaced_by_one_that_looks_the_same_is_not_removed_with_it(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    """Same name, size and time of change to the nanosecond, as an archive's unpacking leaves it."""
    file = drop("a.csv", f"{sim(11)},activated")
    os.utime(file, (1, 1))

    def replace(step: str) -> None:
        if step == "copied":
            os.utime(drop("a.csv", f"{sim(12)},activated"), (1, 1))

    an_inbox(settings, Schedules(ledger), replace).take_new()
    assert (inbox / "a.csv").read_text().count(sim(12)) == 1
    assert len(contents(inbox, "a.csv")) == 2
    for _ in range(2):
        look_in(settings, ledger)
    assert sorted(BulkUpdate(settings).fleet.sent) == ["11 activated", "12 activated"]
    assert len(lists(inbox)) == 2


def test_a_file_that_a_program_has_open_to_write_is_taken_once_it_is_closed(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    """An upload that stalls for longer than files have to lie still."""
    file = drop("a.csv", f"{sim(11)},activated")
    with file.open("a") as upload:
        assert look_in(settings, ledger) == []
        assert tree(inbox) == ["a.csv"]
        upload.write(f"{sim(12)},activated\n")
    assert look_in(settings, ledger) == ["applied"]
    assert pl.read_csv(inbox / "processed" / "a.results.csv").height == 2


def test_a_writer_that_comes_while_the_file_is_taken_loses_nothing(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    file, writers = drop("a.csv", f"{sim(11)},activated"), []

    def open_it(step: str) -> None:
        if step == "copied":
            writers.append(file.open("a"))

    an_inbox(settings, Schedules(ledger), open_it).take_new()
    [writer] = writers
    look_in(settings, ledger)  # applied, and not put away while somebody writes
    writer.write(f"{sim(12)},activated\n")
    writer.close()
    for _ in range(2):
        look_in(settings, ledger)
    assert len(lists(inbox)) == 2
    assert BulkUpdate(settings).fleet.sent == ["11 activated", "12 activated"]


@pytest.mark.parametrize("name", ["caf\udce9.csv", f"{'x' * 250}.csv", "two\nlines.csv", f"{'é' * 120}.csv"], ids=ascii)
def test_a_name_that_no_ledger_can_keep_gets_another_one_and_is_carried_out_once(
    settings: Settings, ledger: Ledger, inbox: Path, sim: Sim, bulk_update: BulkUpdate, name: str
) -> None:
    content = f"iccid,status\n{sim(11)},activated\n12,activated\n".encode()
    (inbox / name).write_bytes(content)
    for _ in range(2):
        look_in(settings, ledger, bulk_update)
    assert bulk_update.fleet.sent == ["11 activated"]
    assert len(bulk_update.files) == 1
    assert contents(inbox, ".csv").count(content) == 1
    assert all(each.startswith("processed/") for each in tree(inbox))


@pytest.fixture
def bulk_update(settings: Settings) -> BulkUpdate:
    return BulkUpdate(settings)


@pytest.mark.parametrize("names", [("a.csv", "a.results.csv"), ("a.csv", "a.CSV"), ("a.invalid.csv", "a.csv")])
@pytest.mark.parametrize("together", [True, False])
def test_files_whose_results_would_lie_under_one_name_do_not_overwrite_each_other(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, names: tuple[str, str], together: bool
) -> None:
    dropped = []
    for number, name in enumerate(names):
        dropped.append(drop(name, f"{sim(11 + number)},activated", "12,activated").read_bytes())
        if not together:
            look_in(settings, ledger)
    look_in(settings, ledger)
    kept = [path.read_bytes() for path in (inbox / "processed").iterdir()]
    assert [kept.count(each) for each in dropped] == [1, 1]
    assert len(kept) == 2 * 4  # the file, its results, its invalid rows, its report


def test_the_same_content_twice_is_two_files(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    for name in ("a.csv", "b.csv"):
        drop(name, f"{sim(11)},activated")
    look_in(settings, ledger, bulk_update)
    assert lists(inbox) == ["processed/a.csv", "processed/b.csv"]
    assert bulk_update.fleet.sent == ["11 activated"]


@pytest.mark.parametrize("folder", ["taken", "processed"])
def test_a_disk_that_is_full_while_a_file_is_copied_costs_time_only(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate, folder: str
) -> None:
    class Full(Store):
        def write(self, path: str, data: bytes) -> None:
            if path.startswith(folder) and path.endswith("a.csv"):
                raise LedgerError(f"{path} can't be written: No space left on device.")
            super().write(path, data)

    dropped = drop("a.csv", f"{sim(11)},activated").read_bytes()
    drop("b.csv", f"{sim(12)},activated")
    full = an_inbox(settings, Schedules(ledger), store=Full(settings.inbox_url))
    assert [each.file.name for each in full.take_new()] == ["a.csv", "b.csv"]
    full.go_on()
    if folder == "taken":
        assert "a.csv: taken/" in full.troubles[0]
        assert "No space left" in full.troubles[0]
    assert contents(inbox, "a.csv") == [dropped]
    look_in(settings, ledger, bulk_update)
    assert bulk_update.fleet.sent == ["11 activated", "12 activated"]
    assert lists(inbox) == ["processed/a.csv", "processed/b.csv"]


def test_a_file_that_can_not_be_read_keeps_nothing_from_the_others(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    class Closed(Store):
        def read(self, path: str) -> bytes | None:
            if path == "a.csv":
                raise InputError("The inbox can't be used: Permission denied.")
            return super().read(path)

    drop("a.csv", f"{sim(11)},activated")
    drop("b.csv", f"{sim(12)},activated")
    one = an_inbox(settings, Schedules(ledger), store=Closed(settings.inbox_url))
    assert [each.file.name for each in one.take_new()] == ["b.csv"]
    assert one.troubles == ["a.csv: The inbox can't be used: Permission denied."]
    assert (inbox / "a.csv").exists()


def test_an_archive_on_another_file_system_is_an_archive(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - a file system of its own on every Linux
    if not memory.is_dir() or memory.stat().st_dev == inbox.stat().st_dev:
        pytest.skip("needs a second file system")
    archive = Path(mkdtemp(dir=memory))
    try:
        for name in ("taken", "processed"):
            (archive / name).mkdir()
            (inbox / name).symlink_to(archive / name)
        dropped = drop("a.csv", f"{sim(11)},activated").read_bytes()
        assert look_in(settings, ledger) == ["applied"]
        assert (archive / "processed" / "a.csv").read_bytes() == dropped
        assert not (inbox / "a.csv").exists()
    finally:
        shutil.rmtree(archive)


def test_symbolic_links_are_left_alone(
    settings: Settings, ledger: Ledger, inbox: Path, tmp_path: Path, sim: Sim
) -> None:
    target = tmp_path / "secret.csv"
    target.write_text(f"iccid,status\n{sim(11)},activated\n")
    (inbox / "a.csv").symlink_to(target)
    (inbox / "dangling.csv").symlink_to(tmp_path / "nothing.csv")
    assert look_in(settings, ledger) == []
    assert (inbox / "a.csv").is_symlink()
    assert target.exists()


def test_what_somebody_has_changed_in_taken_is_put_away_as_it_is(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, clock: Clock
) -> None:
    drop("a.csv", f"{sim(11)},activated,2026-12-06", header=TIMED)
    look_in(settings, ledger)
    [copy] = (inbox / "taken").rglob("a.csv")
    copy.write_text("a note of mine")
    clock.advance(days=3)
    look_in(settings, ledger)
    assert (inbox / "processed" / "a.csv").read_text() == "a note of mine"
