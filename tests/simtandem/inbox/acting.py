"""A carrier and a bulk update in miniature: what is sent is the difference, and all of it is written down."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from schemas.statuses import Action, Verdict
from schemas.tables import Plan, Results, empty
from simtandem.inbox.due_rows import LeftOut, Lookup
from simtandem.inbox.due_runs import Began, due_runs
from simtandem.inbox.pickup import Inbox
from simtandem.inbox.storage import Store
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.schedule_records import ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id
from simtandem.runs.run_folder import RunFolder
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
            for number, desired in devices.select(_number(), "desired").iter_rows():
                self.fleet.change(iccid(number), desired)
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
    nothing = {name: pl.lit(None, pl.String) for name in ("owners_before", "owners_after", "named_as")}
    made = devices.with_columns(**told, **outcomes, **counted, **nothing, verdict=pl.lit(Verdict.IN_SYNC.value))
    return Results.validate(made.select(list(Results.to_schema().columns)))


def document(rows: int) -> Mapping[str, object]:
    return {"exit_code": 0, "verdicts": {"in_sync": rows}}


def direct_run(
    ledger: Ledger,
    number: int,
    desired: str | None,
    *,
    kind: RunKind = RunKind.APPLY,
    action: Action = Action.CHANGE,
    state: RunState | None = RunState.APPLYING,
    host: str = "cdn.emnify.net",
) -> str:
    """The record of a run that somebody started now, for the device of that number; its id."""
    started = ledger.clock()
    run_id = new_run_id(started)
    ledger.start_run(replace(looking_run(run_id, kind, Settings(), started, {}), carrier_host=host))
    ledger.record_plan(run_id, planned(number, desired, action))
    if state is not None:
        ledger.record_state(run_id, state, {})
    return run_id


def planned(number: int, desired: str | None, action: Action) -> pl.DataFrame:
    """A plan of one row."""
    texts = ("sim_before", "endpoint_before", "sim_after", "endpoint_after", "first", "owners_before", "owners_after")
    row: dict[str, object] = dict.fromkeys(Plan.to_schema().columns)
    row |= dict.fromkeys(texts) | {"row": 2, "action": action.value, "reason": "", "desired": desired}
    row |= {"sim_id": str(number), "iccid": iccid(number), "endpoint_id": str(number + 1000)}
    row |= {"sim_step": False, "endpoint_step": False, "newly_billed": False}
    return pl.DataFrame([row], schema=empty(Plan).schema)


def iccid(number: int) -> str:
    """The ICCID of the SIM of that number."""
    return f"89883030000000000{number:02d}"


def look_up(rows: pl.DataFrame) -> pl.DataFrame:
    """A carrier that knows the devices as `planned` has them."""
    number = _number()
    icc = pl.format("89883030000000000{}", number.cast(pl.String).str.zfill(2))
    ids = {"sim_id": number.cast(pl.String), "endpoint_id": (number + 1000).cast(pl.String), "iccid": icc}
    return rows.select("schedule_id", "row", **ids)


def _number() -> pl.Expr:
    return pl.coalesce(
        pl.col("sim_id").cast(pl.Int64),
        pl.col("endpoint_id").cast(pl.Int64) - 1000,
        pl.col("iccid").str.tail(2).cast(pl.Int64),
    )


def look_in(
    settings: Settings,
    ledger: Ledger,
    apply: Callable[[Began], None] | None = None,
    *,
    reached: Callable[[str], None] = nothing,
    url: str | None = None,
    sleep: Callable[[float], None] = lambda _seconds: None,
    lookup: Lookup | None = None,
    told: list[LeftOut] | None = None,
    urgent: bool | None = None,
) -> list[ScheduleState]:
    """What the flow does, without Prefect; how the runs ended. What was left out is added to `told`."""
    schedules = Schedules(ledger, urgent=urgent)
    folder = f"{settings.inbox_url}/urgent" if urgent else settings.inbox_url
    inbox = Inbox(Store(url or folder), schedules, settings, sleep=sleep, reached=reached)
    inbox.take_new()
    ends = []
    with due_runs(schedules, settings, reached, lookup=lookup) as work:
        while work is not None and (began := work.begin()) is not None:
            (apply or BulkUpdate(settings, reached))(began)
            ends.append(work.end(began))
        if work is not None and told is not None:
            told += work.left_out
    inbox.go_on()
    return ends


def tree(folder: Path) -> list[str]:
    """Every file below a folder, an arrival's id and a run's id written as *."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
