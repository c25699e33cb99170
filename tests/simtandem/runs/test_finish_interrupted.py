"""The look at the carrier after a run that was stopped: brief, or none; then the record tells."""

import asyncio

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem import progress
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunState
from simtandem.runs import finish
from simtandem.runs.apply import Applying
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused, Silent
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.looking_again import LateCarrier, Notes, sent
from tests.simtandem.runs.sending import fleet_of, send_all, sims


async def test_an_interrupted_run_is_looked_at_although_nothing_more_may_be_sent(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    carrier.halt()
    await finish.reconcile_briefly(run, carrier)
    told = finish.finish(run, RunState.INTERRUPTED)
    assert told["verdicts"]["in_sync"] == 2
    assert told["exit_code"] == 130
    assert run.ledger.run(run.run_id).state is RunState.INTERRUPTED


async def test_an_interrupted_run_does_not_wait_long_for_the_look(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(ActingCarrier):
        """Never answers a reading."""

        async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
            await asyncio.Event().wait()
            return pairs

    monkeypatch.setattr(finish, "BRIEFLY_S", 0.01)
    carrier = Endless(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    await finish.reconcile_briefly(run, carrier)
    assert finish.finish(run, RunState.INTERRUPTED)["verdicts"]["in_sync"] == 2, "by the record"


class Poor(ActingCarrier):
    """Has no calls left: reading waits for the rate limit."""

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        await asyncio.Event().wait()
        return pairs

    def waiting_s(self) -> float:
        return 300.0


async def test_an_interrupted_run_without_calls_left_tells_each_device_by_the_record(make_run: MakeRun) -> None:
    """Those with an answer are as it says, those never sent are skipped, those without an answer are unknown."""
    carrier = Poor(fleet_of(4, SimStatus.ISSUED, EndpointStatus.ENABLED), acts={"2": [Refused()], "3": [Silent()]})
    run, notes = make_run(sims(4)), Notes()
    progress.install(notes)
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        carrier.before_change = lambda change: applying.interrupt() if change == "3" else None
        await send_all(applying)
    begun = asyncio.get_running_loop().time()
    await finish.reconcile_briefly(run, carrier)
    assert asyncio.get_running_loop().time() - begun < finish.BRIEFLY_S, "no calls left: no waiting"
    told = finish.finish(run, RunState.INTERRUPTED)
    verdicts = dict(run.ledger.results(run.run_id).select("sim_id", "verdict").iter_rows())
    assert verdicts == {"1": "in_sync", "2": "failed", "3": "unknown", "4": "skipped"}
    assert told["exit_code"] == 130
    assert any("no time to read the fleet afresh" in each for each in notes.told)


async def test_a_look_that_is_stopped_leaves_the_record_to_tell(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    carrier.halted = True  # Ctrl-C while the last look waits for its calls
    await finish.reconcile(run, carrier)
    assert finish.finish(run, RunState.INTERRUPTED)["verdicts"]["in_sync"] == 2


async def test_a_brief_look_that_is_cut_short_keeps_what_was_seen(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "BRIEFLY_S", 0.3)
    carrier = LateCarrier(fleet_of(3))
    carrier.late_for = 99
    run = make_run(sims(3))
    await sent(run, carrier)
    await finish.reconcile_briefly(run, carrier)
    assert finish.finish(run, RunState.INTERRUPTED)["verdicts"]["changed_by_others"] == 1
