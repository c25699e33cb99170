import subprocess
import sys
import time
from pathlib import Path

import pytest

from simtandem.errors import LedgerError
from simtandem.ledger.store import Ledger
from simtandem.ledger.work_lock import work_lock

HOLDER = (
    "import sys, time; from simtandem.ledger.store import Ledger; from simtandem.ledger.work_lock import work_lock\n"
    "with work_lock(Ledger.open(sys.argv[1]).database, 'due') as free: print(free, flush=True); time.sleep(60)"
)


def test_a_killed_process_releases_its_work(url: str) -> None:
    with Ledger.open(url) as ledger:
        with subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE) as holder:
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"True\n"
                with work_lock(ledger.database, "due") as free:
                    assert not free
            finally:
                holder.kill()
        for _ in range(100):  # PostgreSQL notices a little later that the process is gone
            with work_lock(ledger.database, "due") as free:
                if free:
                    return
            time.sleep(0.1)
        pytest.fail("a killed process keeps its lock")


def test_other_work_is_not_locked(url: str) -> None:
    with (
        Ledger.open(url) as ledger,
        Ledger.open(url) as other,
        work_lock(ledger.database, "due") as due,
        work_lock(other.database, "inbox") as inbox,
    ):
        assert (due, inbox) == (True, True)


def test_a_lock_file_that_can_not_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        (tmp_path / "ledger.sqlite.due.lock").mkdir()
        with (
            pytest.raises(LedgerError, match=r"ledger\.sqlite\.due\.lock can't be used"),
            work_lock(ledger.database, "due"),
        ):
            pass
