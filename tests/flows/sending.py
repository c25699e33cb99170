"""The sending part of the flow, of a plan for a fleet in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Target
from simtandem import progress
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.runs.run import Run
from simtandem.settings import Settings
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import planned

if TYPE_CHECKING:
    from tasks.session import Session


@asynccontextmanager
async def session_with(home: Path, carrier: ActingCarrier, **request: Any) -> AsyncIterator["Session"]:
    """A session whose plan asks for the whole fleet of a carrier in memory."""
    from tasks.session import Session  # noqa: PLC0415

    values = {"file": "all.csv", "to": Target.SUSPENDED, "mode": Mode.APPLY, **request}
    run = Run.begin(BulkUpdate(**values), RunKind.APPLY, Settings(home=home, sim_concurrency=2))
    planned(run, carrier.fleet, [Target(run.request.to)] * len(carrier.fleet.devices))
    progress.install(progress.ProgressHooks())
    try:
        async with CallWriter(run.ledger, run.run_id) as journal:
            carrier.journal = journal
            yield Session(run, carrier, journal)
    finally:
        run.close()


async def patch(session: "Session", monkeypatch: pytest.MonkeyPatch, *, quickly: bool = True) -> None:
    """The patching part of the flow, with retries that need not be waited for."""
    from prefect import flow  # noqa: PLC0415

    import flows.bulk_update as module  # noqa: PLC0415
    from tasks import patch as patching  # noqa: PLC0415

    if quickly:
        monkeypatch.setattr(patching, "RETRY_AFTER_S", (0.0, 0.0, 0.0))

    @flow(name="only-patching")
    async def only_patching() -> None:
        await module.patch_batches(session)

    await only_patching()
