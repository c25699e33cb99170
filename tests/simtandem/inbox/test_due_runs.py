from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.inbox.due_runs import Began, due_runs
from simtandem.inbox.effective_at import reader
from simtandem.inbox.file_request import read_request
from simtandem.ledger.records import RunState
from simtandem.ledger.schedule_records import FileVersion, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, look_in, tree
from tests.simtandem.inbox.conftest import Clock

Sim = Callable[[int], str]
Drop = Callable[..., Path]
TIMED = "iccid,status,effective_at"


@pytest.fixture
def bulk_update(settings: Settings) -> BulkUpdate:
    return BulkUpdate(settings)


def states(ledger: Ledger) -> list[str]:
    return [str(each.state) for each in Schedules(ledger).all(open_only=False)]


def verdicts(file: Path) -> list[tuple[str, str, str]]:
    return list(
        pl.read_csv(file, infer_schema=False).select("row", "verdict", pl.col("reason").fill_null("")).iter_rows()
    )


def test_weekend_off_and_monday_on_in_one_file(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("week.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(11)},activated,2026-12-07 06:00", header=TIMED)
    assert look_in(settings, ledger, bulk_update) == []
    clock.advance(hours=10.99)  # Friday, 23:59 in Berlin
    assert look_in(settings, ledger, bulk_update) == []
    clock.advance(hours=0.02)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.status[sim(11)] == "suspended"
    assert states(ledger) == ["applied", "scheduled"]
    clock.advance(days=2, hours=6)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 suspended", "11 activated"]
    reports = [name for name in tree(inbox) if "report" in name]
    assert len(reports) == 2
    assert [name for name in tree(inbox) if "report" not in name] == [
        "processed/week.csv",
        "processed/week.results.csv",
    ]
    assert look_in(settings, ledger, bulk_update) == []


def test_a_worker_that_was_away_over_the_weekend_only_does_what_monday_asks(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("off.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    drop("on.csv", f"{sim(11)},activated,2026-12-07", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=4)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 activated"]
    assert states(ledger) == ["left_out", "applied"]
    assert [name for name in tree(inbox) if name.startswith("refused")] == [
        "refused/off.csv", "refused/off.reason.txt", "refused/off.results.csv"
    ]  # fmt: skip
    assert verdicts(inbox / "refused" / "off.results.csv") == [
        ("2", "skipped", "overtaken by on.csv row 2, which was due later")
    ]


def test_contradicting_files_keep_each_other_from_being_applied_but_only_where_they_contradict(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},suspended,2026-12-05", f"{sim(12)},suspended,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    drop("b.csv", f"{sim(11)},activated,2026-12-05", f"{sim(13)},activated,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=1)
    assert look_in(settings, ledger, bulk_update) == ["applied", "applied"]
    assert bulk_update.fleet.sent == ["12 suspended", "13 activated"]
    told = verdicts(inbox / "processed" / "a.results.csv")
    assert [verdict for _, verdict, _ in told] == ["skipped", "in_sync"]
    assert "but b.csv row 2 asks for another status" in told[0][2]
    assert "but a.csv row 2 asks for another status" in verdicts(inbox / "processed" / "b.results.csv")[0][2]


def test_files_dropped_together_without_a_time_are_due_at_the_same_moment(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},suspended")
    drop("b.csv", f"{sim(11)},activated")
    assert look_in(settings, ledger, bulk_update) == []
    assert bulk_update.fleet.sent == []
    assert states(ledger) == ["left_out", "left_out"]


def test_a_cancelled_schedule_is_not_applied_and_contradicts_nobody(
    settings: Settings, ledger: Ledger, clock: Clock, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},suspended,2026-12-05", header=TIMED)
    drop("b.csv", f"{sim(11)},activated,2026-12-05", header=TIMED)
    look_in(settings, ledger, bulk_update)
    schedules = Schedules(ledger)
    (wrong,) = [each for each in schedules.all(open_only=True) if each.file == "b.csv"]
    assert schedules.move([wrong], ScheduleState.CANCELLED)
    clock.advance(days=1)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 suspended"]
    assert "Cancelled: 1 activated" in (inbox / "refused" / "b.reason.txt").read_text()
    assert verdicts(inbox / "refused" / "b.results.csv") == [("2", "skipped", "cancelled")]


def test_refused_by_the_safety_gate_the_file_is_refused_with_the_reason(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},suspended")
    bulk_update.ends = [RunState.REFUSED]
    assert look_in(settings, ledger, bulk_update) == ["refused"]
    assert tree(inbox) == ["refused/a.csv", "refused/a.reason.txt", "refused/a.results.csv"]
    assert "it is refused\nand more" in (inbox / "refused" / "a.reason.txt").read_text()
    assert look_in(settings, ledger, bulk_update) == []


def test_a_run_that_failed_for_an_outage_is_tried_again_at_the_next_look_not_in_this_one(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    bulk_update.ends = [RunState.FAILED]
    assert look_in(settings, ledger, bulk_update) == ["failed"]
    assert [name.split("/")[0] for name in tree(inbox)] == ["taken"]
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.fleet.sent == ["11 activated"]


def test_a_run_that_came_to_its_end_before_its_worker_was_killed_is_not_begun_again(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    with pytest.raises(KeyboardInterrupt):
        look_in(settings, ledger, lambda began: _die_after(bulk_update, began))
    assert states(ledger) == ["due"]
    assert look_in(settings, ledger, bulk_update) == []
    assert states(ledger) == ["applied"]
    assert bulk_update.files == ["a.csv"]
    assert "processed/a.report.html" in tree(inbox)


def _die_after(bulk_update: BulkUpdate, began: Began) -> None:
    bulk_update(began)
    raise KeyboardInterrupt


def test_a_run_that_a_person_stopped_is_not_begun_again(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", f"{sim(11)},activated")
    bulk_update.ends = [RunState.INTERRUPTED]
    assert look_in(settings, ledger, bulk_update) == ["stopped"]
    assert look_in(settings, ledger, bulk_update) == []
    assert "processed/a.reason.txt" in tree(inbox)


def test_what_of_a_file_is_due_together_is_one_run_in_the_order_of_time(
    settings: Settings, ledger: Ledger, clock: Clock, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    moments = [f"2026-12-05 0{hour}:00" for hour in range(4)]
    drop("a.csv", *(f"{sim(20 + n)},activated,{moments[n]}" for n in (0, 1, 3)), header=TIMED)
    drop("b.csv", f"{sim(30)},activated,{moments[2]}", header=TIMED)
    look_in(settings, ledger, bulk_update)
    clock.advance(days=1)
    assert look_in(settings, ledger, bulk_update) == ["applied"] * 3
    assert bulk_update.files == ["a.csv", "b.csv", "a.csv"]
    assert bulk_update.fleet.sent == ["20 activated", "21 activated", "30 activated", "23 activated"]


def test_the_run_knows_the_file_its_rows_and_its_hash(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, bulk_update: BulkUpdate
) -> None:
    drop("a.csv", "12,activated", f"{sim(11)},activated", f"{sim(11)},activated")
    look_in(settings, ledger, bulk_update)
    (schedule,) = Schedules(ledger).all(open_only=False)
    record = ledger.run(schedule.run_id or "").record
    assert (record.file, record.sha256, record.rows) == ("a.csv", schedule.sha256, 2)
    folder = settings.runs_folder / record.run_id
    assert pl.read_parquet(folder / "work" / "devices.parquet")["row"].to_list() == [3]
    assert pl.read_parquet(folder / "work" / "repeats.parquet").rows() == [(4, 3)]
    assert (folder / "due" / "a.csv").exists()
    assert schedule.told == "1 activated"


def test_cancelled_between_choosing_and_beginning_it_is_not_begun(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim
) -> None:
    drop("a.csv", f"{sim(11)},activated", f"{sim(12)},activated,2026-12-03", header=TIMED)
    schedules, done = Schedules(ledger), list[bool]()

    class Meanwhile(Schedules):
        def move(self, moved, state, run_id=None, detail=""):  # type: ignore[no-untyped-def]
            if state is ScheduleState.DUE and not done:
                done.append(schedules.move([moved[0]], ScheduleState.CANCELLED))
            return super().move(moved, state, run_id, detail)

    look_in(settings, ledger, lambda _began: None)  # taken, and its first run killed
    with due_runs(Meanwhile(ledger), settings) as work:
        assert work is not None
        began = work.begin()
        assert began is not None
        assert [each.rows for each in began.schedules] == [1]
        assert done == [True]
        assert sorted(states(ledger)) == ["cancelled", "due"]
        assert work.begin() is None


def test_only_one_at_a_time_carries_out_what_is_due(settings: Settings, schedules: Schedules) -> None:
    with due_runs(schedules, settings) as first, due_runs(schedules, settings) as second:
        assert first is not None
        assert second is None
    with due_runs(schedules, settings) as third:
        assert third is not None


def test_a_file_with_a_name_of_any_length_can_be_scheduled_and_is_carried_out(
    settings: Settings, ledger: Ledger, sim: Sim, bulk_update: BulkUpdate, clock: Clock
) -> None:
    name, now = f"{'é' * 125}.csv", ledger.clock()
    data = f"iccid,status\n{sim(11)},activated\n".encode()
    offer = read_request(
        data,
        FileVersion("", name, len(data), "1", "e3b0"),
        now,
        reader(ZoneInfo("UTC"), now),
        lifecycle=EMNIFY,
        otherwise=now,
    )
    Schedules(ledger).record(offer.arrival, offer.schedules, offer.rejected)
    assert look_in(settings, ledger, bulk_update) == ["applied"]
    assert bulk_update.files == [name]
