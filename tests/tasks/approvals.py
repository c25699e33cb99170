"""Runs that wait for an approval, without Prefect: what would be asked there is an exception here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, SimStatus
from simtandem import progress
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import prepare
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings
from tasks import approval
from tasks.approval import Approval, Decision
from tasks.session import Session
from tasks.suspension import Asked

FIRST = 10_000_001


class AskedError(Exception):
    """Somebody would be asked now; says what for."""


class Approvals:
    """Asks, and remembers the answers that were given, as Prefect does for one flow run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flow_run = uuid4()
        self.last: Asked[Approval] | None = None
        monkeypatch.setattr(approval, "_waiting_is_possible", lambda: self.flow_run)
        monkeypatch.setattr(approval, "last_asked", self._last_asked)
        monkeypatch.setattr(approval, "ask", self._ask)
        monkeypatch.setattr(approval, "show_approval", self._show)

    async def _last_asked(self, form: object, flow_run: UUID) -> Asked[Approval] | None:
        return self.last

    async def _ask(self, form: object, flow_run: UUID, key: str, why: str, within_s: int) -> None:
        raise AskedError(why)

    async def _show(self, *_: object) -> None:
        pass

    def answer(self, session: Session, decision: Decision = Decision.APPROVE, who: str = "Grace", **more: Any) -> None:
        """Somebody answers what this run has asked."""
        run = session.run
        waits = [each.detail for each in run.ledger.states(run.run_id) if each.state is RunState.WAITING]
        key, digest = str(waits[-1]["key"]), str(waits[-1]["digest"])
        self.last = Asked(1, digest, Approval(decision=decision, who=who, **more), run.run_id, key)


@asynccontextmanager
async def planned_session(
    folder: Path, *, owners: bool = False, given: dict[str, Any] | None = None, sims: int = 12, **request: Any
) -> AsyncIterator[Session]:
    """A planned run that suspends twelve of twelve SIMs, beyond the limits, and may give them to somebody else."""
    progress.install(progress.ProgressHooks())
    file = folder / "all.csv"
    rows = (f"{FIRST + at}{',42' if owners else ''}" for at in range(sims))
    file.write_text("\n".join([f"sim_id{',customer_org_id' if owners else ''}", *rows]) + "\n")
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        values = {"home": folder / "home", "emnify_url": emulator.url, "emnify_token": emulator.token, **(given or {})}
        asked = {"file": str(file), "to": Wish.SUSPENDED, "mode": Mode.APPLY, "change_owners": owners, **request}
        run = Run.begin(BulkUpdate(**asked), RunKind.APPLY, Settings(**values), asked_on=AskedOn.TERMINAL)
        try:
            prepare.read_devices(run)
            async with run.carrier() as (carrier, journal):
                await prepare.list_inventory(run, carrier)
                prepare.plan_changes(run)
                yield Session(run, carrier, journal)
        finally:
            run.close()
