"""A carrier and a bulk update in miniature: what is sent is the difference, and all of it is written down."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from schemas.statuses import Verdict
from schemas.tables import Results
from simtandem.inbox.due import Began, due_work
from simtandem.inbox.store import Store
from simtandem.inbox.taking import Inbox
from simtandem.job.run import RunFolder
from simtandem.ledger.records import RunState
from simtandem.ledger.schedule_records import ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings


def nothing(_step: str) -> None:
    pass


class Fleet:
    """Devices by ICCID, in a file, with every change that was ever sent in another."""

    def __init__(self, folder: Path) -> None:
        self._status, self._sent = folder / "fleet.json", folder / "sent.txt"

    @property
    def status(self) -> dict[str, str]:
        return json.loads(self._status.read_text()) if self._status.exists() else {}

    @property
    def sent(self) -> list[str]:
        return self._sent.read_text().splitlines() if self._sent.exists() else []

    def change(self, iccid: str, status: str) -> None:
        if self.status.get(iccid) != status:
            with self._sent.open("a") as file:
                file.write(f"{iccid[-2:]} {status}\n")
            self._status.write_text(json.dumps(self.status | {iccid: status}))


class BulkUpdate:
    """Does with a run that was begun what the flow does, and records it as the flow does."""

    def __init__(self, settings: Settings, reached: Callable[[str], None] = nothing) -> None:
        self.fleet = Fleet(settings.home)
        self._settings = settings
        self._reached = reached
        self.ends: list[RunState] = []
        self.files: list[str] = []

    def __call__(self, began: Began) -> None:
        self.files.append(began.file)
        ledger = Ledger.open(self._settings.ledger())
        end = self.ends.pop(0) if self.ends else RunState.FINISHED
        try:
            if end in (RunState.FAILED, RunState.REFUSED):
                ledger.record_state(began.run_id, end, {"error": f"it is {end}\nand more"})
                return
            folder = RunFolder(self._settings.runs_folder / began.run_id)
            devices = folder.table("devices.parquet")
            for iccid, desired in devices.select("iccid", "desired").iter_rows():
                self.fleet.change(iccid, desired)
                self._reached("one device sent")
            results = results_of(devices)
            ledger.record_verdicts(began.run_id, results)
            folder.file("report.html").write_text(f"report of {began.run_id}")
            ledger.record_state(began.run_id, end, {"document": document(results.height)})
            self._reached("applied")
        finally:
            ledger.close()


def results_of(devices: pl.DataFrame) -> pl.DataFrame:
    """Every device in sync."""
    told = {name: pl.lit("") for name in ("before", "after", "reason", "error")}
    outcomes = {name: pl.lit("applied") for name in ("sim_outcome", "endpoint_outcome")}
    counted = {"attempts": pl.lit(1, pl.Int64), "http_status": pl.lit(204, pl.Int64)}
    nothing = {name: pl.lit(None, pl.String) for name in ("owners_before", "owners_after")}
    made = devices.with_columns(**told, **outcomes, **counted, **nothing, verdict=pl.lit(Verdict.IN_SYNC.value))
    return Results.validate(made.select(list(Results.to_schema().columns)))


def document(rows: int) -> Mapping[str, object]:
    return {"exit_code": 0, "verdicts": {"in_sync": rows}}


def look_in(
    settings: Settings,
    ledger: Ledger,
    apply: Callable[[Began], None] | None = None,
    *,
    reached: Callable[[str], None] = nothing,
    url: str | None = None,
    sleep: Callable[[float], None] = lambda _seconds: None,
) -> list[ScheduleState]:
    """What the flow does, without Prefect; how the runs ended."""
    schedules = Schedules(ledger)
    inbox = Inbox(Store(url or settings.inbox_url), schedules, settings, sleep=sleep, reached=reached)
    inbox.take_new()
    ends = []
    with due_work(schedules, settings, reached) as work:
        while work is not None and (began := work.begin()) is not None:
            (apply or BulkUpdate(settings, reached))(began)
            ends.append(work.end(began))
    inbox.go_on()
    return ends


def tree(folder: Path) -> list[str]:
    """Every file below a folder, an arrival's id and a run's id written as *."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
