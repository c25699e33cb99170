import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.errors import InputError
from simtandem.host import private_home as homes
from simtandem.host.private_home import close_to_others, import_nothing_from_here, keep_private, stand_in
from tests.hostile_folder import open_to_others


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is closed, with a file that is."""
    home = tmp_path / "home"
    (home / "runs" / "a").mkdir(parents=True, mode=0o700)
    for path in (home, home / "runs", home / "runs" / "a"):
        path.chmod(0o700)
    (home / "ledger.sqlite").touch(mode=0o600)
    return home


def test_what_is_made_from_now_on_is_this_users_alone(tmp_path: Path) -> None:
    keep_private()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    assert open_to_others(tmp_path / "a") == []


def test_a_closed_home_is_left_without_a_word(home: Path) -> None:
    assert close_to_others(home) == []


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert close_to_others(tmp_path / "home") == []
    assert not (tmp_path / "home").exists()


def test_everything_open_is_closed_and_named_with_a_count(home: Path) -> None:
    for name in ("a", "b", "c"):
        (home / name).mkdir()
        (home / name / "file").touch()
        (home / name / "file").chmod(0o666)
    home.chmod(0o755)
    [note] = close_to_others(home)
    assert "access 7 of the files and folders of SIMTANDEM_HOME" in note
    assert "the folder itself, c, c/file and 4 more" in note
    assert open_to_others(home) == []
    assert close_to_others(home) == []


def test_what_the_owner_may_do_stays(home: Path) -> None:
    (home / "tool").touch()
    (home / "tool").chmod(0o755)
    (home / "kept").touch()
    (home / "kept").chmod(0o444)
    close_to_others(home)
    assert [oct((home / name).stat().st_mode & 0o7777) for name in ("tool", "kept")] == ["0o700", "0o400"]


@pytest.mark.parametrize("mode", [0o704, 0o740, 0o701, 0o720, 0o602])
def test_any_right_of_any_other_counts(home: Path, mode: int) -> None:
    (home / "ledger.sqlite").chmod(mode)
    [note] = close_to_others(home)
    assert "access 1 of the files and folders" in note
    assert "ledger.sqlite" in note
    assert open_to_others(home) == []


def test_the_newest_runs_of_a_closed_home_are_looked_at_and_all_of_an_open_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home holds years of runs, and nobody gets at them through a folder that is closed."""
    monkeypatch.setattr(homes, "_MOST", 2)
    for name in ("1", "2"):
        (home / "runs" / name).mkdir()
    (home / "ledger.sqlite").chmod(0o644)
    close_to_others(home)
    assert open_to_others(home) == [str(home / "runs" / name) for name in ("1", "2")]
    (home / "runs" / "a").rmdir()
    close_to_others(home)
    assert open_to_others(home) == [str(home / "runs" / "1")]
    home.chmod(0o755)
    close_to_others(home)
    assert open_to_others(home) == []


def test_what_a_link_leads_to_is_somewhere_else(home: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    inbox.chmod(0o2775)
    (inbox / "monday.csv").touch()
    (home / "inbox").symlink_to(inbox)
    home.chmod(0o755)
    close_to_others(home)
    assert open_to_others(inbox) == [str(inbox), str(inbox / "monday.csv")]


def test_a_link_in_place_of_the_home_is_told(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    [note] = close_to_others(link)
    assert f"SIMTANDEM_HOME ({link}) is a symbolic link to {home}" in note


@pytest.mark.parametrize(("mode", "above"), [(0o777, 1), (0o1777, 1), (0o777, 2)])
def test_a_folder_where_everybody_writes_is_told(tmp_path: Path, mode: int, above: int) -> None:
    """Whoever may put another home in its place decides what is recorded."""
    home = tmp_path / "open" / "a" / "home" if above == 2 else tmp_path / "open" / "home"
    home.mkdir(parents=True)
    home.chmod(0o700)
    (tmp_path / "open").chmod(mode)
    [note] = close_to_others(home)
    assert f"is in {tmp_path / 'open'}, where every user may write" in note


@pytest.fixture
def somebody_else(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on this process is somebody else's than the files that were made before."""
    return lambda: monkeypatch.setattr(os, "geteuid", lambda: 54_321)


def test_a_home_of_somebody_else_is_refused(home: Path, tmp_path: Path, somebody_else: Callable[[], None]) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    somebody_else()
    for path in (home, link):
        with pytest.raises(InputError, match=r"belongs to .+, and this is user 54321"):
            close_to_others(path)


def test_a_file_that_somebody_else_left_in_the_home_is_told(home: Path, somebody_else: Callable[[], None]) -> None:
    somebody_else()
    [note] = homes._closed(home, everything=False)
    assert "can't be changed (the folder itself belongs to " in note


@pytest.mark.parametrize("name", [".env", "prefect.toml", "prefect/profiles.toml"])
def test_settings_that_somebody_else_left_in_the_home_are_not_used(
    home: Path, somebody_else: Callable[[], None], name: str
) -> None:
    """It may have been open for a while."""
    (home / "prefect").mkdir(mode=0o700)
    (home / name).touch()
    stand_in(home)
    somebody_else()
    with pytest.raises(InputError, match="and Prefect reads settings from it"):
        stand_in(home)


def test_a_process_stands_in_its_home(home: Path, tmp_path: Path) -> None:
    stand_in(home)
    assert Path.cwd() == home
    stand_in(tmp_path / "new" / "home")
    assert Path.cwd() == tmp_path / "new" / "home"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't be used: File exists"):
        stand_in(tmp_path / "file")


def test_no_module_comes_from_where_a_command_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = str(Path(homes.__file__).parents[2])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), "/somewhere", ours, f"{tmp_path}/"])
    import_nothing_from_here()
    assert sys.path == ["/somewhere", ours]
    monkeypatch.chdir(ours)
    import_nothing_from_here()
    assert sys.path == ["/somewhere", ours]
