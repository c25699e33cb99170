"""Selections that are due: what they select by now, where something else that is due asks another status.

Which devices a selection names is not known before it is due. So then the carrier is asked, as a run of its own that
only plans, and only where another wish is due as well. A selection that another one beats, or contradicts, is held as a
whole: no list says which of its devices were meant.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC

import polars as pl

from simtandem.carriers.protocol import SelectingCarrier
from simtandem.carriers.registry import fields_of, lifecycle_for
from simtandem.errors import InputError, SimtandemError
from simtandem.inbox.conflicts import DUE, Why
from simtandem.intake.header import IDS
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.schedule_records import Schedule
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id, recorded_carrier
from simtandem.selection.selection import Selection
from simtandem.settings import Settings
from simtandem.text.formats import of

Select = Callable[[str], pl.DataFrame]
"""Given a selection, the three ids of the devices that it selects now."""
_BEATEN = (Why.LATER_ROW.value, Why.CONTRADICTION.value)


def contested(due: Sequence[Schedule], rows: pl.DataFrame) -> list[Schedule]:
    """The selections in place of a list beside which another status is due, by rows (a `DUE` table) or a selection."""
    wishes = {*rows["desired"].unique(), *(each.target for each in due if each.target)}
    return [each for each in due if each.target and wishes - {each.target}]


def as_due(schedule: Schedule, selected: pl.DataFrame) -> pl.DataFrame:
    """What a selection selects, as a `DUE` table."""
    moments = {"effective_at": schedule.effective_at, "put_in": schedule.taken_at}
    number = pl.int_range(1, pl.len() + 1)
    return selected.select(
        *(pl.lit(moment).cast(DUE[name]).alias(name) for name, moment in moments.items()),
        *IDS,
        row=number,
        device=number,
        desired=pl.lit(schedule.target),
        schedule_id=pl.lit(schedule.schedule_id),
        file=pl.lit(schedule.file),
    ).select(DUE.names())


def held(chosen: pl.DataFrame, found: pl.DataFrame) -> dict[str, tuple[Why, str]]:
    """Of selections (`chosen`, a `DUE` table) those to hold, by `found` as of `conflicts.left_out`: why, in words."""
    beaten = found.filter(pl.col("why").is_in(_BEATEN)).join(
        chosen, on=["schedule_id", "row"], how="inner", maintain_order="left"
    )
    told: dict[str, tuple[Why, str]] = {}
    for (ident,), rows in beaten.group_by("schedule_id", maintain_order=True):
        first = rows.row(0, named=True)
        sim = first["sim_id"] or first["endpoint_id"]
        why = (
            f"selects {of(rows.height, 'device')} of which something else that is due asks another status, the first: "
            f"{sim}, {first['reason']}. Nothing of the selection is carried out"
        )
        told[str(ident)] = (Why(first["why"]), why)
    return told


def selection_lookup(settings: Settings, ledger: Ledger) -> Select:
    """Asks the carrier, as a run of its own that only plans. To be called where no event loop runs.

    It raises what keeps the carrier from being asked; a selection that can't be used selects nothing here, and its own
    run says why.
    """

    def select(where: str) -> pl.DataFrame:
        started = ledger.clock()
        try:
            today = started.astimezone(UTC).date()
            selection = Selection.of(where, fields_of(settings.carrier), lifecycle_for(settings), today)
        except InputError:
            return pl.DataFrame(schema=dict.fromkeys(IDS, pl.String))
        run_id, what = new_run_id(started), {"scheduled": "which devices a selection that is due selects"}
        ledger.start_run(looking_run(run_id, RunKind.PLAN, settings, started, {**what, "where": where}))
        try:
            rows = asyncio.run(_select(settings, ledger, run_id, selection))
        except SimtandemError as error:
            ledger.record_state(run_id, RunState.FAILED, {"error": str(error)}, sealed=True)
            raise
        ledger.record_state(run_id, RunState.PLANNED, {**what, "rows": rows.height}, sealed=True)
        return rows.select(IDS)

    return select


async def _select(settings: Settings, ledger: Ledger, run_id: str, selection: Selection) -> pl.DataFrame:
    async with recorded_carrier(settings, ledger, run_id) as (carrier, _):
        if not isinstance(carrier, SelectingCarrier):
            return pl.DataFrame(schema=dict.fromkeys(IDS, pl.String))
        return (await carrier.select(selection)).rows
