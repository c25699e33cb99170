"""An approval in Prefect stands for large plans only: for other owners the run itself has to say so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, SimStatus
from simtandem import watching
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import PlanRefused
from simtandem.job import preparing
from simtandem.job.asked_on import AskedOn
from simtandem.job.run import Run
from simtandem.ledger.records import RunKind
from simtandem.ledger.writing import CallWriter
from simtandem.settings import Settings
from tasks import approving
from tasks.session import Session

FIRST = 10_000_001


class AskedError(Exception):
    """Somebody would be asked now."""


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that could wait, and nobody asked yet."""

    async def nobody(*_: object) -> None:
        return None

    async def ask(*_: object) -> None:
        raise AskedError

    monkeypatch.setattr(approving, "_waiting_is_possible", lambda: cast("UUID", uuid4()))
    monkeypatch.setattr(approving, "last_asked", nobody)
    monkeypatch.setattr(approving, "_wait", ask)


@asynccontextmanager
async def session(folder: Path, **request: bool) -> AsyncIterator[Session]:
    """A planned run that suspends twelve of twelve SIMs and gives them to somebody else."""
    watching.watch(watching.Watcher())
    file = folder / "all.csv"
    file.write_text("\n".join(["sim_id,customer_org_id", *(f"{FIRST + at},42" for at in range(12))]) + "\n")
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        settings = Settings(home=folder / "home", emnify_url=emulator.url, emnify_token=emulator.token)
        wishes = BulkUpdate(file=str(file), to=Wish.SUSPENDED, mode=Mode.APPLY, **request)
        run = Run.begin(wishes, RunKind.APPLY, settings, asked_on=AskedOn.TERMINAL)
        try:
            preparing.read_devices(run)
            async with run.carrier() as (carrier, journal):
                await preparing.list_inventory(run, carrier)
                preparing.plan_changes(run)
                yield Session(run, carrier, cast("CallWriter", journal))
        finally:
            run.close()


@pytest.mark.parametrize("ask_first", [True, False])
async def test_without_the_flag_nobody_is_asked_and_the_gate_refuses_at_once(tmp_path: Path, ask_first: bool) -> None:
    async with session(tmp_path, ask_first=ask_first) as planned:
        await approving.obtain_approval(planned)
        with pytest.raises(PlanRefused, match="--accept-large --change-owners"):
            await preparing.check_safety(planned.run, planned.carrier)


async def test_with_the_flag_somebody_is_asked_about_the_size(tmp_path: Path) -> None:
    async with session(tmp_path, change_owners=True) as planned:
        with pytest.raises(AskedError):
            await approving.obtain_approval(planned)


async def test_with_the_flag_and_the_size_accepted_nobody_needs_to_be_asked(tmp_path: Path) -> None:
    async with session(tmp_path, change_owners=True, accept_large=True) as planned:
        await approving.obtain_approval(planned)
        await preparing.check_safety(planned.run, planned.carrier)
