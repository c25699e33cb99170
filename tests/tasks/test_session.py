import asyncio
import contextvars
import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from schemas.parameters import BulkUpdate, Wish
from schemas.statuses import Half, StoppedBy, Target
from simtandem import progress
from simtandem.domain.stop_reason import Stop
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, InputError, Interrupted, LedgerError
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.reports.run_document import Document
from simtandem.runs.run import Run
from simtandem.settings import Settings
from tasks.final_state import final_state
from tasks.session import Session, open_session, stopping_in_good_order
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import planned
from tests.simtandem.runs.sending import RESTING, RUNNING, fleet_of, outcomes


def told(exit_code: int, **verdicts: int) -> Document:
    counts = {
        "run_id": "r1",
        "digest": "d1",
        "exit_code": exit_code,
        "input": {"rows": 5},
        "plan": {"newly_billed": 0},
        "verdicts": {"in_sync": 0, **verdicts},
        "files": {"results": "results.csv"},
    }
    return cast("Document", counts)


def test_a_run_with_all_in_sync_completes() -> None:
    state = final_state(told(0, in_sync=5))
    assert (state.type, state.message) == (Completed().type, "5 of 5 rows in sync. Plan d1, run r1.")


def test_a_run_that_leaves_something_fails_with_the_counts() -> None:
    state = final_state(told(1, in_sync=3, changed_by_others=2), "row 4: someone else changed it.")
    assert (state.type, state.name) == (Failed().type, "Not in sync")
    assert state.message == (
        "3 of 5 rows in sync, 2 changed by others. First: row 4: someone else changed it. Plan d1, run r1."
    )
    assert state.data is None, "its document is still shown"


def test_an_interrupted_run_is_cancelled() -> None:
    assert final_state(told(130, in_sync=1)).type == Cancelled().type


class Rig:
    """A session over a carrier in memory, never sending."""

    def __init__(self, home: Path, carrier: ActingCarrier, to: Target) -> None:
        progress.install(progress.ProgressHooks())
        self.run = Run.begin(BulkUpdate(file="all.csv", to=Wish(to)), RunKind.APPLY, Settings(home=home))
        planned(self.run, carrier.fleet, [to] * len(carrier.fleet.devices))
        self.session = Session(self.run, carrier, cast("CallWriter", None))


@pytest.mark.parametrize(
    ("before", "to", "halves"),
    [
        (RESTING, Target.ACTIVATED, (Half.ENDPOINT, Half.SIM)),
        (RUNNING, Target.SUSPENDED, (Half.SIM, Half.ENDPOINT)),
    ],
)
def test_the_halves_are_named_in_their_order(
    tmp_path: Path, before: Any, to: Target, halves: tuple[Half, Half]
) -> None:
    session = Rig(tmp_path, ActingCarrier(fleet_of(2, *before)), to).session
    batch = session.begin_batch(next(session.applying.batches()))
    assert batch.halves == halves
    assert batch.sims == batch.endpoints == "batch 1 of 1 (2)"
    session.run.close()


@pytest.mark.parametrize("state", [Completed(), Failed(data=CarrierUnavailable("away"))])
async def test_neither_success_nor_an_outage_ends_a_run(tmp_path: Path, state: State[Any]) -> None:
    session = Rig(tmp_path, ActingCarrier(fleet_of(1)), Target.ACTIVATED).session
    await session.stop_if_fatal(state)
    session.raise_if_fatal()
    assert not session.interrupted
    session.run.close()


async def test_the_first_error_that_is_no_outage_ends_the_run_and_halts_the_carrier(tmp_path: Path) -> None:
    carrier = ActingCarrier(fleet_of(1))
    session = Rig(tmp_path, carrier, Target.ACTIVATED).session
    await session.stop_if_fatal(Failed(data=AuthenticationFailed("revoked")))
    await session.stop_if_fatal(Failed(data=Interrupted("a consequence")))
    assert carrier.halted
    assert session.interrupted
    with pytest.raises(AuthenticationFailed):
        session.raise_if_fatal()
    session.run.close()


async def test_a_batch_that_is_settled_has_an_outcome_for_every_step(tmp_path: Path) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = Rig(tmp_path, carrier, Target.ACTIVATED).run
    async with CallWriter(run.ledger, run.run_id) as journal:
        session = Session(run, carrier, journal)
        await session.end_batch(session.begin_batch(next(session.applying.batches())))
    assert len(outcomes(run)) == 4
    run.close()


async def test_a_batch_that_was_not_sent_in_full_is_no_progress(tmp_path: Path) -> None:
    carrier = ActingCarrier(fleet_of(4))
    run = Rig(tmp_path, carrier, Target.ACTIVATED).run
    run.request = run.request.model_copy(update={"batch_size": 2})
    async with CallWriter(run.ledger, run.run_id) as journal:
        session = Session(run, carrier, journal)
        first, second = [session.begin_batch(work) for work in session.applying.batches()]
        work = session.work(first)
        await session.applying.apply(work, work.first)
        await session.applying.apply(work, work.second)
        assert session.stop is None
        assert await session.end_batch(first)
        session.applying.interrupt()
        assert not await session.end_batch(second)
        assert session.stop == Stop(StoppedBy.OPERATOR)
    run.close()


async def test_a_run_that_an_error_stopped_names_the_error_and_its_exit_code(tmp_path: Path) -> None:
    session = Rig(tmp_path, ActingCarrier(fleet_of(1)), Target.ACTIVATED).session
    await session.stop_if_fatal(Failed(data=AuthenticationFailed("revoked")))
    assert session.stop == Stop(StoppedBy.ERROR, "revoked", AuthenticationFailed.exit_code)
    session.run.close()


@pytest.mark.parametrize(("attended", "by"), [(True, StoppedBy.OPERATOR), (False, StoppedBy.PREFECT)])
async def test_a_signal_is_an_operators_where_one_looks_on_and_else_a_cancellation(
    attended: bool, by: StoppedBy
) -> None:
    async def signalled() -> tuple[bool, StoppedBy]:
        if attended:
            hooks = progress.ProgressHooks()
            hooks.attended = True
            progress.install(hooks)
        async with stopping_in_good_order():
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(100):
                await asyncio.sleep(0.005)
                if progress.current().stop_requested:
                    break
        return progress.current().stop_requested, progress.current().stopped_by

    told = await asyncio.create_task(signalled(), context=contextvars.Context())  # nobody looks on in a new one
    assert told == (True, by)


async def test_where_a_batch_raises_the_others_send_nothing_new_and_are_waited_for(tmp_path: Path) -> None:
    session = Rig(tmp_path, ActingCarrier(fleet_of(1)), Target.ACTIVATED).session
    ended: list[bool] = []

    async def broken() -> None:
        raise LedgerError("full")

    async def under_way() -> None:
        await asyncio.sleep(0.05)
        ended.append(session.interrupted)

    with pytest.raises(LedgerError):
        await session.all_done([asyncio.create_task(each) for each in (broken(), under_way())])
    assert ended == [True]
    session.run.close()


async def test_a_session_that_can_not_begin_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with pytest.raises(InputError, match="SIMTANDEM_EMNIFY_TOKEN"):
        async with open_session(BulkUpdate(file="all.csv")):
            pass
