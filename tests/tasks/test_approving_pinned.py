"""A run that is pinned to a plan carries out that plan or none, whatever somebody approves."""

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
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.writing import CallWriter
from simtandem.settings import Settings
from tasks import approving
from tasks.approving import Approval, Decision
from tasks.session import Session
from tasks.suspending import Asked

OTHER = "bbbb333344445555"


class AskedError(Exception):
    """Somebody would be asked now."""


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that could wait."""

    async def ask(*_: object) -> None:
        raise AskedError

    waiting = cast("UUID", uuid4())
    monkeypatch.setattr(approving, "_waiting_is_possible", lambda: waiting)
    monkeypatch.setattr(approving, "_wait", ask)


def answered(monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    """Somebody has approved the plan of that digest before; None: nobody was asked."""
    yes = Approval(decision=Decision.APPROVE, who="Ada")

    async def last(*_: object) -> Asked[Approval] | None:
        return Asked(1, digest, yes) if digest else None

    monkeypatch.setattr(approving, "last_asked", last)


@asynccontextmanager
async def session(folder: Path, pinned: str = "", **request: bool) -> AsyncIterator[tuple[Session, str]]:
    """A planned run that suspends all of twelve SIMs, which is beyond the limits; and its plan's digest."""
    watching.watch(watching.Watcher())
    file = folder / "all.csv"
    file.write_text("\n".join(["sim_id", *(str(10_000_001 + at) for at in range(12))]) + "\n")
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        settings = Settings(home=folder / "home", emnify_url=emulator.url, emnify_token=emulator.token)
        wishes = BulkUpdate(file=str(file), to=Wish.SUSPENDED, mode=Mode.APPLY, plan_digest=pinned, **request)
        run = Run.begin(wishes, RunKind.APPLY, settings, asked_on=AskedOn.TERMINAL)
        try:
            preparing.read_devices(run)
            async with run.carrier() as (carrier, journal):
                await preparing.list_inventory(run, carrier)
                digest = str(preparing.plan_changes(run)["digest"])
                yield Session(run, carrier, cast("CallWriter", journal)), digest
        finally:
            run.close()


@pytest.mark.parametrize("ask_first", [True, False])
async def test_another_plan_than_the_pinned_one_is_refused_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask_first: bool
) -> None:
    answered(monkeypatch, None)
    async with session(tmp_path, OTHER, ask_first=ask_first) as (planned, digest):
        with pytest.raises(PlanRefused, match=f"the plan made now is {digest}, not the approved {OTHER}"):
            await approving.obtain_approval(planned)
        run = planned.run
        assert run.ledger.run(run.run_id).state is RunState.REFUSED
        assert run.folder.data("document.json")["exit_code"] == 3


async def test_an_approval_does_not_override_the_pinned_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with session(tmp_path, OTHER, ask_first=True) as (planned, digest):
        answered(monkeypatch, digest)
        with pytest.raises(PlanRefused, match=f"not the approved {OTHER}"):
            await approving.obtain_approval(planned)
        assert planned.run.request.plan_digest == OTHER


async def test_the_pinned_plan_itself_is_asked_about_and_goes_on_once_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, None)
    async with session(tmp_path) as (planned, digest):
        pass
    async with session(tmp_path, digest) as (planned, again):
        assert again == digest
        with pytest.raises(AskedError):
            await approving.obtain_approval(planned)
        answered(monkeypatch, digest)
        await approving.obtain_approval(planned)
        await preparing.check_safety(planned.run, planned.carrier)
