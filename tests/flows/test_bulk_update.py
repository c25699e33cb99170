"""The flow itself: its order, its tasks, and how a run ends on the Prefect server."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import AuthenticationFailed, CarrierRefused, InputError, LedgerError, PlanRefused
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs.batch import RETRY_AFTER_S
from simtandem.settings import load
from simtandem.text.escaping import markdown
from tests.flows.sending import patch, session_with
from tests.simtandem.runs.acting_carrier import ActingCarrier, Broken, Silent, Unreached
from tests.simtandem.runs.sending import RUNNING, fleet_of, outcomes

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from tasks.session import PatchedBatch

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("prefect_client"),
]
FIRST = 10_000_001


def asked(tmp_path: Path, count: int, to: Target = Target.ACTIVATED, **others: Any) -> BulkUpdate:
    file = tmp_path / "devices.csv"
    file.write_text("\n".join(["sim_id", *(str(FIRST + number) for number in range(count))]) + "\n")
    return BulkUpdate(**{"file": str(file), "to": to, "mode": Mode.APPLY, **others})


async def run_flow(params: BulkUpdate) -> "State[Any]":
    from flows.bulk_update import bulk_update  # noqa: PLC0415 - Prefect takes seconds to import

    state: State[Any] = await bulk_update(params, return_state=True)
    return state


async def what_ended(state: "State[Any]") -> object:
    return await state.aresult(raise_on_failure=False)


def newest_run() -> Any:
    ledger = Ledger.open(load().ledger())
    try:
        return ledger.runs(1)[0]
    finally:
        ledger.close()


def patches(emulator: Emulator) -> int:
    return sum(count for route, count in emulator.stats()["by_route"].items() if route.startswith("PATCH"))


async def test_a_run_is_a_flow_run_with_two_tasks_a_batch(tmp_path: Path, emulator: Emulator) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import FlowRunFilter  # noqa: PLC0415

    emulator.refill([Group(3), Group(2, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED)])
    state = await run_flow(asked(tmp_path, 5, batch_size=2))
    assert state.is_completed()
    assert "5 of 5 rows in sync" in (state.message or "")
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 5}
    async with get_client() as client:
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
        for _ in range(120):  # the server stores task runs a little later than it is told of them
            task_runs = await client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run.id]}))  # type: ignore[arg-type]
            told = [run.name.partition(" ")[0].partition("-")[0] for run in task_runs]
            if (told.count("patch"), told.count("reconcile")) == (6, 1):
                break
            await asyncio.sleep(0.5)
    assert flow_run.name.endswith("devices.csv")
    batches = sorted(run.name for run in task_runs if run.name.startswith("patch "))
    assert batches == sorted(
        [
            "patch SIMs, batch 1 of 3 (2)",
            "patch endpoints, batch 1 of 3 (0)",
            "patch SIMs, batch 2 of 3 (2)",
            "patch endpoints, batch 2 of 3 (2)",
            "patch endpoints, batch 3 of 3 (1)",
            "patch SIMs, batch 3 of 3 (1)",
        ]
    )
    assert "hush" not in str(flow_run.parameters)
    names = {run.id: run.name for run in task_runs}
    before = {
        (names[each.id], run.name)  # type: ignore[union-attr]  # no task has another input than tasks
        for run in task_runs
        for inputs in run.task_inputs.values()
        for each in inputs
    }
    assert {("list inventory", "plan changes"), ("plan changes", "check safety")} <= {
        (name(one), name(other)) for one, other in before
    }
    for number, first, second in ((1, "SIMs", "endpoints"), (2, "endpoints", "SIMs"), (3, "endpoints", "SIMs")):
        [pair] = [each for each in before if f"batch {number} " in each[0] and f"batch {number} " in each[1]]
        assert (pair[0].split(",")[0], pair[1].split(",")[0]) == (f"patch {first}", f"patch {second}")
    assert {each[0].split("(")[0] for each in before if name(each[1]) == "reconcile" and "batch" in each[0]} == {
        "patch endpoints, batch 1 of 3 ",
        "patch SIMs, batch 2 of 3 ",
        "patch SIMs, batch 3 of 3 ",
    }


def name(task_run: str) -> str:
    """A task's name, from that of its run."""
    return task_run.rpartition("-")[0] if "-" in task_run else task_run


async def test_a_flow_run_that_plans_changes_nothing(tmp_path: Path, emulator: Emulator) -> None:
    emulator.refill([Group(3)])
    state = await run_flow(asked(tmp_path, 3, mode=Mode.PLAN))
    assert state.is_completed()
    assert patches(emulator) == 0
    assert (newest_run().record.kind, newest_run().state) == (RunKind.PLAN, RunState.FINISHED)


async def test_a_flow_run_of_a_selection_needs_no_file_and_shows_what_was_selected(emulator: Emulator) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId  # noqa: PLC0415

    emulator.refill([Group(2, tags="depot-7"), Group(3)])
    state = await run_flow(BulkUpdate(where="tag = 'depot-7'", to=Wish.ACTIVATED, mode=Mode.APPLY))
    assert state.is_completed()
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 2, "Issued/Disabled": 3}
    async with get_client() as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))  # type: ignore[list-item]
        shown = [str(each.data) for each in await client.read_artifacts(artifact_filter=mine)]
    said = markdown("Selected {} of {} devices: {}", 2, 5, "tag = 'depot-7'")
    assert any(said in text for text in shown)


async def test_a_flow_run_that_leaves_something_to_do_fails_and_says_how_much(
    tmp_path: Path, emulator: Emulator
) -> None:
    emulator.refill([Group(2), Group(1, SimStatus.DELETED)])
    state = await run_flow(asked(tmp_path, 3))
    assert state.is_failed()
    assert "2 of 3 rows in sync, 1 refused" in (state.message or "")
    assert newest_run().state is RunState.FINISHED


@pytest.mark.parametrize("broken", ["limit", "file"])
async def test_what_ends_a_run_before_it_sends_is_the_flow_runs_end(
    tmp_path: Path, emulator: Emulator, broken: str
) -> None:
    emulator.refill([Group(20, *RUNNING)])
    params = asked(tmp_path, 20, Target.SUSPENDED)
    if broken == "file":
        params = params.model_copy(update={"file": str(tmp_path / "nowhere.csv")})
    state = await run_flow(params)
    assert isinstance(await what_ended(state), PlanRefused if broken == "limit" else InputError)
    assert patches(emulator) == 0


async def test_an_error_in_the_middle_stops_the_sending_and_still_reports(tmp_path: Path, emulator: Emulator) -> None:
    emulator.refill([Group(30, *RUNNING)])
    emulator.inject(
        FaultRule(FaultKind.REVOKED, "PATCH", "/sim/", skip=5, times=1),
        FaultRule(FaultKind.HTML, "POST", "/authenticate", skip=1, status=403),
    )
    state = await run_flow(asked(tmp_path, 30, Target.SUSPENDED, accept_large=True, batch_size=10))
    assert isinstance(await what_ended(state), AuthenticationFailed)
    assert patches(emulator) <= 12
    run = newest_run()
    assert run.state is RunState.FAILED
    folder = load().runs_folder / run.record.run_id
    assert (folder / "results.csv").exists()
    assert (folder / "report.html").exists()
    ledger = Ledger.open(load().ledger())
    assert ledger.outcomes(run.record.run_id).height == 60, "every planned step has its outcome"
    assert ledger.results(run.record.run_id).height == 30
    ledger.close()


async def test_an_outage_is_tried_again_and_only_what_is_open_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(3, *RUNNING))
    carrier.acts = {"1": [Silent(carried_out=True)], "2": [Unreached(), Unreached()], "103": [Silent()]}
    async with session_with(tmp_path, carrier) as session:
        await patch(session, monkeypatch)
        ended = outcomes(session.run)
    assert set(ended.values()) == {Outcome.APPLIED}
    assert carrier.fleet.illegal == []
    assert [ident for half, ident in carrier.sent if half is Half.SIM].count("1") == 1


async def test_an_outage_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"1": [Unreached()] * 99})
    tried: list[object] = []
    carrier.before_change = tried.append
    async with session_with(tmp_path, carrier) as session:
        await patch(session, monkeypatch)
        session.raise_if_fatal()
        ended = outcomes(session.run)
    assert tried.count("1") == 4, "once, and three times again"
    assert (ended[1, Half.SIM], ended[1, Half.ENDPOINT]) == (Outcome.FAILED, Outcome.HELD)
    assert (ended[2, Half.SIM], ended[2, Half.ENDPOINT]) == (Outcome.APPLIED, Outcome.APPLIED)


async def test_a_run_that_is_to_stop_does_not_wait_before_trying_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"1": [Unreached()] * 99})
    async with session_with(tmp_path, carrier) as session:
        waits = session.wait_before_trying_again

        async def stopped(batch: "PatchedBatch", half: Half, pauses: Sequence[float]) -> None:
            if session._tries[batch.number, half]:
                asyncio.get_running_loop().call_later(0.05, progress.current().stop)
            await waits(batch, half, pauses)

        monkeypatch.setattr(session, "wait_before_trying_again", stopped)
        async with asyncio.timeout(min(RETRY_AFTER_S)):
            await patch(session, monkeypatch, quickly=False)
        ended = outcomes(session.run)
    assert ended[1, Half.ENDPOINT] is Outcome.HELD


async def test_an_error_that_is_no_outage_is_not_tried_again_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(20, *RUNNING), acts={"3": [Broken()]})
    async with session_with(tmp_path, carrier, batch_size=2) as session:
        await patch(session, monkeypatch)
        assert session.interrupted
        with pytest.raises(CarrierRefused, match="SIM 3"):
            session.raise_if_fatal()
        ended = outcomes(session.run)
    assert len(ended) == 40
    assert len(carrier.sent) < 20
    assert [ident for _, ident in carrier.sent].count("3") == 1


async def test_a_few_batches_are_under_way_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simtandem.runs.batch import BATCHES_UNDER_WAY  # noqa: PLC0415

    carrier = ActingCarrier(fleet_of(16, *RUNNING))
    at_once: list[int] = []
    async with session_with(tmp_path, carrier, batch_size=2) as session:
        carrier.before_change = lambda _: at_once.append(len(session._work))
        await patch(session, monkeypatch)
        assert session._work == {}, "a batch is let go of when it is done"
        assert len(outcomes(session.run)) == 32
    assert 1 < max(at_once) <= BATCHES_UNDER_WAY


async def test_without_a_record_the_flow_ends_and_sends_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(40, *RUNNING))
    before: list[int] = []

    def fill_disk(ident: object) -> None:
        if ident == "3":
            before.append(len(carrier.sent))
            with session.run.ledger.database.write() as connection:
                connection.exec_driver_sql(
                    "CREATE TRIGGER full BEFORE INSERT ON outcomes BEGIN SELECT RAISE(ABORT, 'full'); END"
                )

    carrier.before_change = fill_disk
    with pytest.raises(LedgerError):
        async with session_with(tmp_path, carrier, batch_size=4) as session:
            await patch(session, monkeypatch)
    assert len(carrier.sent) <= before[0] + 12, "of 50: what was on its way, wherever its batch was in the order"


async def test_a_flow_waits_while_another_run_sends_and_sends_what_that_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleet_of(6, *RUNNING)
    first, second = ActingCarrier(fleet), ActingCarrier(fleet)
    async with session_with(tmp_path, first, batch_size=2) as one, session_with(tmp_path, second) as other:
        await asyncio.gather(patch(one, monkeypatch), patch(other, monkeypatch))
        ended = [set(outcomes(session.run).values()) for session in (one, other)]
    assert fleet.illegal == []
    assert len(first.sent) + len(second.sent) == 12
    assert {Outcome.UNCHANGED} in ended
    assert {Outcome.APPLIED} in ended
