import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest

from simtandem.errors import InputError
from simtandem.inbox.pickup import Inbox
from simtandem.inbox.storage import Store
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.inbox.acting import look_in, tree

Sim = Callable[[int], str]
Drop = Callable[..., Path]


def never(_seconds: float) -> None:
    pytest.fail("there is nothing to wait for")


def test_an_empty_inbox_is_made_and_nothing_is_waited_for(settings: Settings, ledger: Ledger) -> None:
    assert look_in(settings, ledger, sleep=never) == []
    assert Path(settings.inbox_url).is_dir()


def test_a_file_is_taken_applied_and_put_into_processed_with_its_results(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    content = drop("depot-7.csv", f"{sim(11)},activated", "12,activated", f"{sim(13)},suspended").read_bytes()
    assert look_in(settings, ledger) == ["applied"]
    stem = inbox / "processed" / "depot-7"
    assert stem.with_suffix(".csv").read_bytes() == content
    assert tree(inbox) == [f"processed/depot-7.{what}" for what in ("csv", "invalid.csv", "report.html", "results.csv")]
    results = pl.read_csv(stem.with_suffix(".results.csv"), infer_schema=False)
    assert list(results.select("row", "verdict").iter_rows()) == [("2", "in_sync"), ("3", "invalid"), ("4", "in_sync")]
    assert pl.read_csv(stem.with_suffix(".invalid.csv"), infer_schema=False)["row"].to_list() == ["3"]
    assert not (inbox / "taken").exists() or not list((inbox / "taken").iterdir())


def test_results_can_be_fed_back(settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim) -> None:
    drop("a.csv", f"{sim(11)},activated")
    look_in(settings, ledger)
    again = read_devices(inbox / "processed" / "a.results.csv")
    assert again.devices["iccid"].to_list() == [sim(11)]


def test_a_file_with_no_usable_row_is_refused_with_the_reasons(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop
) -> None:
    drop("bad.csv", "12,activated", "13,activated")
    assert look_in(settings, ledger) == []
    assert tree(inbox) == ["refused/bad.csv", "refused/bad.invalid.csv", "refused/bad.reason.txt"]
    assert "no row is usable; 2 invalid" in (inbox / "refused" / "bad.reason.txt").read_text()
    assert pl.read_csv(inbox / "refused" / "bad.invalid.csv").height == 2


def test_a_file_that_is_no_device_list_is_refused(settings: Settings, ledger: Ledger, inbox: Path, drop: Drop) -> None:
    drop("menu.csv", "soup,4", header="dish,price")
    look_in(settings, ledger)
    assert tree(inbox) == ["refused/menu.csv", "refused/menu.reason.txt"]


def test_a_file_that_asks_for_another_owner_is_refused(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("owners.csv", f"{sim(11)},activated,42", header="iccid,status,Customer Org ID")
    assert look_in(settings, ledger) == []
    assert tree(inbox) == ["refused/owners.csv", "refused/owners.reason.txt"]
    assert "simtandem apply --change-owners" in (inbox / "refused" / "owners.reason.txt").read_text()


@pytest.mark.parametrize(
    "name", [".a.csv", "~$a.xlsx", "~$a.csv", "a.csv.part", "a.csv.tmp", "a.csv.crdownload", "a.txt", "a"]
)
def test_hidden_partial_and_other_files_are_left_alone(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, name: str
) -> None:
    drop(name, f"{sim(11)},activated")
    look_in(settings, ledger, sleep=never)
    assert tree(inbox) == [name]


def test_a_file_with_a_partial_download_beside_it_and_an_empty_one_are_left_alone(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    drop("A.csv.part", f"{sim(11)},acti")
    (inbox / "b.csv").touch()
    look_in(settings, ledger, sleep=never)
    assert tree(inbox) == ["A.csv.part", "a.csv", "b.csv"]


def test_a_file_that_is_still_being_written_is_taken_once_it_lies_still(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    file, waited = drop("a.csv", f"{sim(11)},activated"), []

    def write_on(seconds: float) -> None:
        waited.append(seconds)
        with file.open("a") as opened:
            opened.write(f"{sim(12)},activated\n")

    assert look_in(settings, ledger, sleep=write_on) == []
    assert tree(inbox) == ["a.csv"]
    assert waited == [settings.inbox_settle_s]
    assert look_in(settings, ledger) == ["applied"]
    assert pl.read_csv(inbox / "processed" / "a.results.csv").height == 2


def test_a_change_that_keeps_the_size_is_a_change(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    file = drop("a.csv", f"{sim(11)},activated")
    assert look_in(settings, ledger, sleep=lambda _s: os.utime(file, (1, 1))) == []
    assert tree(inbox) == ["a.csv"]


def test_a_file_that_changes_while_it_is_read_waits_for_the_next_look(
    settings: Settings, schedules: Schedules, inbox: Path, drop: Drop, sim: Sim
) -> None:
    file = drop("a.csv", f"{sim(11)},activated")

    class Slow(Store):
        def read(self, path: str) -> bytes | None:
            data = super().read(path)
            os.utime(file, (1, 1))
            return data

    assert Inbox(Slow(str(inbox)), schedules, settings, sleep=lambda _s: None).take_new() == []
    assert schedules.all(open_only=False) == []


def test_a_new_version_that_comes_while_the_old_one_is_taken_is_not_lost(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated")

    def replace(step: str) -> None:
        if step == "recorded":
            drop("a.csv", f"{sim(11)},activated", f"{sim(12)},activated")

    schedules = Schedules(ledger)
    Inbox(Store(str(inbox)), schedules, settings, sleep=lambda _s: None, reached=replace).take_new()
    assert (inbox / "a.csv").exists()
    assert look_in(settings, ledger) == ["applied"]
    (old, new) = Schedules(ledger).all(open_only=False)
    assert (old.rows, new.rows) == (1, 2)
    assert (old.state, new.state) == ("left_out", "applied")  # the newer version says all that the older one said
    assert (inbox / "refused" / "a.csv").read_text().count("activated") == 1
    assert (inbox / "processed" / f"a.{new.arrival_id}.csv").read_text().count("activated") == 2
    assert not (inbox / "a.csv").exists()


def test_the_same_file_dropped_again_is_taken_again_under_a_name_of_its_own(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    for _ in range(2):
        os.utime(drop("a.csv", f"{sim(11)},activated"), (1, 1))  # as `cp -p` leaves it: nothing tells them apart
        assert look_in(settings, ledger) == ["applied"]
    arrival_ids = {each.arrival_id for each in Schedules(ledger).all(open_only=False)}
    assert len(arrival_ids) == 2
    names = {path.name for path in (inbox / "processed").glob("*.csv") if "results" not in path.name}
    assert names == {"a.csv", f"a.{max(arrival_ids, key=lambda each: f'a.{each}.csv' in names)}.csv"}


def test_what_lies_in_processed_already_is_never_overwritten(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    (inbox / "processed").mkdir()
    (inbox / "processed" / "a.csv").write_text("from before the ledger was lost")
    drop("a.csv", f"{sim(11)},activated")
    look_in(settings, ledger)
    assert (inbox / "processed" / "a.csv").read_text() == "from before the ledger was lost"
    assert len(list((inbox / "processed").glob("a.*.csv"))) == 2


def test_a_file_that_is_due_later_waits_in_taken_with_its_rejected_rows(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("w.csv", f"{sim(11)},activated,2026-12-07", f"{sim(12)},activated,Monday", header="iccid,status,effective_at")
    assert look_in(settings, ledger) == []
    (arrival,) = Schedules(ledger).open_arrivals(str(inbox))
    assert tree(inbox) == [f"taken/{arrival.arrival_id}/w.csv", f"taken/{arrival.arrival_id}/w.invalid.csv"]
    look_in(settings, ledger, sleep=never)
    assert len(tree(inbox)) == 2


def test_what_was_recorded_and_not_brought_in_is_brought_in_before_anything_else(
    settings: Settings, schedules: Schedules, inbox: Path, drop: Drop, sim: Sim
) -> None:
    def die(_step: str) -> None:
        raise KeyboardInterrupt

    drop("w.csv", f"{sim(11)},activated,2026-12-07", header="iccid,status,effective_at")
    with pytest.raises(KeyboardInterrupt):
        Inbox(Store(str(inbox)), schedules, settings, sleep=lambda _s: None, reached=die).take_new()
    assert tree(inbox) == ["w.csv"]
    assert Inbox(Store(str(inbox)), schedules, settings, sleep=never).take_new() == []
    assert [name.split("/")[0] for name in tree(inbox)] == ["taken"]


def test_a_copy_left_by_somebody_who_was_late_is_cleared_away(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    look_in(settings, ledger)
    (put_away,) = Schedules(ledger).all(open_only=False)
    (inbox / "taken" / put_away.arrival_id).mkdir(parents=True)
    (inbox / "taken" / put_away.arrival_id / "a.csv").write_text("x")
    look_in(settings, ledger)
    assert [name for name in tree(inbox) if name.startswith("taken")] == []


def test_two_that_wake_at_once_take_a_file_once(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    barrier, taken = threading.Barrier(2), []

    def take() -> None:
        with closing(Ledger.open(settings.ledger())) as own:
            barrier.wait()
            one = Inbox(Store(str(inbox)), Schedules(own), settings, sleep=lambda _s: None)
            taken.extend(one.take_new())

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert len(Schedules(ledger).all(open_only=False)) == 1


class OpenStore(Store):
    """A folder that can't be locked, as on some network mounts."""

    def alone(self) -> Any:
        return _Free()


class NoLock(Schedules):
    """A ledger whose lock was lost, so that nothing but its keys is left."""

    def alone(self, work: str) -> Any:
        return _Free()


class _Free:
    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass


def test_without_the_lock_the_ledgers_keys_still_let_only_one_take_a_file(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    others: list[Any] = []

    class Meanwhile(NoLock):
        """Somebody else takes the file between our look at the ledger and our record."""

        def record(self, *given: Any) -> bool:
            if not others:
                others.append(None)
                other = Inbox(OpenStore(str(inbox)), NoLock(ledger), settings, sleep=lambda _s: None)
                others.extend(other.take_new())
            return super().record(*given)

    assert Inbox(OpenStore(str(inbox)), Meanwhile(ledger), settings, sleep=lambda _s: None).take_new() == []
    assert len(others) == 2
    assert len(Schedules(ledger).all(open_only=False)) == 1
    assert [path.name for path in inbox.rglob("*.csv")] == ["a.csv"]


def _take_in_a_process(home: str, ready: Any, go: Any, answers: Any) -> None:
    settings = Settings(home=Path(home), inbox_settle_s=0)
    with closing(Ledger.open(settings.ledger())) as own:
        one = Inbox(OpenStore(settings.inbox_url), NoLock(own), settings)
        ready.release()
        go.wait()
        answers.put(len(one.take_new()))


def test_two_processes_that_wake_at_once_take_each_file_once(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim
) -> None:
    for number in range(8):
        drop(f"{number}.csv", f"{sim(11 + number)},activated")
    context = multiprocessing.get_context("spawn")
    ready, go, answers = context.Semaphore(0), context.Event(), context.Queue()
    given = (str(settings.home), ready, go, answers)
    children = [context.Process(target=_take_in_a_process, args=given) for _ in range(2)]
    for child in children:
        child.start()
    for _ in children:
        assert ready.acquire(timeout=60)
    go.set()
    counts = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert sum(counts) == 8
    assert len(Schedules(ledger).all(open_only=False)) == 8
    assert len(tree(inbox)) == 8


def test_an_inbox_in_an_object_store_works_without_any_rename(settings: Settings, ledger: Ledger, sim: Sim) -> None:
    files = fsspec.filesystem("memory")
    root = f"/bucket-{id(ledger)}/inbox"
    files.pipe_file(f"{root}/a.csv", f"iccid,status\n{sim(11)},activated\n{sim(12)},suspended\n".encode())
    assert look_in(settings, ledger, url=f"memory:/{root}") == ["applied"]
    found = sorted(path.removeprefix(root) for path in files.find(root))
    assert found == ["/processed/a.csv", "/processed/a.report.html", "/processed/a.results.csv"]
    assert look_in(settings, ledger, url=f"memory:/{root}", sleep=never) == []


def test_an_inbox_that_can_not_be_reached_is_told_of_without_credentials(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"gone://store/inbox can't be used") as caught:
        Store("gone://user:secret@store/inbox")
    assert "secret" not in str(caught.value)
