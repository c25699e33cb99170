"""Whole runs against an emulated carrier, step by step as the flow takes them, without Prefect."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Half, Target
from simtandem.carriers.protocol import Call
from simtandem.emulator.server import Emulator
from simtandem.errors import CarrierUnavailable, PlanRefused
from simtandem.ledger.records import RunState
from simtandem.runs import finish, prepare
from simtandem.runs.apply import Applying
from simtandem.runs.run import AskedOn, Run, kind_of
from simtandem.settings import Settings


@dataclass
class Desk:
    """Where an operator sits: settings for one emulated carrier, and a home of their own."""

    emulator: Emulator
    home: Path

    @property
    def settings(self) -> Settings:
        """As the environment would give them."""
        return Settings(home=self.home, emnify_url=self.emulator.url, emnify_token=SecretStr(self.emulator.token))

    def apply(self, rows: dict[int, Target], **options: Any) -> Mapping[str, Any]:
        """Bring these SIMs to these statuses; the run's document."""
        lines = [f"{sim},{target}" for sim, target in rows.items()]
        return self.request(self.file("sim_id,status", *lines), **options)

    def undo(self, run_id: str, **options: Any) -> Mapping[str, Any]:
        """Undo a run; the document of the undo."""
        return self.request(f"undo of {run_id}", undo_of=run_id, **options)

    def request(
        self,
        file: str,
        *,
        stop_before_reconciling: bool = False,
        meanwhile: Callable[[], object] | None = None,
        killed_when_sending: bool = False,
        killed_once_planned: bool = False,
        sent: Collection[int] | None = None,
        sent_endpoints: Collection[int] | None = None,
        **options: Any,
    ) -> Mapping[str, Any]:
        """A run, as `simtandem apply`, or `plan` if `mode` says so. `meanwhile`: between sending and looking again."""
        request = BulkUpdate(**{"file": file, "mode": Mode.APPLY, "accept_large": True, **options})
        run = Run.begin(request, kind_of(request), self.settings, asked_on=AskedOn.TERMINAL)
        try:
            if killed_when_sending or killed_once_planned:
                return asyncio.run(_killed(run, sending=killed_when_sending, sent=sent, endpoints=sent_endpoints))
            return asyncio.run(_whole(run, stopped=stop_before_reconciling, meanwhile=meanwhile))
        finally:
            run.close()

    def file(self, *lines: str) -> str:
        """A device CSV with these lines."""
        self.home.mkdir(exist_ok=True)
        file = self.home / "devices.csv"
        file.write_text("\n".join(lines) + "\n")
        return str(file)


async def _no_pause(_seconds: float) -> None:
    """What does not show is looked for again at once."""


async def _whole(run: Run, *, stopped: bool, meanwhile: Callable[[], object] | None) -> Mapping[str, Any]:
    prepare.read_devices(run)
    async with run.carrier() as (carrier, journal):
        await prepare.list_inventory(run, carrier)
        prepare.plan_changes(run)
        if run.request.mode is Mode.PLAN:
            return finish.finish(run)
        try:
            await prepare.check_safety(run, carrier)
        except PlanRefused:
            return run.folder.data("document.json")
        applying = Applying(run, carrier, journal)
        for work in applying.batches():
            try:
                await applying.apply(work, work.first)
                await applying.apply(work, work.second)
            except CarrierUnavailable:
                pass
            await applying.finish(work)
        if stopped:
            return {"run_id": run.run_id}
        if meanwhile is not None:
            meanwhile()
        await finish.reconcile(run, carrier, sleep=_no_pause)
    return finish.finish(run)


async def _killed(
    run: Run, *, sending: bool, sent: Collection[int] | None, endpoints: Collection[int] | None
) -> Mapping[str, Any]:
    """The record of a run that was killed when it had planned or begun to send, before any step had ended.

    `sent` are the SIMs whose calls, and whose endpoints' calls, were on their way; all of them where it is None.
    `endpoints` are the SIMs whose endpoints' calls were, where that is not the same.
    """
    prepare.read_devices(run)
    async with run.carrier() as (carrier, journal):
        await prepare.list_inventory(run, carrier)
        prepare.plan_changes(run)
        if sending:
            plan = run.folder.table("plan.parquet")
            which = {Half.SIM: sent, Half.ENDPOINT: sent if endpoints is None else endpoints}
            Applying(run, carrier, journal)
            for half, path in ((Half.ENDPOINT, "/api/v1/endpoint"), (Half.SIM, "/api/v1/sim")):
                named = [str(sim) for sim in which[half] or ()]
                going = plan if which[half] is None else plan.filter(pl.col("sim_id").is_in(named))
                for ident in going.filter(f"{half}_step")[f"{half}_id"]:
                    await journal.intent(Call("PATCH", f"{path}/{ident}", "change", body="{}"))
    run.ledger.record_state(run.run_id, RunState.INTERRUPTED, {})
    return {"run_id": run.run_id}
