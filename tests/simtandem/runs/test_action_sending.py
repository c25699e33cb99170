"""The sending of SIM actions: what is read again before it is sent, and how it pauses between two calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.sim_actions import SimAction
from schemas.statuses import Outcome, StoppedBy
from simtandem.carriers.protocol import Fresh, StepResult, always_fresh
from simtandem.carriers.sim_actions import ActionStep
from simtandem.domain.sim_actions import Batch
from simtandem.ledger import action_records, leases
from simtandem.ledger import pausing as asking
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunState
from simtandem.progress import ProgressHooks
from simtandem.runs import action_run
from simtandem.runs.action_run import ActionRun
from simtandem.runs.action_sending import ActionSending
from simtandem.settings import Settings
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.desk import Time, age
from tests.simtandem.runs.sending import RUNNING, fleet_of, sims

DEVICES = 4


@dataclass
class Acting(ActingCarrier):
    """Takes actions, and notes of which SIMs. `during`: what happens while that one is on its way."""

    acted: list[str | None] = field(default_factory=list)
    during: dict[str, Callable[[], object]] = field(default_factory=dict)
    holds: asyncio.Event = field(default_factory=asyncio.Event)

    async def look_at_batch(self, bic: str) -> Batch:
        raise NotImplementedError("no batch is named here")

    async def act(self, step: ActionStep, *, fresh: Fresh = always_fresh) -> StepResult:
        self._take_turn(changing=True, fresh=fresh)
        self.acted.append(step.sim_id)
        if happens := self.during.pop(str(step.sim_id), None):
            happens()
            async with asyncio.timeout(60):
                await self.holds.wait()
        return StepResult(step.row, Outcome.APPLIED, 1, 204)

    def hold(self) -> None:
        super().hold()
        self.holds.set()


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Iterator[ActionRun]:
    """A run that releases SIMs, in batches of two."""
    file = tmp_path / "actions.csv"
    file.write_text("\n".join(["sim_id", *sims(DEVICES)]) + "\n")
    request = BulkUpdate(file=str(file), mode=Mode.APPLY, batch_size=2)
    made = ActionRun.start(request, SimAction.RELEASE, Settings(home=home), plan_only=False)
    yield made
    made.close()


@asynccontextmanager
async def planned(run: ActionRun, listed: timedelta = timedelta(0)) -> AsyncIterator[tuple[Acting, ActionSending]]:
    """The run with its plan made from a listing that is so old, ready to send."""
    carrier = Acting(fleet_of(DEVICES, *RUNNING))
    action_run.read_wishes(run)
    await action_run.list_devices(run, carrier)
    action_run.plan_actions(run)
    age(run, listed)
    async with CallWriter(run.ledger, run.run_id) as journal:
        yield carrier, ActionSending(run, carrier, journal, steady=Time())


def outcomes(run: ActionRun) -> list[str]:
    return action_records.read_outcomes(run.ledger, run.run_id)["outcome"].to_list()


async def paused(run: ActionRun) -> dict[str, object]:
    """What the record says of the pause, once there is one."""
    async with asyncio.timeout(60):
        while True:
            last = run.ledger.states(run.run_id)[-1]
            if last.state is RunState.PAUSED:
                return dict(last.detail)
            await asyncio.sleep(0.01)


async def test_a_pause_lets_the_call_on_its_way_end_and_others_send(run: ActionRun) -> None:
    async with planned(run) as (carrier, sending):
        carrier.during["1"] = lambda: asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        under_way = asyncio.create_task(sending.send())
        assert await paused(run) == {"by": "Ada", "left": DEVICES - 1, "split": 0}
        assert (carrier.acted, outcomes(run)) == (["1"], ["applied"])
        assert leases.held(run.ledger.database, run.lease.account) == [], "other runs may send"
        before = len(carrier.reads)
        asking.ask(run.ledger, run.run_id, RunState.RESUMING, "Bob")
        await under_way
        assert carrier.acted == sims(DEVICES)
        again = [pair[0] for asked in carrier.reads[before:] for pair in asked]
        assert again == sims(DEVICES)[1:], "what is left is read again before it is sent, and nothing else"
    assert outcomes(run) == ["applied"] * DEVICES
    assert sending.stop is None


async def test_a_stop_ends_the_pause_and_what_is_left_is_held(run: ActionRun, hooks: ProgressHooks) -> None:
    async with planned(run) as (carrier, sending):
        carrier.during["2"] = lambda: asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        under_way = asyncio.create_task(sending.send())
        await paused(run)
        hooks.stop()
        await under_way
        assert carrier.acted == ["1", "2"]
    assert outcomes(run) == ["applied", "applied", "held", "held"]
    assert sending.stop is not None
    assert sending.stop.by is StoppedBy.OPERATOR


async def test_a_pause_asked_for_during_the_last_call_keeps_nothing_waiting(run: ActionRun) -> None:
    async with planned(run) as (carrier, sending):
        carrier.during[str(DEVICES)] = lambda: asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        async with asyncio.timeout(60):
            await sending.send()
    assert outcomes(run) == ["applied"] * DEVICES
    assert RunState.PAUSED not in [each.state for each in run.ledger.states(run.run_id)]


async def test_each_part_is_read_again_where_the_listing_is_old(run: ActionRun) -> None:
    async with planned(run, timedelta(minutes=6)) as (carrier, sending):
        await sending.send()
    assert [[pair[0] for pair in asked] for asked in carrier.reads] == [["1", "2"], ["3", "4"]]
    assert carrier.acted == sims(DEVICES)
