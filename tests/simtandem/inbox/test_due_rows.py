"""What is carried out is decided before each run, by all that is due by then."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from schemas.statuses import Action
from simtandem.errors import AuthenticationFailed
from simtandem.inbox.conflicts import Why
from simtandem.inbox.due_rows import LeftOut
from simtandem.inbox.due_runs import Began, due_runs
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.schedule_records import ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, direct_run, look_in, look_up, planned
from tests.simtandem.inbox.conftest import Clock, Drop

Sim = Callable[[int], str]
TIMED = "iccid,status,effective_at"


@pytest.fixture
def bulk_update(settings: Settings) -> BulkUpdate:
    return BulkUpdate(settings)


def states(ledger: Ledger) -> dict[str, str]:
    return {each.file: str(each.state) for each in Schedules(ledger).all(open_only=False)}


def reason(ledger: Ledger, file: str) -> str:
    schedules = Schedules(ledger)
    (found,) = [each for each in schedules.all(open_only=False) if each.file == file]
    (told,) = schedules.skips(found.schedule_id)["reason"]
    return str(told)


def meanwhile(bulk_update: BulkUpdate, step: Callable[[], object]) -> Callable[[Began], None]:
    """A bulk update during which, the first time, something else happens."""
    left = [step]

    def apply(began: Began) -> None:
        if left:
            left.pop()()
        bulk_update(began)

    return apply


def test_rows_that_become_due_while_a_run_is_at_work_are_looked_at_for_contradictions(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("first.csv", f"{sim(10)},activated,2026-12-05 00:00", header=TIMED)
    drop("a.csv", f"{sim(11)},suspended,2026-12-05 06:00", header=TIMED)
    drop("b.csv", f"{sim(11)},activated,2026-12-05 06:00", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(hours=12)
    look_in(settings, ledger, meanwhile(bulk_update, lambda: clock.advance(hours=8)))
    assert bulk_update.fleet.sent == ["10 activated"]
    assert states(ledger) == {"first.csv": "applied", "a.csv": "left_out", "b.csv": "left_out"}
    assert "b.csv row 2 asks for another status" in reason(ledger, "a.csv")


def test_rows_that_are_overtaken_while_a_run_is_at_work_are_not_carried_out(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("first.csv", f"{sim(10)},activated,2026-12-05 00:00", header=TIMED)
    drop("off.csv", f"{sim(11)},suspended,2026-12-05 01:00", header=TIMED)
    drop("on.csv", f"{sim(11)},activated,2026-12-05 06:00", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(hours=13)  # first.csv and off.csv are due
    look_in(settings, ledger, meanwhile(bulk_update, lambda: clock.advance(hours=8)))
    assert bulk_update.fleet.sent == ["10 activated", "11 activated"]
    assert states(ledger) == {"first.csv": "applied", "off.csv": "left_out", "on.csv": "applied"}


def test_only_what_stood_in_the_look_begins_after_it(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    """The clock passes the moment of both contradicting rows between the look at them and the run's beginning."""
    drop("a.csv", f"{sim(11)},suspended,2026-12-05 00:00", header=TIMED)
    drop("b.csv", f"{sim(11)},activated,2026-12-05 00:00", header=TIMED)
    look_in(settings, ledger, bulk_update)

    def reached(step: str) -> None:
        if step == "chosen":
            clock.advance(hours=12)

    look_in(settings, ledger, bulk_update, reached=reached)
    look_in(settings, ledger, bulk_update)
    assert bulk_update.fleet.sent == []


@pytest.mark.parametrize("when", ["before the first look", "while a run is at work"])
def test_what_is_overdue_by_more_than_a_file_may_ask_for_is_not_carried_out_but_named(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate, when: str
) -> None:
    drop("first.csv", f"{sim(10)},activated,2026-12-10", header=TIMED)
    drop("old.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(12)},suspended,2026-12-12", header=TIMED)
    look_in(settings, ledger, bulk_update)
    told: list[LeftOut] = []
    if when == "before the first look":
        clock.advance(days=9)
        look_in(settings, ledger, bulk_update, told=told)
        assert bulk_update.fleet.sent == ["10 activated", "12 suspended"]
    else:
        clock.advance(days=7.3)  # still in time: but not when its turn comes
        bulk_update.ends = [RunState.FAILED]
        look_in(settings, ledger, meanwhile(bulk_update, lambda: clock.advance(days=1)), told=told)
    assert [each.why for each in told] == [Why.OVERDUE]
    assert str(told[0]) == (
        "old.csv: 1 row not carried out, the first: row 2 was due 2026-12-04 23:00 UTC; that is too long ago to carry "
        "out. Schedule it again if it is still wanted"
    )
    assert "11 suspended" not in bulk_update.fleet.sent


def test_months_of_downtime_leave_everything_named_and_nothing_sent(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(11)},activated,2026-12-07", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=100)
    assert look_in(settings, ledger, bulk_update) == []
    assert bulk_update.fleet.sent == []
    assert pl.read_csv(inbox / "refused" / "a.results.csv")["verdict"].to_list() == ["skipped", "skipped"]
    assert "too long ago" in (inbox / "refused" / "a.reason.txt").read_text()


def test_a_direct_run_after_a_row_was_due_wins_over_it(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(12)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=2)  # nobody looked
    run_id = direct_run(ledger, 11, "activated")
    told: list[LeftOut] = []
    assert look_in(settings, ledger, bulk_update, told=told) == ["applied"]
    assert bulk_update.fleet.sent == ["12 suspended"]
    assert [(each.why, each.rows) for each in told] == [(Why.NEWER_RUN, 1)]
    assert reason(ledger, "off.csv").startswith(f"overtaken by run {run_id}, which asked for activated of the same")


def test_a_direct_run_during_a_run_of_another_file_wins_as_well(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(10)},activated")
    drop("b.csv", f"{sim(11)},suspended")
    look_in(settings, ledger, meanwhile(bulk_update, lambda: direct_run(ledger, 11, "activated")))
    assert bulk_update.fleet.sent == ["10 activated"]
    assert states(ledger) == {"a.csv": "applied", "b.csv": "left_out"}


def test_a_schedule_for_a_time_after_the_direct_run_counts(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    direct_run(ledger, 11, "activated")  # says what should be on Friday, and nothing of Saturday
    clock.advance(days=1)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 suspended"]


def test_a_schedule_that_is_put_in_after_the_direct_run_counts(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    direct_run(ledger, 11, "activated")
    drop("off.csv", f"{sim(11)},suspended,2026-12-04", header=TIMED)  # as of this morning
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 suspended"]


@pytest.mark.parametrize(
    "run",
    [
        {"desired": "suspended"},  # the same
        {"desired": "activated", "action": Action.REFUSED},
        {"desired": "activated", "state": RunState.PLANNED},  # refused, or not confirmed yet
        {"desired": "activated", "kind": RunKind.RECONCILE, "state": RunState.FINISHED},
        {"desired": "activated", "host": "cdn.bics.example"},
        {"desired": None},  # owners alone
    ],
)
def test_what_asks_for_nothing_else_of_the_device_does_not_win(
    settings: Settings, ledger: Ledger, drop: Drop, clock: Clock, sim: Sim, bulk_update: BulkUpdate, run: dict[str, str]
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=2)
    direct_run(ledger, 11, **run)  # type: ignore[arg-type]
    assert look_in(settings, ledger, bulk_update) == ["applied"]


@pytest.mark.parametrize(
    "run",
    [
        {"desired": "activated", "action": Action.UNCHANGED},  # it was so already, and should stay so
        {"desired": "activated", "kind": RunKind.RETRY},
        {"desired": "activated", "kind": RunKind.UNDO},
        {"desired": None, "kind": RunKind.UNDO},  # back to where no file can ask for
        {"desired": "activated", "host": "CDN.emnify.net:443"},
    ],
)
def test_every_kind_of_direct_wish_wins(
    settings: Settings, ledger: Ledger, drop: Drop, clock: Clock, sim: Sim, bulk_update: BulkUpdate, run: dict[str, str]
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=2)
    direct_run(ledger, 11, **run)  # type: ignore[arg-type]
    assert look_in(settings, ledger, bulk_update) == []
    assert states(ledger) == {"off.csv": "left_out"}


def test_the_newest_of_several_direct_runs_counts(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=2)
    direct_run(ledger, 11, "activated")
    direct_run(ledger, 11, "suspended")
    assert look_in(settings, ledger, bulk_update) == ["applied"]


def test_runs_of_schedules_are_no_direct_runs(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    """Off at one moment, on at a later one, and off.csv's run fails until on.csv is due: that overtakes it, no run."""
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=1)

    def killed(began: Began) -> None:
        ledger.record_plan(began.run_id, _plan_of(11))
        ledger.record_state(began.run_id, RunState.APPLYING, {})

    assert look_in(settings, ledger, killed) == ["failed"]
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 suspended"]


def _plan_of(number: int) -> pl.DataFrame:
    return planned(number, "activated", Action.CHANGE)


def test_killed_between_deciding_and_carrying_out_it_is_decided_again(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=1)
    look_in(settings, ledger, lambda _began: None)  # begun, then killed
    direct_run(ledger, 11, "activated")
    assert look_in(settings, ledger, bulk_update) == []
    assert bulk_update.fleet.sent == []
    (found,) = Schedules(ledger).all(open_only=False)
    assert found.run_id is not None  # whoever looks for what the killed run sent finds it


@pytest.mark.parametrize("ids", [("sim_id", "iccid"), ("endpoint_id", "sim_id"), ("iccid", "endpoint_id")])
def test_one_device_by_different_ids_is_one_device(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, bulk_update: BulkUpdate, ids: tuple[str, str]
) -> None:
    value = {"sim_id": "11", "endpoint_id": "1011", "iccid": "8988303000000000011"}
    off, on = ids
    drop("off.csv", f"{value[off]},suspended,2026-12-05", header=f"{off},status,effective_at")
    drop("on.csv", f"{value[on]},activated,2026-12-06", header=f"{on},status,effective_at")
    look_in(settings, ledger, bulk_update, lookup=look_up)
    clock.advance(days=3)
    assert look_in(settings, ledger, bulk_update, lookup=look_up) == ["applied"]
    assert states(ledger) == {"off.csv": "left_out", "on.csv": "applied"}
    assert reason(ledger, "off.csv") == "overtaken by on.csv row 2, which was due later"


def test_contradictions_are_found_by_different_ids_too_and_the_carrier_is_asked_once_a_row(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, bulk_update: BulkUpdate
) -> None:
    asked: list[int] = []

    def counting(rows: pl.DataFrame) -> pl.DataFrame:
        asked.append(rows.height)
        return look_up(rows)

    drop("a.csv", "11,suspended", "12,suspended", header="sim_id,status")
    drop("b.csv", "8988303000000000011,activated", "8988303000000000013,activated")
    assert look_in(settings, ledger, bulk_update, lookup=counting) == ["applied", "applied"]
    assert bulk_update.fleet.sent == ["12 suspended", "13 activated"]
    assert asked == [4]


def test_the_carrier_is_not_asked_where_the_ids_tell(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    def never(_rows: pl.DataFrame) -> pl.DataFrame:
        pytest.fail("nothing is unclear")

    drop("a.csv", f"11,{sim(11)},suspended", header="sim_id,iccid,status")
    drop("b.csv", f"{sim(12)},activated")
    drop("c.csv", "13,activated", header="sim_id,status")
    with pytest.raises(pytest.fail.Exception):  # b and c: one by ICCID, one by SIM id, and a row that wants otherwise
        look_in(settings, ledger, bulk_update, lookup=never)
    (wrong,) = [each for each in Schedules(ledger).all(open_only=True) if each.file == "a.csv"]
    Schedules(ledger).move([wrong], ScheduleState.CANCELLED)
    look_in(settings, ledger, bulk_update, lookup=never)  # all that is left wants the same


def test_where_the_carrier_lets_nobody_in_nothing_is_decided_and_nothing_lost(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    def refused(_rows: pl.DataFrame) -> pl.DataFrame:
        raise AuthenticationFailed("the token is wrong")

    drop("a.csv", "11,suspended", header="sim_id,status")
    drop("b.csv", f"{sim(11)},activated")
    with pytest.raises(AuthenticationFailed):
        look_in(settings, ledger, bulk_update, lookup=refused)
    assert set(states(ledger).values()) == {"scheduled"}
    look_in(settings, ledger, bulk_update, lookup=look_up)
    assert set(states(ledger).values()) == {"left_out"}


def test_a_clock_that_steps_back_carries_nothing_out_twice(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    for days in (2, -3, 3):
        clock.advance(days=days)
        look_in(settings, ledger, bulk_update)
    assert bulk_update.files == ["off.csv"]


def test_what_is_due_and_not_done_is_waiting(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    drop("b.csv", f"{sim(12)},activated")
    bulk_update.ends = [RunState.FAILED]
    look_in(settings, ledger, bulk_update)
    with due_runs(Schedules(ledger), settings) as work:
        assert work is not None
        assert work.waiting() == ["a.csv"]
