"""Files arrive, people run and cancel things, the clock moves, looks are killed: what holds whatever the order.

No file is lost, no row is carried out twice, and what is due ends carried out or named with a reason. When a row is
carried out, nothing that has come to be asked for by then stands against it.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simtandem.inbox.due_runs import Began
from simtandem.inbox.effective_at import LATE
from simtandem.ledger.records import RunState
from simtandem.ledger.schedule_records import Schedule, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import BulkUpdate, direct_run, iccid, look_in, look_up
from tests.simtandem.inbox.conftest import Clock

DEVICES = st.sampled_from([11, 11, 11, 12])
HOURS = st.sampled_from([-100, -2, 0, 2, 2, 2, 8])
WISHES = st.sampled_from(["activated", "suspended"])
MEMORY = Path("/dev/shm")  # noqa: S108 - nothing of this has to last


class Killed(BaseException):
    """As `kill -9` would, in the middle of something."""


@dataclass(frozen=True)
class Asked:
    """A row of a schedule, or what a direct run asked for (then both times are its beginning)."""

    device: int
    desired: str
    effective_at: datetime
    put_in: datetime


@cache
def new_ledger() -> bytes:
    folder = Path(mkdtemp())
    Ledger.open(f"sqlite:///{folder / 'new.sqlite'}").close()
    made = (folder / "new.sqlite").read_bytes()
    shutil.rmtree(folder)
    return made


class OverTime(RuleBasedStateMachine):
    """One inbox, one ledger, a handful of devices and weeks of time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.settings = Settings(home=self.folder / "home")
        self.inbox = self.settings.home / "inbox"
        self.inbox.mkdir(parents=True)
        (self.settings.home / "ledger.sqlite").write_bytes(new_ledger())
        self.clock = Clock()
        self.ledger = Ledger.open(self.settings.ledger(), clock=self.clock)
        self.schedules = Schedules(self.ledger)
        self.dropped: list[bytes] = []
        self.direct: list[Asked] = []
        self.carried_out: list[tuple[str, int]] = []
        self.cancelled: set[str] = set()

    @rule(files=st.lists(st.tuples(DEVICES, WISHES, HOURS, st.booleans()), min_size=2, max_size=3), taken=st.booleans())
    def arrive(self, files: list[tuple[int, str, int, bool]], taken: bool) -> None:
        """Some files, which may be taken at once."""
        for file in files:
            self.drop(*file)
        if taken:
            self.look(fails=True)

    def drop(self, device: int, desired: str, hours: int, by_sim: bool) -> None:
        """A file for one device, as of some hour, by one kind of id or the other; with a row that can't be used."""
        moment = f"{self.clock.now + timedelta(hours=hours):%Y-%m-%d %H:00}" if hours else ""
        header, ident = ("sim_id", str(device)) if by_sim else ("iccid", iccid(device))
        number = len(self.dropped)
        rows = f"{header},status,effective_at,note\n{ident},{desired},{moment},{number}\nx,{desired},,{number}\n"
        file = self.inbox / f"{number % 3}.csv"
        if not file.exists():  # else somebody would have overwritten it, and not we
            file.write_bytes(rows.encode())
            self.dropped.append(rows.encode())

    @rule(hours=st.sampled_from([3, 3, 12, 30, 200, -4]))
    def time_passes(self, hours: int) -> None:
        """Or steps back, or nobody looked for a week."""
        self.clock.advance(hours=hours)

    @rule(device=DEVICES, desired=WISHES)
    def somebody_runs_apply(self, device: int, desired: str) -> None:
        self.run_directly(device, desired)

    def run_directly(self, device: int, desired: str) -> None:
        before = self.clock.now
        direct_run(self.ledger, device, desired)
        self.direct.append(Asked(device, desired, before, before))

    @rule(wishes=st.tuples(WISHES, WISHES), away=st.sampled_from([3, 3, 200]), by_hand=st.booleans())
    def nobody_looks_for_a_while(self, wishes: tuple[str, str], away: int, by_hand: bool) -> None:
        """Something becomes due meanwhile, and perhaps somebody helps himself."""
        self.drop(11, wishes[0], 2, by_sim=False)
        self.look(fails=False)
        self.clock.advance(hours=away)
        if by_hand:
            self.run_directly(11, wishes[1])
        self.look(fails=False)

    @rule(which=st.integers(0, 5))
    def somebody_cancels(self, which: int) -> None:
        waiting = [each for each in self.schedules.all(open_only=True) if each.state is not ScheduleState.DUE]
        if waiting:
            chosen = waiting[which % len(waiting)]
            assert self.schedules.move([chosen], ScheduleState.CANCELLED)
            self.cancelled.add(chosen.schedule_id)

    @rule(fails=st.booleans())
    def look(self, fails: bool) -> None:
        """The first run may fail, as in an outage."""
        update = BulkUpdate(self.settings)
        update.ends = [RunState.FAILED] if fails else []
        self.look_with(update)

    @rule(steps=st.integers(1, 12))
    def look_and_be_killed(self, steps: int) -> None:
        left = [None] * steps

        def reached(_step: str) -> None:
            left.pop()
            if not left:
                raise Killed

        with suppress(Killed):
            self.look_with(BulkUpdate(self.settings, reached), reached)

    @rule(device=DEVICES, desired=WISHES, hours=st.integers(0, 30))
    def look_while_things_happen(self, device: int, desired: str, hours: int) -> None:
        """During the first run of this look somebody runs `apply`, and time passes."""
        left = [None]

        def reached(step: str) -> None:
            if step == "applied" and left:
                left.pop()
                self.run_directly(device, desired)
                self.clock.advance(hours=hours)

        self.look_with(BulkUpdate(self.settings, reached), reached)

    def look_with(self, update: BulkUpdate, reached: object = None) -> None:
        def apply(began: Began) -> None:
            rows = [(each, row) for each in began.schedules for row in self.rows_to_do(each)]
            for schedule, row in rows:
                self.nothing_stands_against(schedule, row)
            will_end = not update.ends
            try:
                update(began)
            except Killed:
                if self.ledger.states(began.run_id)[-1:] == []:
                    will_end = False
                raise
            finally:
                if will_end:
                    self.carried_out += [(each.schedule_id, row) for each, row in rows]

        told = {} if reached is None else {"reached": reached}
        look_in(self.settings, self.ledger, apply, lookup=look_up, **told)  # type: ignore[arg-type]

    def rows_to_do(self, schedule: Schedule) -> list[int]:
        rows = self.schedules.rows(schedule.schedule_id)
        return rows.join(self.schedules.skips(schedule.schedule_id), on="row", how="anti")["row"].to_list()

    def asked(self, schedule: Schedule, row: int) -> Asked:
        found = self.schedules.rows(schedule.schedule_id).row(by_predicate=pl.col("row") == row, named=True)
        device = int(found["sim_id"] or found["iccid"][-2:])
        return Asked(device, found["desired"], schedule.effective_at, schedule.taken_at)

    def nothing_stands_against(self, schedule: Schedule, row: int) -> None:
        mine, now = self.asked(schedule, row), self.clock.now
        assert now - LATE - timedelta(seconds=5) <= mine.effective_at <= now
        newer = [each for each in self.direct if each.device == mine.device and each.effective_at > mine.put_in]
        newer = [each for each in newer if each.effective_at > mine.effective_at]
        if newer:
            assert max(newer, key=lambda each: each.effective_at).desired == mine.desired
        for other in self.schedules.due(now):
            for theirs in (self.asked(other, each) for each in self.rows_to_do(other)):
                if theirs.device == mine.device and theirs.desired != mine.desired:
                    assert theirs.effective_at < mine.effective_at

    @invariant()
    def no_file_is_lost(self) -> None:
        found = [path.read_bytes() for path in self.inbox.rglob("*.csv")]
        assert all(content in found for content in self.dropped)

    @invariant()
    def nothing_is_carried_out_twice(self) -> None:
        assert len(self.carried_out) == len(set(self.carried_out))

    def teardown(self) -> None:
        """In the end, every file is put away, and every row that was due is carried out or named."""
        try:
            for _ in range(3):
                self.look(fails=False)
            self.no_file_is_lost()
            self.nothing_is_carried_out_twice()
            now = self.clock.now
            for schedule in self.schedules.all(open_only=False):
                self.check_end(schedule, due=schedule.effective_at <= now)
            found = [path.read_bytes() for path in self.inbox.rglob("*.csv")]
            assert [found.count(content) for content in self.dropped] == [1] * len(self.dropped)
            assert not [path for path in self.inbox.iterdir() if path.is_file()]
        finally:
            self.ledger.close()
            shutil.rmtree(self.folder)

    def check_end(self, schedule: Schedule, *, due: bool) -> None:
        assert not (due and schedule.state.open), schedule
        assert (schedule.state is ScheduleState.CANCELLED) == (schedule.schedule_id in self.cancelled)
        named = dict(self.schedules.skips(schedule.schedule_id).iter_rows())
        for row in self.schedules.rows(schedule.schedule_id)["row"]:
            done = (schedule.schedule_id, row) in self.carried_out
            assert not (done and row in named)
            if not schedule.state.open:
                assert done or named.get(row) or schedule.state is ScheduleState.CANCELLED


OverTime.TestCase.settings = hypothesis_settings(
    max_examples=10,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
test_over_time = OverTime.TestCase
