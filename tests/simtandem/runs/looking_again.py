"""A run that was sent and is not looked at yet; a carrier that shows changes late; who hears what is told."""

import polars as pl

from simtandem import progress
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import prepare
from tests.simtandem.runs.sending import send_all


class LateCarrier(ActingCarrier):
    """Shows SIM 1 as it was before, for so many readings."""

    late_for: int = 0

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        seen = await super().read(pairs, by_id=by_id)
        if len(self.reads) > self.late_for:
            return seen
        stale = pl.when(pl.col("sim_id") == "1").then(pl.lit("Issued")).otherwise("sim_status")
        return seen.with_columns(sim_status=stale)


class Notes(progress.ProgressHooks):
    """Keeps what an operator was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def message(self, sentence: str) -> None:
        self.told.append(sentence)


async def sent(run: Run, carrier: ActingCarrier) -> None:
    """Prepared and sent; not yet looked at."""
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        await send_all(Applying(run, carrier, journal))
