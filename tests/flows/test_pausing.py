"""A paused run is Paused in Prefect, and continues when resumed there. After a stop or a pause no batch begins."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, Outcome, SimStatus, StoppedBy, Target
from simtandem import progress
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.settings import load
from tests.flows.sending import patch, session_with
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.sending import RUNNING, fleet_of, outcomes, state

if TYPE_CHECKING:
    import polars as pl
    from prefect.client.schemas.objects import State

    from simtandem.runs.batch import BatchWork
    from tasks.session import PatchedBatch

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("prefect_client")]
FIRST = 10_000_001


async def test_a_run_between_waves_is_resumed_in_prefect(tmp_path: Path, emulator: Emulator) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect takes seconds to import
    from prefect.client.schemas.filters import (  # noqa: PLC0415 - see above
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415 - see above

    from flows.bulk_update import bulk_update  # noqa: PLC0415

    emulator.refill([Group(3)])
    file = tmp_path / "devices.csv"
    file.write_text("\n".join(["sim_id", *(str(FIRST + number) for number in range(3))]) + "\n")
    params = BulkUpdate(file=str(file), to=Wish.ACTIVATED, mode=Mode.APPLY, waves="1,rest", wave_approval=True)
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    async with get_client() as client:
        before = {each.id for each in await client.read_flow_runs(flow_run_filter=paused)}
        running: asyncio.Future[State[Any]] = asyncio.ensure_future(bulk_update(params, return_state=True))
        while True:
            assert not running.done()
            shown = [each for each in await client.read_flow_runs(flow_run_filter=paused) if each.id not in before]
            if shown:
                break
            await asyncio.sleep(0.5)
        assert emulator.fleet.state_counts()["Activated/Enabled"] == 1
        assert "next one waits" in (shown[0].state.message or "")  # type: ignore[union-attr]
        await client.resume_flow_run(shown[0].id)
        state = await running
    assert state.is_completed()
    with Ledger.open(load().ledger()) as ledger:
        [run] = ledger.runs(1)
        states = ledger.states(run.record.run_id)
    assert [each.detail["by"] for each in states if each.state is RunState.RESUMING] == ["Resume in Prefect"]
    assert [each.detail["who"] for each in states if each.state is RunState.APPROVED] == ["Resume in Prefect"]


async def test_a_stop_leaves_what_has_not_begun_at_once_and_without_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(200, *RUNNING))
    async with session_with(tmp_path, carrier, batch_size=2) as session:
        begun: list[int] = []
        begin = session.begin_batch

        def count(work: "BatchWork") -> "PatchedBatch":
            begun.append(work.batch.number)
            return begin(work)

        monkeypatch.setattr(session, "begin_batch", count)
        carrier.before_change = lambda _: progress.current().stop()
        await patch(session, monkeypatch)
        ended = outcomes(session.run)
    assert len(begun) <= 4, "those on their way"
    assert len(ended) == 400
    assert sum(outcome is Outcome.HELD for outcome in ended.values()) >= 390


async def test_a_stop_leaves_no_sim_paid_for_and_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_test = (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
    carrier = ActingCarrier(fleet_of(30, *in_test))
    async with session_with(tmp_path, carrier, batch_size=5, to=Target.ACTIVATED) as session:
        carrier.before_change = lambda ident: progress.current().stop(StoppedBy.PREFECT) if ident == "7" else None
        await patch(session, monkeypatch)
        ended = outcomes(session.run)
        assert session.stop is not None
        assert session.stop.by is StoppedBy.PREFECT
    states = {state(carrier.fleet, number) for number in range(1, 31)}
    assert states == {RUNNING, in_test}
    assert len(ended) == 60


async def test_a_pause_while_a_wave_is_read_breaks_off_the_look_and_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING))
    async with session_with(tmp_path, carrier, waves="2,rest") as session:
        read, hold, held, looks, paused = carrier.read, carrier.hold, asyncio.Event(), [], []

        def heed() -> None:
            hold()
            held.set()

        async def ask(pairs: "pl.DataFrame", *, by_id: bool = False) -> "pl.DataFrame":
            looks.append(len(carrier.sent))
            if len(looks) == 1:
                session.run.ledger.record_state(session.run.run_id, RunState.PAUSING, {"by": "Ada"})
                await held.wait()
            return await read(pairs, by_id=by_id)

        async def stay() -> None:
            if session.pauses():
                paused.append(len(carrier.sent))
                session.run.ledger.record_state(session.run.run_id, RunState.RESUMING, {"by": "Ada"})
            await stay_paused()

        stay_paused = session.stay_paused
        monkeypatch.setattr(carrier, "hold", heed)
        monkeypatch.setattr(carrier, "read", ask)
        monkeypatch.setattr(session, "stay_paused", stay)
        await patch(session, monkeypatch)
        states = [each.state for each in session.run.ledger.states(session.run.run_id)]
    assert paused == [4], "before the next wave"
    assert looks[:2] == [4, 4]
    assert states.count(RunState.WAVE_DONE) == 1
    assert len(carrier.sent) == 8


async def test_a_pause_that_is_asked_for_while_the_next_batch_waits_keeps_it_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(16, *RUNNING))
    async with session_with(tmp_path, carrier, batch_size=2) as session:
        asked: list[int] = []

        def ask(_ident: object) -> None:
            if not asked:
                asked.append(len(session._work))
                session.run.ledger.record_state(session.run.run_id, RunState.PAUSING, {"by": "Ada"})

        async def stay() -> None:
            if session.pauses():
                asked.append(len(outcomes(session.run)))
                session.run.ledger.record_state(session.run.run_id, RunState.RESUMING, {"by": "Ada"})
            await stay_paused()

        stay_paused = session.stay_paused
        carrier.before_change = ask
        monkeypatch.setattr(session, "stay_paused", stay)
        await patch(session, monkeypatch)
        ended = outcomes(session.run)
    under_way, sent_before = asked
    assert sent_before <= 4 * under_way <= 12, "only those on their way have ended"
    assert len(ended) == 32
