"""Files in the folder `urgent` of an inbox: they wait for no others, and their runs are urgent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import Action
from simtandem.inbox.due_runs import Began, due_runs
from simtandem.inbox.quiet_look import nothing_to_do
from simtandem.ledger.records import RunState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, look_in, planned
from tests.simtandem.inbox.conftest import Clock, Drop

Sim = Callable[[int], str]
TIMED = "iccid,status,effective_at"


@pytest.fixture
def bulk_update(settings: Settings) -> BulkUpdate:
    return BulkUpdate(settings)


def test_an_urgent_file_waits_for_no_other_and_its_run_wins_over_what_was_due_before(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(12)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update, urgent=False)
    clock.advance(days=1)
    (inbox / "urgent").mkdir()
    drop("urgent/on.csv", f"{sim(11)},activated")

    def sends(began: Began) -> None:
        assert began.request.urgent
        ledger.record_plan(began.run_id, planned(11, "activated", Action.CHANGE))
        ledger.record_state(began.run_id, RunState.APPLYING, {})
        bulk_update(began)

    clock.advance(seconds=1)
    with due_runs(Schedules(ledger, urgent=False), settings) as others:
        assert others is not None
        assert look_in(settings, ledger, sends, urgent=True) == ["applied"]
    assert look_in(settings, ledger, bulk_update, urgent=False) == ["applied"]
    assert bulk_update.fleet.sent == ["11 activated", "12 suspended"]
    schedules = Schedules(ledger)
    (left,) = [each for each in schedules.all(open_only=False) if each.file == "off.csv"]
    (reason,) = schedules.skips(left.schedule_id)["reason"]
    assert reason.startswith("overtaken by run ")


def test_the_run_of_another_file_does_not_win_over_an_urgent_one(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    (inbox / "urgent").mkdir()
    drop("urgent/off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update, urgent=True)
    clock.advance(days=1, seconds=1)
    drop("on.csv", f"{sim(11)},activated")

    def sends(began: Began) -> None:
        ledger.record_plan(began.run_id, planned(11, "activated", Action.CHANGE))
        ledger.record_state(began.run_id, RunState.APPLYING, {})
        bulk_update(began)

    assert look_in(settings, ledger, sends, urgent=False) == ["applied"]
    assert look_in(settings, ledger, bulk_update, urgent=True) == ["applied"]
    assert bulk_update.fleet.sent == ["11 activated", "11 suspended"]


def test_a_look_for_urgent_files_has_nothing_to_do_where_only_others_wait(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, inbox: Path, drop: Drop, sim: Sim
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(settings.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "secret")
    assert nothing_to_do()
    drop("on.csv", f"{sim(11)},activated")
    assert (nothing_to_do(), nothing_to_do(urgent=True)) == (False, True)
    (inbox / "on.csv").rename(inbox / "urgent" / "on.csv")
    assert (nothing_to_do(), nothing_to_do(urgent=True)) == (False, False)
