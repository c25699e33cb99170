import os
from hashlib import sha256
from pathlib import Path

import pytest

from simtandem.inbox import local_files
from simtandem.inbox.local_files import being_written, give_usable_name, hold, remove_version, restore_all, share


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_one_holds_a_folder_at_a_time(tmp_path: Path) -> None:
    with hold(tmp_path) as first, hold(tmp_path) as second:
        assert (first, second) == (True, False)
    with hold(tmp_path) as third:
        assert third
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_is_what_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("new")
    assert not remove_version(file, digest("old"))
    assert file.read_text() == "new"
    assert remove_version(file, digest("new"))
    assert not remove_version(file, digest("new"))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_removed_for_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    link = tmp_path / "a.csv"
    link.symlink_to(tmp_path / "target")
    assert not remove_version(link, digest("x"))
    assert link.is_symlink()


def test_what_a_killed_program_had_put_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".a.csv.0123abcd.leaving").write_text("x")
    (tmp_path / ".hidden").write_text("y")
    restore_all(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "x", ".hidden": "y"}


@pytest.mark.parametrize("links", [True, False])
def test_it_comes_back_under_another_name_where_its_own_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / ".a.csv.0123abcd.leaving").write_text("older")
    (tmp_path / "a.csv").write_text("newer")
    restore_all(tmp_path)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found.pop("a.csv") == "newer"
    [(name, text)] = found.items()
    assert text == "older"
    assert name.startswith("a.")
    assert name.endswith(".csv")


def test_a_usable_name_stays(tmp_path: Path) -> None:
    (tmp_path / "Größe 7.csv").touch()
    assert give_usable_name(tmp_path, "Größe 7.csv") == "Größe 7.csv"
    assert (tmp_path / "Größe 7.csv").exists()


def test_two_names_that_differ_where_they_are_odd_stay_two(tmp_path: Path) -> None:
    names = [f"{'x' * 200}{end}.csv" for end in "ab"]
    for name in names:
        (tmp_path / name).write_text(name)
    given = {give_usable_name(tmp_path, name) for name in names}
    assert len(given) == 2
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == names
    assert all(name is not None and len(name.encode()) <= local_files.LONGEST_NAME for name in given)


def test_a_file_that_is_gone_or_whose_new_name_is_taken_gets_none(tmp_path: Path) -> None:
    assert give_usable_name(tmp_path, "a\n.csv") is None
    (tmp_path / "a\n.csv").write_text("1")
    name = give_usable_name(tmp_path, "a\n.csv")
    (tmp_path / "a\n.csv").write_text("2")
    assert give_usable_name(tmp_path, "a\n.csv") is None
    assert name is not None
    assert (tmp_path / name).read_text() == "1"


def test_only_a_writer_counts_as_writing(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    with file.open() as _reader:
        assert not being_written(file)
    with file.open("a") as _writer:
        assert being_written(file)
    assert not being_written(file)
    assert not being_written(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("inbox", "folder", "file"),
    [(0o2775, 0o2755, 0o644), (0o1777, 0o755, 0o644), (0o2770, 0o2750, 0o640), (0o700,) * 2 + (0o600,)],
)
def test_who_may_read_an_inbox_may_read_what_is_left_there(tmp_path: Path, inbox: int, folder: int, file: int) -> None:
    """Whatever the umask; and nobody may write to it who did not make it."""
    tmp_path.chmod(inbox)
    result = tmp_path / "results" / "monday" / "results.csv"
    result.parent.mkdir(parents=True, mode=0o700)
    result.touch(mode=0o600)
    share(tmp_path, result)
    assert [oct(path.stat().st_mode & 0o7777) for path in (tmp_path, result.parent.parent, result.parent, result)] == [
        oct(mode) for mode in (inbox, folder, folder, file)
    ]
