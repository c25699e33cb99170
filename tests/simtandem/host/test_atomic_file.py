import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.errors import LedgerError
from simtandem.host.atomic_file import replace_file, replacing


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Writing beyond 4 KB fails, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(b"old")

    replace_file(path, [b"new ", b"file"])

    assert path.read_bytes() == b"new file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, full_disk: None) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(b"old")

    with pytest.raises(LedgerError, match=r"results\.csv can't be written: File too large"):
        replace_file(path, [b"x" * 4096, b"y" * 4096])

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_is_removed_when_its_content_can_not_be_made(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "results.csv", chunks())

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "plan.csv"

    with pytest.raises(LedgerError) as caught:
        replace_file(path, [b""])

    assert str(caught.value).startswith(f"{path} can't be written: No such file or directory.")


def test_others_may_read_the_file_as_the_umask_says(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "report.html"
    plain.touch()

    replace_file(path, [b""])

    assert path.stat().st_mode == plain.stat().st_mode


def test_a_private_file_is_for_its_user_alone_whatever_the_old_one_was(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o644)

    with replacing(path, private=True) as file:
        file.write(b"secret")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b"secret"


def test_an_error_of_the_system_is_the_callers_to_translate(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "gone" / "key"):
        pass
