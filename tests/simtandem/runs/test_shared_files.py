"""Two homes, one ledger, one store: what a run leaves is found from the other home, whole or not at all."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Connection, delete

from simtandem import progress
from simtandem.errors import StoreError
from simtandem.ledger import run_files, store_mark
from simtandem.ledger.file_tables import store_marks
from simtandem.ledger.object_store import MARK, ObjectStore
from simtandem.ledger.records import RunRecord, RunState
from simtandem.ledger.run_files import KeptFile
from simtandem.ledger.store import Ledger
from simtandem.ledger.store_mark import Missing
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import brought, catch_up, remove_unreferenced, restore, share, share_or_keep
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import a_run

__all__ = ["a_run"]

RUN = "20260131T120000-abc123"
TABLE = pl.DataFrame({"row": [2], "sim_id": ["11"]})


@dataclass
class Hosts:
    """Homes `one` and `other`, and the ledger that both use."""

    one: Settings
    other: Settings
    ledger: Ledger
    store: Path

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.one.runs_folder / RUN)

    def objects(self) -> list[Path]:
        return sorted(path for path in self.store.rglob("*") if path.is_file() and path.name != MARK)


@pytest.fixture
def hosts(tmp_path: Path, a_run: Callable[..., RunRecord]) -> Iterator[Hosts]:
    store = tmp_path / "store"
    settings = [Settings(home=tmp_path / name, store=f"file://{store}") for name in ("one", "other")]
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.start_run(a_run(RUN))
        made = Hosts(settings[0], settings[1], ledger, store)
        made.folder.save("intake.json", {"file": "list.csv"})
        made.folder.save_table("plan.parquet", TABLE)
        made.folder.save_bytes("plan.csv", b"row,sim_id\n2,11\n")
        yield made


def test_another_host_finds_every_file_and_says_the_same_of_each(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    hosts.folder.save_bytes("plan.csv", b"row,sim_id\n2,12\n")
    share(hosts.one, hosts.ledger, hosts.folder)
    there = brought(hosts.other, hosts.ledger, RUN)
    assert there.path == hosts.other.runs_folder / RUN
    assert there.file("plan.csv").read_bytes() == b"row,sim_id\n2,12\n", "the newest of that name"
    assert there.table("plan.parquet").equals(TABLE)
    assert there.data("intake.json") == {"file": "list.csv"}
    assert len(hosts.objects()) == 4


def test_a_changed_file_in_the_store_is_named_and_not_used(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    kept = run_files.kept(hosts.ledger, RUN)["plan.csv"]
    next(path for path in hosts.objects() if path.name == kept.sha256[2:]).write_bytes(b"row,sim_id\n2,99\n")
    with pytest.raises(StoreError, match=f"plan.csv of run {RUN}: .*It is not used"):
        brought(hosts.other, hosts.ledger, RUN)
    assert not (hosts.other.runs_folder / RUN / "plan.csv").exists()


def test_what_is_broken_in_the_store_is_put_there_again_by_a_home_that_has_it_as_recorded(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    assert restore(hosts.one, hosts.ledger, RUN) == []
    kept = run_files.kept(hosts.ledger, RUN)
    for path in hosts.objects():
        path.write_bytes(b"?" * path.stat().st_size)
    hosts.folder.save_bytes("plan.csv", b"row,sim_id\n2,99\n")
    assert restore(hosts.other, hosts.ledger, RUN) == [], "that home has none of them"
    assert restore(hosts.one, hosts.ledger, RUN) == sorted(kept.keys() - {"plan.csv"}), "nor this one the plan any more"
    assert brought(hosts.other, hosts.ledger, RUN, ["work/plan.parquet"]).table("plan.parquet").equals(TABLE)
    hosts.folder.save_bytes("plan.csv", b"row,sim_id\n2,11\n")
    next(path for path in hosts.objects() if path.name == kept["plan.csv"].sha256[2:]).unlink()
    assert restore(hosts.one, hosts.ledger, RUN) == ["plan.csv"]


def test_a_file_that_the_ledger_names_outside_the_folder_is_not_written(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    one = run_files.kept(hosts.ledger, RUN)["plan.csv"]
    run_files.record(hosts.ledger, RUN, [KeptFile("../../settings.toml", one.sha256, one.size)])
    with pytest.raises(StoreError, match="outside the folder"):
        brought(hosts.other, hosts.ledger, RUN)
    assert not (hosts.other.home / "settings.toml").exists()


def test_where_the_store_is_away_nothing_is_sent_and_later_nothing_is_lost(hosts: Hosts) -> None:
    said: list[str] = []
    progress.install(progress.ProgressHooks())
    hosts.store.write_text("not a folder")
    with pytest.raises(StoreError, match="Nothing was sent"):
        share(hosts.one, hosts.ledger, hosts.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress.current(), "message", said.append)
        share_or_keep(hosts.one, hosts.ledger, hosts.folder)
    assert "get there with the next run of this host" in said[0]
    catch_up(hosts.one, hosts.ledger)
    assert run_files.kept(hosts.ledger, RUN) == {}
    hosts.store.unlink()
    catch_up(hosts.one, hosts.ledger)
    assert brought(hosts.other, hosts.ledger, RUN).table("plan.parquet").equals(TABLE)
    assert list((hosts.one.home / "unshared").iterdir()) == []


def test_what_nothing_refers_to_goes_after_a_day_and_what_a_run_needs_stays(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    killed = hosts.store / "sha256" / "ab" / ("c" * 62)
    killed.parent.mkdir(exist_ok=True)
    killed.write_bytes(b"put there by a host that was killed then")
    assert remove_unreferenced(hosts.one, hosts.ledger) == 0, "a host may be about to refer to it"
    for path in hosts.objects():
        os.utime(path, (time.time() - 90_000,) * 2)
    assert remove_unreferenced(hosts.one, hosts.ledger) == 1
    assert not killed.exists()
    assert brought(hosts.other, hosts.ledger, RUN).has("plan.parquet")


def test_the_first_use_of_a_store_makes_it_and_leaves_a_mark_there(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    said = (hosts.store / MARK).read_text()
    entry = hosts.ledger.entry()
    assert entry
    assert said == f"{entry.ledger}\n"
    share(hosts.other, hosts.ledger, RunFolder(hosts.other.runs_folder / RUN))
    assert (hosts.store / MARK).read_text() == said


@pytest.mark.parametrize("mounted", [False, True])
def test_a_store_that_is_not_mounted_is_not_made_anew_and_nothing_is_sent(hosts: Hosts, mounted: bool) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    away = hosts.store.rename(hosts.store.with_name("away"))
    if mounted:
        hosts.store.mkdir()
    hosts.folder.save_bytes("plan.csv", b"row,sim_id\n2,12\n")
    with pytest.raises(StoreError, match=r"not mounted, or was emptied\.\nNothing was sent\. Mount it on this host"):
        share(hosts.one, hosts.ledger, hosts.folder)
    for use in (brought, restore):
        with pytest.raises(StoreError, match="not mounted"):
            use(hosts.other, hosts.ledger, RUN)
    with pytest.raises(StoreError, match="not mounted"):
        remove_unreferenced(hosts.one, hosts.ledger)
    share_or_keep(hosts.one, hosts.ledger, hosts.folder)
    catch_up(hosts.one, hosts.ledger)
    assert hosts.store.exists() is mounted
    assert hosts.objects() == []
    if mounted:
        hosts.store.rmdir()
    away.rename(hosts.store)
    catch_up(hosts.one, hosts.ledger)
    there = brought(hosts.other, hosts.ledger, RUN)
    assert there.file("plan.csv").read_bytes() == b"row,sim_id\n2,12\n", "what was kept meanwhile is there by now"


def test_a_store_of_another_ledger_is_refused_and_nothing_of_it_is_removed(hosts: Hosts, tmp_path: Path) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    for path in hosts.objects():
        os.utime(path, (time.time() - 90_000,) * 2)
    with Ledger.open(f"sqlite:///{tmp_path}/another.db") as another:
        with pytest.raises(
            StoreError, match=r"has the files of another ledger, [0-9a-f]{16}; this one is [0-9a-f]{16}"
        ):
            share(hosts.one, another, hosts.folder)
        with pytest.raises(StoreError, match="another ledger"):
            remove_unreferenced(hosts.one, another)
    assert len(hosts.objects()) == 3


def test_a_new_store_is_taken_where_somebody_accepted_it(hosts: Hosts) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    shutil.rmtree(hosts.store)
    with pytest.raises(StoreError, match="simtandem doctor --accept-store"):
        restore(hosts.one, hosts.ledger, RUN)
    store = ObjectStore(str(hosts.one.store))
    assert store_mark.missing(hosts.ledger.database, store) == Missing(files=3, runs=1, missing=3)
    store_mark.accept(hosts.ledger.database, store)
    assert restore(hosts.one, hosts.ledger, RUN) == sorted(run_files.kept(hosts.ledger, RUN))
    assert brought(hosts.other, hosts.ledger, RUN).table("plan.parquet").equals(TABLE)


@pytest.mark.parametrize("there", [True, False])
def test_a_ledger_of_before_the_marks_knows_its_store_by_a_file_of_it(hosts: Hosts, there: bool) -> None:
    share(hosts.one, hosts.ledger, hosts.folder)
    with hosts.ledger.database.write() as connection:
        connection.execute(delete(store_marks))
    (hosts.store / MARK).unlink()
    for path in hosts.objects()[there:]:
        path.unlink()
    if there:
        share(hosts.one, hosts.ledger, hosts.folder)
        assert (hosts.store / MARK).exists()
        shutil.rmtree(hosts.store)
    with pytest.raises(StoreError, match="not mounted"):
        share(hosts.one, hosts.ledger, hosts.folder)
    assert not (hosts.store / MARK).exists()


def test_of_two_hosts_that_begin_at_once_the_one_without_the_share_is_refused(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = hosts.other.model_copy(update={"store": f"file://{hosts.store}-local"})
    known, asked = store_mark._known, list[Connection]()

    def meanwhile(connection: Connection) -> object:
        found = known(connection)
        asked.append(connection)
        if len(asked) == 1:
            share(hosts.one, hosts.ledger, hosts.folder)
        return found

    monkeypatch.setattr(store_mark, "_known", meanwhile)
    with pytest.raises(StoreError, match="not mounted"):
        share(elsewhere, hosts.ledger, hosts.folder)
    assert not Path(f"{hosts.store}-local").exists()


def test_without_a_store_files_stay_where_they_are(hosts: Hosts) -> None:
    alone = hosts.one.model_copy(update={"store": None})
    share(alone, hosts.ledger, hosts.folder)
    hosts.ledger.record_state(RUN, RunState.FINISHED, {}, sealed=True)
    assert (hosts.objects(), run_files.kept(hosts.ledger, RUN)) == ([], {})
    assert not brought(hosts.other.model_copy(update={"store": None}), hosts.ledger, RUN).has("plan.parquet")
