"""Runs of what is due: one for all rows of a file that are due together, through the ordinary bulk update.

One process at a time does this on a ledger, and another one for urgent files; its lock ends with it. So a schedule
that is `due` without an end was left by a process that ended: the record of its run is used, and only a run without an
end is started again. A new run sends only what is still missing.

Runs take time, so what is carried out is decided before each of them, from everything that is due by then.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import PurePosixPath

import polars as pl

from schemas import own_columns
from schemas.parameters import BulkUpdate, Mode, Wish
from simtandem.errors import InputError
from simtandem.inbox.due_rows import DueRows, LeftOut, Lookup
from simtandem.inbox.due_selections import Select
from simtandem.inbox.local_files import LONGEST_NAME
from simtandem.intake import Intake
from simtandem.ledger.records import RunState
from simtandem.ledger.schedule_records import Schedule, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.reports.result_files import write_retry
from simtandem.reports.run_document import Document, recorded_document
from simtandem.runs.handover import PreparedRun
from simtandem.runs.prepare import take_devices
from simtandem.runs.run import Run, kind_of
from simtandem.runs.selecting import nothing_read
from simtandem.settings import Settings

log = logging.getLogger(__name__)

_ENDS = {
    RunState.FINISHED: ScheduleState.APPLIED,
    RunState.INTERRUPTED: ScheduleState.STOPPED,
    RunState.REFUSED: ScheduleState.REFUSED,
}
_KILLED = "the run did not end; perhaps it was killed"


def _nothing(_step: str) -> None:
    """No hook for the steps."""


@dataclass(frozen=True, slots=True)
class Began:
    """A run that is ready to be carried out, by a bulk update that it is handed to, and what it is for."""

    run: PreparedRun
    schedules: tuple[Schedule, ...]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def request(self) -> BulkUpdate:
        """What to call the bulk update with."""
        return self.run.request

    @property
    def file(self) -> str:
        """The file it is for."""
        return self.schedules[0].file


class DueRuns:
    """What is due, to be carried out one after the other: `begin`, apply, `end`, until `begin` has nothing more.

    Made by `due_runs`, for one caller at a time. What fails stays due, and is tried once in the life of this.
    """

    def __init__(
        self,
        schedules: Schedules,
        settings: Settings,
        lookup: Lookup | None,
        reached: Callable[[str], None],
        select: Select | None = None,
    ) -> None:
        self._schedules = schedules
        self._settings = settings
        self._reached = reached
        self._rows = DueRows(schedules, settings, lookup, select)
        self._tried: set[str] = set()

    @property
    def left_out(self) -> list[LeftOut]:
        """What was not carried out, so far."""
        return self._rows.left_out

    def begin(self) -> Began | None:
        """Decide what may begin, and prepare the next run of it; None where nothing is left to do.

        Raises `CarrierError` where the carrier has to be asked which devices are meant, and does not say.
        """
        while group := self._next_group():
            self._tried |= {each.schedule_id for each in group}
            began = self._prepare(group)
            if began is not None:
                return began
        return None

    def waiting(self) -> list[str]:
        """The files of which something is due and not done."""
        return list(dict.fromkeys(each.file for each in self._due()))

    def end(self, began: Began) -> ScheduleState:
        """Record what became of a run, as its own record says. `failed`: it is still due."""
        state, detail = _judged(self._schedules.ledger, began.run_id, selecting=bool(began.request.where))
        now = [self._schedules.find(each.schedule_id) for each in began.schedules]
        self._schedules.move([each for each in now if each.state.open], state, began.run_id, detail)
        self._reached("ended")
        return state

    def document(self, began: Began) -> Document | None:
        """The document of a run that has ended; None where it made none."""
        states = self._schedules.ledger.states(began.run_id)
        return recorded_document(states[-1].detail) if states else None

    def detail(self, began: Began) -> str:
        """What else the record says of its end."""
        return self._schedules.find(began.schedules[0].schedule_id).detail

    def _take_over(self) -> None:
        """The process that began these is gone, or did not come to recording their end."""
        for each in self._due():
            if each.state is ScheduleState.DUE:
                state, detail = _judged(self._schedules.ledger, each.run_id or "", selecting=bool(each.where))
                self._schedules.move([each], state, each.run_id, detail)

    def _next_group(self) -> list[Schedule]:
        """The earliest of what is due and not tried yet, with what of the same file comes right behind it."""
        self._take_over()
        waiting = [each for each in self._rows.choose() if each.schedule_id not in self._tried]
        self._reached("chosen")
        return next((list(group) for _, group in groupby(waiting, key=lambda each: each.arrival_id)), [])

    def _prepare(self, group: list[Schedule]) -> Began | None:
        """Begin the run's record with the group's rows. None where one of the group was cancelled meanwhile."""
        first = group[0]
        request = BulkUpdate(
            file="" if first.target else first.file,
            where=first.where,
            to=Wish(first.target) if first.target else Wish.AS_IN_FILE,
            mode=Mode.APPLY,
            account=self._settings.account,
            urgent=first.urgent,
        )
        run = Run.begin(request, kind_of(request), self._settings)
        try:
            if not self._schedules.move(group, ScheduleState.DUE, run.run_id):
                self._tried -= {each.schedule_id for each in group}
                return None
            self._reached("begun")
            if first.target:  # its devices are selected when the run lists them
                take_devices(run, replace(nothing_read(run), notes=(_note(group),)))
            else:
                intake = self._intake(group)
                path = run.folder.file("due") / _short(first.file)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_retry(intake.devices.rename({"desired": "status"}), path, intake.own)
                run.request = request.model_copy(update={"file": str(path)})
                take_devices(run, intake)
            self._reached("prepared")
            return Began(PreparedRun.of(run), tuple(group))
        finally:
            run.close()

    def _intake(self, group: list[Schedule]) -> Intake:
        """The group's rows as they were read at arrival; rows keep the numbers they have in the file."""
        skipped = [self._schedules.skips(each.schedule_id)["row"] for each in group]
        rows = pl.concat([self._schedules.rows(each.schedule_id) for each in group]).sort("row")
        rows = rows.filter(~pl.col("row").is_in(pl.concat(skipped).implode()))
        devices = rows.filter(pl.col("same_as").is_null())
        return Intake(
            devices=devices.select("row", "sim_id", "endpoint_id", "iccid", "desired", owners=pl.lit(None, pl.String)),
            rejected=pl.DataFrame(schema={"row": pl.Int64, **dict.fromkeys(("column", "value", "reason"), pl.String)}),
            repeats=rows.filter(pl.col("same_as").is_not_null()).select("row", "same_as"),
            rows=rows.height,
            file=group[0].file,
            sha256=group[0].sha256,
            own=own_columns.decoded(rows.filter(pl.col("own").is_not_null()).select("row", cells="own")),
            notes=(_note(group),),
        )

    def _due(self) -> list[Schedule]:
        return self._schedules.due(self._schedules.ledger.clock())


@contextmanager
def due_runs(
    schedules: Schedules,
    settings: Settings,
    reached: Callable[[str], None] = _nothing,
    *,
    lookup: Lookup | None = None,
    select: Select | None = None,
) -> Iterator[DueRuns | None]:
    """What is due; None while another program is at it.

    `lookup` asks the carrier which devices are meant; without it, rows that name one device by different kinds of id
    are taken for two. `select` asks it what selections select; without it, what they overlap with is not seen.
    """
    with schedules.alone(lock_name(urgent=bool(schedules.urgent))) as alone:
        yield DueRuns(schedules, settings, lookup, reached, select) if alone else None


def lock_name(*, urgent: bool) -> str:
    """The work that one process at a time does: what is urgent waits for nothing else."""
    return "due-urgent" if urgent else "due"


def _note(group: list[Schedule]) -> str:
    return f"From the schedule: {', '.join(each.schedule_id for each in group[:3])}."


def _short(name: str) -> str:
    """A file's name, as long as a file system allows for a file that is written under a longer one first."""
    path = PurePosixPath(name)
    room = LONGEST_NAME - len(path.suffix.encode())
    return name if room > len(path.stem.encode()) else path.stem.encode()[:room].decode(errors="ignore") + path.suffix


def _judged(ledger: Ledger, run_id: str, *, selecting: bool) -> tuple[ScheduleState, str]:
    """What the run's last recorded state says. A selection that can't be used is not tried again."""
    states = ledger.states(run_id)
    last = states[-1] if states else None
    if last is None or last.state not in (*_ENDS, RunState.FAILED):
        return ScheduleState.FAILED, _KILLED
    document = last.detail.get("document")
    told = str(last.detail.get("error") or last.detail.get("why") or "")
    if not told and isinstance(document, dict):
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in document["verdicts"].items() if count)
    if selecting and last.state is RunState.FAILED and last.detail.get("exit_code") == InputError.exit_code:
        return ScheduleState.REFUSED, told
    return _ENDS.get(last.state, ScheduleState.FAILED), told
