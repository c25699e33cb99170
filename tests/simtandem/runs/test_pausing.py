"""A run that is asked to pause from elsewhere: it is looked for now and then, and the record says what is left."""

import asyncio

from schemas.statuses import Target
from simtandem.errors import LedgerError
from simtandem.ledger import pausing as asking
from simtandem.ledger.records import RunState
from simtandem.runs import pausing
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import RUNNING, fleet_of, sims


async def test_a_pause_asked_for_in_the_record_is_seen_while_others_send(make_run: MakeRun, begun: Begun) -> None:
    carrier, run, told = ActingCarrier(fleet_of(2, *RUNNING)), make_run(sims(2), Target.SUSPENDED), asyncio.Event()
    async with begun(run, carrier) as applying, pausing.heeded(run, applying, told.set):
        await asyncio.sleep(0)
        assert not applying.paused
        asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        async with asyncio.timeout(20):
            await told.wait()
        assert applying.paused
        assert carrier.held


async def test_a_ledger_that_is_away_is_asked_again(make_run: MakeRun, begun: Begun) -> None:
    run, told, asked = make_run(sims(1)), asyncio.Event(), []
    states = run.ledger.states

    def away_at_first(run_id: str) -> object:
        asked.append(run_id)
        if len(asked) == 1:
            raise LedgerError("The ledger does not answer.")
        return states(run_id)

    async with begun(run, ActingCarrier(fleet_of(1))) as applying:
        asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        run.ledger.states = away_at_first  # type: ignore[method-assign,assignment]
        async with pausing.heeded(run, applying, told.set), asyncio.timeout(20):
            await told.wait()
    assert len(asked) == 2, "a look a second, no more"


async def test_the_record_says_what_is_left(make_run: MakeRun, begun: Begun) -> None:
    run = make_run(sims(1))

    async def resumes(_seconds: float) -> bool:
        asking.ask(run.ledger, run.run_id, RunState.RESUMING, "Bob")
        return False

    async with begun(run, ActingCarrier(fleet_of(1))):
        asking.ask(run.ledger, run.run_id, RunState.PAUSING, "Ada")
        assert await pausing.stay(run, resumes, left=(7, 2)) == "Bob"
        assert detail_of_pause(run) == {"by": "Ada", "left": 7, "split": 2}
        assert await pausing.stay(run, resumes, left=(7, 2)) == "", "nobody asks any more"


def detail_of_pause(run: Run) -> object:
    return next(each.detail for each in run.ledger.states(run.run_id) if each.state is RunState.PAUSED)
