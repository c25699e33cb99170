import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from simtandem.errors import LedgerError
from simtandem.host import file_lock


@contextmanager
def another_process(lock: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that holds the lock."""
    program = (
        "import sys, time; from pathlib import Path; from simtandem.host.file_lock import lock_file, taken; "
        "lock = lock_file(Path(sys.argv[1])); print(taken(lock), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, lock], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"True\n"
            yield holder
        finally:
            holder.kill()


def test_a_lock_that_another_process_holds_is_free_once_that_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    lock = file_lock.lock_file(path)
    with another_process(path) as holder:
        assert not file_lock.taken(lock)
        holder.kill()
        holder.wait()
        assert file_lock.taken(lock)
    lock.release()


def test_a_lock_file_is_its_owners_alone(tmp_path: Path) -> None:
    lock = file_lock.lock_file(tmp_path / "work.lock")
    assert file_lock.taken(lock)
    lock.release()
    assert (tmp_path / "work.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_never_becomes_a_mere_file_that_outlives_a_killed_process(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "other.lock").fallback_to_soft
    assert not file_lock.lock_file(tmp_path / "work.lock").fallback_to_soft


@pytest.mark.parametrize("obstacle", ["folder", "link"])
def test_a_lock_file_that_can_not_be_used_is_an_error_that_names_it(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "work.lock"
    if obstacle == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match=r"work\.lock can't be used \(.+\)\. Nothing was sent"):
        file_lock.taken(file_lock.lock_file(path))
    assert not (tmp_path / "elsewhere").exists()
