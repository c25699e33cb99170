"""Changes that were sent and not answered: what became of them is read before anything is sent again."""

import polars as pl

from schemas.organisations import NOBODY, OwnerField
from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Carrier, Change, StepResult
from simtandem.runs.batch import BatchWork
from simtandem.runs.fresh_look import End


async def read_what_happened(carrier: Carrier, work: BatchWork, half: Half, end: End) -> None:
    """Before trying again after an outage: what was carried out without an answer is not sent again."""
    changes = work.open(half)
    rows = work.batch.rows.filter(pl.col("row").is_in([change.row for change in changes]))
    now = await carrier.read(rows.select("sim_id", "endpoint_id"))
    status = dict(now.select(f"{half}_id", f"{half}_status").iter_rows())
    owners = await _owners_now(carrier, changes)
    left = [change.left(status.get(change.ident), owners.get(change.ident, {})) for change in changes]
    work.narrow(half, [change for change in left if not change.done])
    await end(work, half, [StepResult(change.row, Outcome.APPLIED, 1) for change in left if change.done])


async def _owners_now(carrier: Carrier, changes: list[Change]) -> dict[str, dict[OwnerField, str]]:
    """Whose the SIMs are of which some owner should change."""
    asked = [change.ident for change in changes if change.owners]
    if not asked:
        return {}
    rows = (await carrier.read_owners(asked)).iter_rows(named=True)
    return {row["sim_id"]: {name: row[name] or NOBODY for name in OwnerField} for row in rows}
