import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from schemas.tables import Rejected, empty
from simtandem.errors import InputError
from simtandem.ledger.schedule_records import (
    SCHEDULE_ROWS,
    Arrival,
    FileVersion,
    NewSchedule,
    ScheduleState,
)
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger

NOON = datetime(2026, 12, 4, 12, 0, tzinfo=UTC)
FILE = FileVersion("/inbox", "a.csv", 10, "1.000", "e3b0")


@pytest.fixture
def schedules(ledger: Ledger) -> Schedules:
    return Schedules(ledger)


def arrival(ident: str = "one", file: FileVersion = FILE, taken_at: datetime = NOON) -> Arrival:
    return Arrival(ident, file, taken_at, file.name, 3, 1)


def rows(*wishes: str, same_as: int | None = None) -> pl.DataFrame:
    made = [(2 + n, str(n), None, None, wish, same_as if n else None, None) for n, wish in enumerate(wishes)]
    return pl.DataFrame(made, schema=SCHEDULE_ROWS, orient="row")


def new(ident: str = "one.1", at: datetime = NOON, *wishes: str) -> NewSchedule:
    return NewSchedule(ident, at, rows(*(wishes or ("activated",))))


def record(schedules: Schedules, given: Arrival, *scheduled: NewSchedule) -> bool:
    return schedules.record(given, scheduled, empty(Rejected))


def test_what_is_recorded_of_a_file_comes_back(schedules: Schedules) -> None:
    rejected = pl.DataFrame({"row": [4], "column": ["iccid"], "value": ["\0x"], "reason": ["wrong"]})
    scheduled = NewSchedule("one.1", NOON, rows("activated", "activated", same_as=2))
    assert schedules.record(arrival(), [scheduled], rejected)
    assert schedules.open_arrivals("/inbox") == [arrival()]
    assert schedules.open_arrivals("/other") == []
    (found,) = schedules.of_arrival("one")
    assert (found.file, found.sha256, found.rows, found.wishes) == ("a.csv", "e3b0", 2, {"activated": 1})
    assert (found.state, found.events, found.run_id) == (ScheduleState.SCHEDULED, 1, None)
    assert schedules.rows("one.1").equals(scheduled.rows)
    assert schedules.rejected("one").rows() == [(4, "iccid", "\ufffdx", "wrong")]


def test_a_version_is_taken_once_until_it_is_put_away(schedules: Schedules) -> None:
    assert record(schedules, arrival("one"), new("one.1"))
    assert schedules.taken_now(FILE)
    assert not record(schedules, arrival("two"), new("two.1"))
    assert schedules.end_arrival("one", "processed")
    assert not schedules.taken_now(FILE)
    assert record(schedules, arrival("two"), new("two.1"))
    assert [each.schedule_id for each in schedules.all(open_only=False)] == ["one.1", "two.1"]


@pytest.mark.parametrize(
    "changed", [{"size": 11}, {"modified": "2.000"}, {"sha256": "ffff"}, {"inbox": "/b"}, {"name": "b"}]
)
def test_another_version_is_another_file(schedules: Schedules, changed: dict[str, object]) -> None:
    assert record(schedules, arrival("one"))
    assert record(schedules, arrival("two", replace(FILE, **changed)))  # type: ignore[arg-type]


def test_of_many_that_record_one_version_at_once_one_succeeds(url: str, ledger: Ledger) -> None:
    barrier, answers = threading.Barrier(4), []

    def take(number: int) -> None:
        with closing(Ledger.open(url)) as own:
            barrier.wait()
            answers.append(record(Schedules(own), arrival(f"a{number}"), new(f"a{number}.1")))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, True]
    assert len(Schedules(ledger).all(open_only=False)) == 1
    assert len(Schedules(ledger).open_arrivals("/inbox")) == 1


def test_an_arrival_ends_once(schedules: Schedules) -> None:
    record(schedules, arrival())
    assert schedules.end_arrival("one", "processed")
    assert not schedules.end_arrival("one", "refused")
    assert schedules.open_arrivals("/inbox") == []


def test_a_name_is_new_once(schedules: Schedules) -> None:
    assert schedules.name_is_new("/inbox", "a.csv")
    record(schedules, arrival())
    assert not schedules.name_is_new("/inbox", "a.csv")
    assert schedules.name_is_new("/other", "a.csv")


def test_a_schedule_that_moved_on_is_not_moved_by_who_saw_it_before(schedules: Schedules) -> None:
    record(schedules, arrival(), new("one.1"), new("one.2", NOON + timedelta(hours=1)))
    first, second = schedules.of_arrival("one")
    assert schedules.move([first], ScheduleState.CANCELLED, detail="by ada")
    assert not schedules.move([second, first], ScheduleState.DUE, "run")
    cancelled, untouched = schedules.of_arrival("one")
    assert (cancelled.state, cancelled.events, cancelled.detail) == (ScheduleState.CANCELLED, 2, "by ada")
    assert untouched == second


def test_what_is_due_is_open_and_in_the_order_of_time_then_of_arrival(schedules: Schedules) -> None:
    hour = timedelta(hours=1)
    record(
        schedules,
        arrival("late", replace(FILE, name="b"), NOON + hour),
        new("late.1", NOON + hour),
        new("late.2", NOON),
    )
    record(schedules, arrival("early"), new("early.1", NOON + hour), new("early.2", NOON + 2 * hour))
    assert [each.schedule_id for each in schedules.due(NOON + hour)] == ["late.2", "early.1", "late.1"]
    assert schedules.due(NOON - hour) == []
    assert [each.schedule_id for each in schedules.open_at([NOON + 2 * hour])] == ["early.2"]
    for state in (ScheduleState.DUE, ScheduleState.FAILED, ScheduleState.APPLIED):
        open_before = len(schedules.due(NOON))
        assert schedules.move(schedules.of_arrival("late")[:1], state, "run")
        assert open_before == 1
    assert schedules.due(NOON) == []
    assert len(schedules.all(open_only=True)) == 3
    assert len(schedules.all(open_only=False)) == 4


def test_rows_that_are_left_out_end_the_schedules_that_have_no_others(schedules: Schedules) -> None:
    record(schedules, arrival(), new("one.1", NOON, "activated", "suspended"), new("one.2", NOON + timedelta(hours=1)))
    first, second = schedules.of_arrival("one")
    assert schedules.skip([("one.1", 3, "x"), ("one.2", 2, "x")], {"one.2": "row 2 x"}, [first, second])
    assert schedules.skips("one.1").rows() == [(3, "x")]
    assert [each.state for each in schedules.of_arrival("one")] == [ScheduleState.SCHEDULED, ScheduleState.LEFT_OUT]
    assert schedules.find("one.2").detail == "row 2 x"
    assert not schedules.skip([("one.1", 2, "late")], {}, [first, second])
    assert schedules.skips("one.1").height == 1
    assert first.told == "1 activated, 1 suspended"


def test_a_schedule_is_found_by_the_beginning_of_its_id(schedules: Schedules) -> None:
    record(schedules, arrival(), new("one.1"), new("one.10", NOON + timedelta(hours=1)))
    assert schedules.find("one.1").schedule_id == "one.1"
    with pytest.raises(InputError, match="2 schedules begin with 'one'"):
        schedules.find("one")
    for nothing in ("two", ""):
        with pytest.raises(InputError, match="There is no schedule"):
            schedules.find(nothing)


def test_only_one_is_alone_with_a_work_until_it_lets_go(url: str, schedules: Schedules) -> None:
    with closing(Ledger.open(url)) as own:
        other = Schedules(own)
        with schedules.alone("due") as first, other.alone("due") as second, other.alone("inbox") as elsewhere:
            assert (first, second, elsewhere) == (True, False, True)
        with other.alone("due") as again:
            assert again


def test_who_breaks_off_is_not_alone_any_more(schedules: Schedules) -> None:
    def break_off() -> None:
        with schedules.alone("due"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with schedules.alone("due") as free:
        assert free


def test_the_ledger_is_free_for_everything_else_meanwhile(schedules: Schedules, a_run: Callable[..., object]) -> None:
    with schedules.alone("due"):
        assert record(schedules, arrival())
        schedules.ledger.start_run(a_run())  # type: ignore[arg-type]
    assert len(schedules.ledger.runs()) == 1


def test_what_is_scheduled_for_one_account_is_never_due_for_another(ledger: Ledger) -> None:
    us, eu, every = Schedules(ledger, "us"), Schedules(ledger, "eu"), Schedules(ledger)
    assert record(us, arrival("one"), new("one.1"))
    assert record(eu, arrival("two", replace(FILE, name="b.csv")), new("two.1"))
    for of, ids in ((us, ["one.1"]), (eu, ["two.1"]), (every, ["one.1", "two.1"])):
        for found in (of.due(NOON), of.open_at([NOON]), of.all(open_only=True)):
            assert [each.schedule_id for each in found] == ids
