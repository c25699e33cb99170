"""The retries of a run, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.retries import retries_of
from simtandem.ledger.store import Ledger

MakeRun = Callable[..., RunRecord]
BEGAN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def test_the_retries_of_this_very_run_are_found_the_newest_first(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run("20260131-a"))
    asked = {"first": "20260131-a", "other": "20260131-ab", "of-first": "first", "second": "20260131-a"}
    for number, (run_id, of) in enumerate(asked.items()):
        began = BEGAN + timedelta(minutes=number)
        ledger.start_run(a_run(run_id, kind=RunKind.RETRY, parameters={"retry_of": of}, started_at=began))
    ledger.start_run(a_run("undo", kind=RunKind.UNDO, parameters={"retry_of": "", "undo_of": "20260131-a"}))
    assert [each.record.run_id for each in retries_of(ledger, "20260131-a")] == ["second", "first"]
    assert retries_of(ledger, "second") == []
