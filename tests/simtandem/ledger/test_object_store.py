"""The store of the runs' files: in a folder, and at an address of fsspec's."""

import os
import shutil
import time
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import pytest

from simtandem.errors import InputError, StoreError
from simtandem.ledger.object_store import MARK, ObjectStore

WORDS = b"row,sim_id\n2,11\n"
DIGEST = sha256(WORDS).hexdigest()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "store") if request.param == "folder" else f"memory://{token_hex(4)}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.csv"
    path.write_bytes(WORDS)
    return path


def test_what_was_put_there_is_read_again_and_sent_once(store: ObjectStore, file: Path, tmp_path: Path) -> None:
    assert store.problem(DIGEST, len(WORDS), read=True) == "is not in the store"
    assert store.put(file, DIGEST)
    assert not store.put(file, DIGEST)
    store.fetch(DIGEST, len(WORDS), tmp_path / "other" / "plan.csv")
    assert (tmp_path / "other" / "plan.csv").read_bytes() == WORDS
    assert store.problem(DIGEST, len(WORDS), read=True) == ""
    store.remove(DIGEST)
    store.remove(DIGEST)
    assert store.problem(DIGEST, len(WORDS), read=False) == "is not in the store"


@pytest.mark.parametrize("other", [WORDS.replace(b"11", b"12"), WORDS + b"3,12\n", WORDS[:4], b""])
def test_what_is_another_file_by_now_is_not_used(tmp_path: Path, file: Path, other: bytes) -> None:
    store = ObjectStore(str(tmp_path / "store"))
    store.put(file, DIGEST)
    next((tmp_path / "store").rglob(DIGEST[2:])).write_bytes(other)
    with pytest.raises(StoreError, match=r"its SHA-256 is another one .*It is not used"):
        store.fetch(DIGEST, len(WORDS), tmp_path / "fetched" / "plan.csv")
    assert list((tmp_path / "fetched").iterdir()) == []
    assert "was changed" in store.problem(DIGEST, len(WORDS), read=True)


def test_a_changed_file_of_the_same_size_is_put_there_again(store: ObjectStore, file: Path) -> None:
    store.put(file, DIGEST)
    store._files.pipe_file(store._at(DIGEST), WORDS.replace(b"11", b"12"))
    assert store.put(file, DIGEST, anew=not store._local), "what lies in a folder is compared"
    assert store.problem(DIGEST, len(WORDS), read=True) == ""
    assert not store.put(file, DIGEST)


def test_a_store_that_is_away_or_full_says_so_and_leaves_nothing(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").write_text("")
    with pytest.raises(StoreError, match=r"can't be written: Not a directory"):
        ObjectStore(str(tmp_path / "no-folder")).put(file, DIGEST)
    store = ObjectStore(str(tmp_path / "store"))
    monkeypatch.setattr(shutil, "copyfileobj", _full)
    with pytest.raises(StoreError, match="can't be written: No space left"):
        store.put(file, DIGEST)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_is_old_is_listed_and_drafts_of_killed_hosts_go(tmp_path: Path, file: Path) -> None:
    store = ObjectStore(str(tmp_path / "store"))
    store.put(file, DIGEST)
    kept = next((tmp_path / "store").rglob(DIGEST[2:]))
    draft = kept.with_name(f".{kept.name}.ab12.tmp")
    draft.write_bytes(WORDS[:3])
    assert list(store.older_than(60)) == []
    for path in (kept, draft):
        os.utime(path, (time.time() - 120,) * 2)
    assert list(store.older_than(60)) == [DIGEST]
    store.remove_drafts(60)
    assert (draft.exists(), kept.exists()) == (False, True)


def test_it_says_whose_files_it_has_once_somebody_said_so(store: ObjectStore, file: Path) -> None:
    assert store.mark() is None
    store.put_mark("8f31c02e9a114d70")
    store.put(file, DIGEST)
    assert store.mark() == "8f31c02e9a114d70"
    assert list(store.older_than(-1)) == [DIGEST], "the mark is no file of a run"
    store._files.pipe_file(f"{store._root}/{MARK}", b"\xff\x1b[31m" + b"8f31" * 1_000_000)
    assert len(store.mark() or "") <= 200


def test_a_store_is_tried_as_a_run_uses_it_and_nothing_of_that_is_left(store: ObjectStore, tmp_path: Path) -> None:
    there = set(tmp_path.rglob("*"))
    store.try_out()
    assert list(store.older_than(-1)) == []
    assert set(tmp_path.rglob("*")) == there
    store.put_mark("8f31c02e9a114d70")
    there = set(tmp_path.rglob("*"))
    store.try_out()
    assert set(tmp_path.rglob("*")) == there


def test_a_trial_that_fails_leaves_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "copyfileobj", _full)
    with pytest.raises(StoreError, match="can't be written: No space left"):
        ObjectStore(str(tmp_path / "deep" / "store")).try_out()
    assert list(tmp_path.iterdir()) == []


def test_an_address_whose_package_is_missing_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"by s3, and the package for that is not installed[\s\S]*simtandem\[hosts\]"):
        ObjectStore("s3://bucket/simtandem")
