"""The mark of a ledger in its store: put there once, recorded, and asked for ever after; on both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from threading import Barrier

import pytest
from sqlalchemy import select

from simtandem.errors import StoreError
from simtandem.ledger import run_files
from simtandem.ledger.file_tables import store_marks
from simtandem.ledger.object_store import ObjectStore, digest_of
from simtandem.ledger.records import RunRecord
from simtandem.ledger.run_files import KeptFile
from simtandem.ledger.store import Ledger
from simtandem.ledger.store_mark import problem, require, require_marked


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened


@pytest.fixture(params=["folder", "memory"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    if request.param == "folder":
        return lambda: ObjectStore(str(tmp_path / token_hex(4)))
    return lambda: ObjectStore(f"memory://{token_hex(4)}")


def marks(ledger: Ledger) -> list[str]:
    return ledger.database.reading(lambda connection: list(connection.scalars(select(store_marks.c.ledger))))


def test_the_first_use_leaves_the_mark_and_another_store_is_refused_from_then_on(
    ledger: Ledger, new_store: Callable[[], ObjectStore]
) -> None:
    first, second = new_store(), new_store()
    for store in (first, second):
        require(ledger.database, store)
        assert store.mark() is None, "a look puts nothing there"
    require_marked(ledger.database, first)
    require_marked(ledger.database, first)
    assert [first.mark()] == marks(ledger) == [ledger.name()]
    assert problem(ledger.database, first) == ""
    for use in (require, require_marked):
        with pytest.raises(StoreError, match="it is not mounted, or was emptied"):
            use(ledger.database, second)
    assert second.mark() is None
    second.put_mark(ledger.name())
    require_marked(ledger.database, second)


def test_a_store_of_another_ledger_is_refused_before_the_first_use(
    ledger: Ledger, new_store: Callable[[], ObjectStore]
) -> None:
    store = new_store()
    store.put_mark("8f31c02e9a114d70")
    with pytest.raises(StoreError, match=f"another ledger, 8f31c02e9a114d70; this one is {ledger.name()}"):
        require_marked(ledger.database, store)
    assert (store.mark(), marks(ledger)) == ("8f31c02e9a114d70", [])


def test_files_from_before_there_were_marks_say_which_store_it_is(
    ledger: Ledger, new_store: Callable[[], ObjectStore], tmp_path: Path, a_run: Callable[..., RunRecord]
) -> None:
    path = tmp_path / "plan.csv"
    path.write_text("row,sim_id\n2,11\n")
    run, digest, size = a_run(), digest_of(path), path.stat().st_size
    ledger.start_run(run)
    run_files.record(ledger, run.run_id, [KeptFile("gone.csv", "0" * 64, 3), KeptFile("plan.csv", digest, size)])
    right, wrong = new_store(), new_store()
    right.put(path, digest)
    with pytest.raises(StoreError, match="not mounted"):
        require_marked(ledger.database, wrong)
    require_marked(ledger.database, right)
    assert (wrong.mark(), right.mark()) == (None, ledger.name())


def test_of_hosts_that_begin_at_once_all_have_one_store(ledger: Ledger, new_store: Callable[[], ObjectStore]) -> None:
    stores, together = [new_store() for _ in range(4)], Barrier(4)

    def use(store: ObjectStore) -> str:
        together.wait(30)
        try:
            require_marked(ledger.database, store)
        except StoreError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as hosts:
        said = list(hosts.map(use, stores))
    assert sorted(map(bool, said)) == [False, True, True, True]
    assert [store.mark() is None for store in stores] == [bool(each) for each in said]
