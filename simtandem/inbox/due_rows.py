"""The rows that are due, read again each time a run of them is to begin.

Between two runs other rows become due, people start runs of their own, schedules are cancelled. So the rows that are
left out are decided from everything that is due at one moment, and a run begins only with rows that were part of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from simtandem.carriers.protocol import Listing
from simtandem.domain.device_lookup import as_listed, resolve
from simtandem.errors import SimtandemError
from simtandem.inbox import due_selections
from simtandem.inbox.conflicts import DUE, NO_RUNS, Why, contradictions, left_out, too_late, unclear
from simtandem.inbox.due_selections import Select
from simtandem.inbox.effective_at import LATE
from simtandem.intake.header import IDS
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.schedule_records import Schedule
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id, recorded_carrier
from simtandem.settings import Settings

Lookup = Callable[[pl.DataFrame], pl.DataFrame]
"""Given rows of a `DUE` table, the ids by which the carrier knows each: `schedule_id`, `row` and the three ids."""
_IDENTITY = pl.Schema({"schedule_id": pl.String(), "row": pl.Int64(), **dict.fromkeys(IDS, pl.String())})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of a schedule that are not carried out, all for the same kind of reason; no rows: all that it selects."""

    file: str
    why: Why
    rows: int
    row: int
    reason: str

    def __str__(self) -> str:
        """`off.csv: 3 rows not carried out, the first: row 2 overtaken by …`."""
        if not self.rows:
            return f"{self.file}: not carried out: it {self.reason}"
        many = f"{self.rows:,} rows" if self.rows != 1 else "1 row"
        return f"{self.file}: {many} not carried out, the first: row {self.row} {self.reason}"


class DueRows:
    """What is due. Only one caller at a time may use this."""

    def __init__(
        self, schedules: Schedules, settings: Settings, lookup: Lookup | None, select: Select | None = None
    ) -> None:
        self._schedules = schedules
        self._account = settings.account_key
        self._lookup = lookup
        self._select = select
        self._selected: dict[str, pl.DataFrame] = {}
        self._rows: dict[str, pl.DataFrame] = {}
        self._identity = pl.DataFrame(schema=_IDENTITY)
        self.left_out: list[LeftOut] = []

    def choose(self) -> list[Schedule]:
        """What is due now and has rows to be carried out. The others are left out permanently, with a reason each.

        Raises `CarrierError` where only the carrier could say which rows name the same device, and it does not.
        """
        while True:
            now = self._schedules.ledger.clock()
            due = self._schedules.due(now)
            table = self._identified(self._open_rows(due))
            late = {each.schedule_id: each for each in due if each.target and each.effective_at < now - LATE}
            chosen = self._selections([each for each in due if each.schedule_id not in late], table)
            every = left_out(pl.concat([table, chosen]), self._asked_by_others(due), now - LATE)
            found = every.join(chosen.select("schedule_id"), on="schedule_id", how="anti", maintain_order="left")
            on_hold = due_selections.held(chosen, every)
            emptied = self._emptied(table, found)
            emptied |= {ident: f"it {too_late(each.effective_at)}" for ident, each in late.items()}
            emptied |= {ident: f"it {why}" for ident, (_, why) in on_hold.items()}
            skips = found.select("schedule_id", "row", "reason").rows()
            if self._schedules.skip(skips, emptied, due):  # else one of them was cancelled meanwhile: choose again
                break
        overdue = [LeftOut(each.file, Why.OVERDUE, 0, 0, too_late(each.effective_at)) for each in late.values()]
        files = {each.schedule_id: each.file for each in due}
        beaten = [LeftOut(files[ident], why, 0, 0, told) for ident, (why, told) in on_hold.items()]
        self.left_out += [*_told(due, found), *overdue, *beaten]
        self._forget(found)
        return [each for each in due if each.schedule_id not in emptied]

    def _open_rows(self, due: list[Schedule]) -> pl.DataFrame:
        """Rows that are not left out yet. They never change, so they are read once."""
        known, self._rows = self._rows, {}
        for each in due:
            ident = each.schedule_id
            self._rows[ident] = known[ident] if ident in known else self._read(each)
        return pl.concat([pl.DataFrame(schema=DUE), *self._rows.values()])

    def _selections(self, due: list[Schedule], table: pl.DataFrame) -> pl.DataFrame:
        """What selections select by now, as a `DUE` table, where another wish is due. Each is asked for once."""
        rows = [pl.DataFrame(schema=DUE)]
        for each in due_selections.contested(due, table) if self._select else ():
            if each.schedule_id not in self._selected and self._select:
                self._selected[each.schedule_id] = self._select(each.where)
            rows.append(due_selections.as_due(each, self._selected[each.schedule_id]))
        return pl.concat(rows)

    def _read(self, schedule: Schedule) -> pl.DataFrame:
        gone = self._schedules.skips(schedule.schedule_id)
        return as_due(schedule, self._schedules.rows(schedule.schedule_id).join(gone, on="row", how="anti"))

    def _identified(self, due: pl.DataFrame) -> pl.DataFrame:
        """With all ids that the carrier knows a device by, where rows could not be compared without."""
        if self._lookup is None:
            return due
        asked = unclear(due).join(self._identity, on=["schedule_id", "row"], how="anti")
        if asked.height:
            self._identity = pl.concat([self._identity, self._lookup(asked).select(_IDENTITY.names())])
        found = due.join(self._identity, on=["schedule_id", "row"], how="left", suffix="_found", maintain_order="left")
        return found.with_columns(pl.coalesce(kind, f"{kind}_found") for kind in IDS).select(DUE.names())

    def _asked_by_others(self, due: list[Schedule]) -> pl.DataFrame:
        if not due:
            return NO_RUNS
        since = min(max(each.effective_at, each.taken_at) for each in due)
        return self._schedules.asked_by_others(self._account, since)

    def _emptied(self, table: pl.DataFrame, found: pl.DataFrame) -> dict[str, str]:
        """The schedules of which nothing stays, and why."""
        had, lost = (dict(frame.group_by("schedule_id").len().iter_rows()) for frame in (table, found))
        told = pl.format("row {} {}", "row", "reason")
        first = dict(found.unique("schedule_id", keep="first").select("schedule_id", told).iter_rows())
        return {ident: first[ident] for ident, rows in lost.items() if had[ident] == rows}

    def _forget(self, found: pl.DataFrame) -> None:
        for ident in found["schedule_id"].unique():
            self._rows[ident] = self._rows[ident].join(found, on=["schedule_id", "row"], how="anti")


def as_due(schedule: Schedule, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a schedule as a `DUE` table."""
    moments = {"effective_at": schedule.effective_at, "put_in": schedule.taken_at}
    return rows.select(
        *(pl.lit(moment).cast(DUE[name]).alias(name) for name, moment in moments.items()),
        "row",
        *IDS,
        "desired",
        schedule_id=pl.lit(schedule.schedule_id),
        file=pl.lit(schedule.file),
        device=pl.coalesce("same_as", "row"),
    ).select(DUE.names())


def _told(due: list[Schedule], found: pl.DataFrame) -> list[LeftOut]:
    files = {each.schedule_id: each.file for each in due}
    groups = found.group_by("schedule_id", "why", maintain_order=True).agg(
        rows=pl.len(), row=pl.col("row").first(), reason=pl.col("reason").first()
    )
    return [LeftOut(files[ident], Why(why), rows, row, reason) for ident, why, rows, row, reason in groups.iter_rows()]


def warnings(schedules: Schedules, arrival_id: str) -> list[str]:
    """Sentences for an operator; none where nothing contradicts what this file schedules."""
    own = {each.schedule_id for each in schedules.of_arrival(arrival_id) if each.state.open}
    if not own:
        return []
    moments = [each.effective_at for each in schedules.of_arrival(arrival_id)]
    others = schedules.open_at(moments)
    if {each.schedule_id for each in others} == own:
        return []
    found = contradictions(
        pl.concat([pl.DataFrame(schema=DUE), *(as_due(each, schedules.rows(each.schedule_id)) for each in others)])
    )
    clashing = found.filter(pl.col("schedule_id").is_in(list(own)))
    if clashing.is_empty():
        return []
    counter = found.filter(~pl.col("schedule_id").is_in(list(own)))["schedule_id"].unique().sort().to_list()
    schedule_id, row, reason = clashing.row(0)
    told = (
        f"{clashing.height:,} rows contradict other schedules ({', '.join(counter[:5])}), the first: "
        f"row {row} {reason}. Neither is carried out unless one is cancelled: "
        f"simtandem schedule cancel {schedule_id}, or the other."
    )
    return [told]


def device_lookup(settings: Settings, ledger: Ledger) -> Lookup:
    """Asks the carrier, as a run of its own that only plans. To be called where no event loop runs.

    It raises what keeps the carrier from being asked. A row whose ids lead nowhere keeps those it has.
    """

    def look_up(rows: pl.DataFrame) -> pl.DataFrame:
        numbered = rows.with_row_index("number", offset=2).with_columns(pl.col("number").cast(pl.Int64))
        devices = numbered.select("desired", *IDS, row="number", owners=pl.lit(None, pl.String))
        started = ledger.clock()
        run_id = new_run_id(started)
        what = {"scheduled": "which devices the rows that are due name", "rows": rows.height}
        ledger.start_run(looking_run(run_id, RunKind.PLAN, settings, started, what))
        try:
            listing = asyncio.run(_find(settings, ledger, run_id, devices))
        except SimtandemError as error:
            ledger.record_state(run_id, RunState.FAILED, {"error": str(error)}, sealed=True)
            raise
        ledger.record_state(run_id, RunState.PLANNED, what, sealed=True)
        found = resolve(as_listed(devices, listing.named), listing.inventory).select(*IDS, number="row")
        return numbered.select("schedule_id", "row", "number").join(found, on="number").drop("number")

    return look_up


async def _find(settings: Settings, ledger: Ledger, run_id: str, devices: pl.DataFrame) -> Listing:
    async with recorded_carrier(settings, ledger, run_id) as (carrier, _):
        return await carrier.find(devices)
