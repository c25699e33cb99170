"""Runs of a fleet in memory, recorded as any other."""

import asyncio
from pathlib import Path

from schemas.parameters import BulkUpdate, Mode
from simtandem import progress
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunState
from simtandem.runs import finish
from simtandem.runs.apply import Applying
from simtandem.runs.run import AskedOn, Run, kind_of
from simtandem.settings import load
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import prepare
from tests.simtandem.runs.sending import fleet_of, send_all


class Past:
    """Makes runs of four SIMs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.carrier = ActingCarrier(fleet_of(4))

    def run(
        self,
        rows: str,
        *,
        mode: Mode = Mode.APPLY,
        killed: bool = False,
        declined: bool = False,
        error: Exception | None = None,
        name: str = "devices.csv",
    ) -> str:
        """A run of the file with these rows; returns its id."""
        file = self._folder / name
        file.write_text("sim_id,status\n" + rows)
        request = BulkUpdate(file=str(file), mode=mode)
        run = Run.begin(request, kind_of(request), load(), asked_on=AskedOn.TERMINAL)
        progress.install(progress.ProgressHooks())
        try:
            asyncio.run(self._carry_out(run, killed=killed, declined=declined))
            if error is not None:
                run.ledger.record_state(run.run_id, RunState.FAILED, {"error": str(error)})
        finally:
            run.close()
        return run.run_id

    async def _carry_out(self, run: Run, *, killed: bool, declined: bool) -> None:
        await prepare(run, self.carrier)
        if declined:
            run.decline()
            return
        if run.request.mode is Mode.APPLY:
            async with CallWriter(run.ledger, run.run_id) as journal:
                await send_all(Applying(run, self.carrier, journal))
            if killed:
                return
            await finish.reconcile(run, self.carrier)
        finish.finish(run)
