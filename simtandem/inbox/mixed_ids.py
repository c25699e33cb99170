"""Which devices rows name that give different kinds of id: only the carrier knows which SIM an endpoint has today."""

import asyncio

import polars as pl

from simtandem.domain.device_lookup import resolve
from simtandem.errors import SimtandemError
from simtandem.inbox.due_rows import Lookup
from simtandem.intake.header import IDS
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id, recorded_carrier
from simtandem.settings import Settings


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
            inventory = asyncio.run(_find(settings, ledger, run_id, devices))
        except SimtandemError as error:
            ledger.record_state(run_id, RunState.FAILED, {"error": str(error)}, sealed=True)
            raise
        ledger.record_state(run_id, RunState.PLANNED, what, sealed=True)
        found = resolve(devices, inventory).select(*IDS, number="row")
        return numbered.select("schedule_id", "row", "number").join(found, on="number").drop("number")

    return look_up


async def _find(settings: Settings, ledger: Ledger, run_id: str, devices: pl.DataFrame) -> pl.DataFrame:
    async with recorded_carrier(settings, ledger, run_id) as (carrier, _):
        return (await carrier.find(devices)).inventory
