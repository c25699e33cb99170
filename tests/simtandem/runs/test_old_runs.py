from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from simtandem.ledger.integrity.archive import archive_name
from simtandem.ledger.integrity.proof import Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.store import Ledger
from simtandem.ledger.work_lock import work_lock
from simtandem.runs.old_runs import archive_old_runs
from simtandem.settings import Settings, load
from tests.simtandem.ledger.conftest import (
    Clock,
    a_run,
    clock,
    ledger,
    new_schema,
    new_url,
    plan,
    postgres_server,
    rejected,
    results,
    url,
    whole_run,
)

__all__ = ["a_run", "clock", "ledger", "new_schema", "new_url", "plan", "postgres_server", "rejected", "results"]
__all__ += ["url", "whole_run"]


pytestmark = pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
"""PostgreSQL frees the lock a moment after it was released; `prune_run` has its own tests there."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(home=tmp_path, archive_after_days=400)


def test_runs_leave_the_ledger_once_they_are_old_enough_and_verify(
    whole_run: Ledger, clock: Clock, settings: Settings
) -> None:
    clock.advance(timedelta(days=400).total_seconds() - 60)
    assert archive_old_runs(whole_run, settings) == []
    clock.advance(120)
    assert archive_old_runs(whole_run, settings.model_copy(update={"archive_after_days": None})) == []
    with work_lock(whole_run.database, "archive") as locked:
        assert locked
        assert archive_old_runs(whole_run, settings) == [], "another process is at it"
    assert archive_old_runs(whole_run, settings, iter((0.0, 1.0, 3600.0)).__next__) == ["20260131-a"], "for an hour"
    assert archive_old_runs(whole_run, settings) == ["another"]
    assert (settings.archive_folder / archive_name("another")).exists()
    with whole_run.database.snapshot() as connection:
        assert verify_chain("another", Recorded(connection, "another")).standing is Standing.PRUNED


def test_one_that_does_not_verify_stays_and_the_others_go(
    whole_run: Ledger, clock: Clock, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with whole_run.database.write() as connection:
        connection.execute(text("UPDATE outcomes SET attempts = 9 WHERE run_id = 'another'"))
    clock.advance(timedelta(days=401).total_seconds())
    assert archive_old_runs(whole_run, settings) == ["20260131-a"]
    assert "Run another was not archived" in caplog.text
