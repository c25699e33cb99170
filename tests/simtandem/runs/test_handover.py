"""Which run goes on is no parameter: it is handed over in this process, once, for one request and one file."""

import asyncio

import pytest
from pydantic import ValidationError

from schemas.parameters import BulkUpdate, Mode
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs.handover import PreparedRun, handed_over, handing_on
from simtandem.runs.prepare import read_devices
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import fleet_of


def test_no_parameter_names_a_run_that_is_to_go_on(make_run: MakeRun) -> None:
    plan = make_run(["1"], kind=RunKind.PLAN)
    read_devices(plan)
    assert "prepared" not in str(BulkUpdate.model_json_schema())
    with pytest.raises(ValidationError, match="prepared_run"):
        BulkUpdate(file="x.csv", mode=Mode.APPLY, prepared_run=plan.run_id)  # type: ignore[call-arg]


def test_a_run_that_waits_since_an_earlier_version_still_has_usable_parameters() -> None:
    waiting = {"file": "x.csv", "prepared_run": "", "retry_of": ""}
    assert "prepared_run" not in BulkUpdate.model_validate(waiting).model_dump()


def test_the_record_has_no_parameter_of_that_kind(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    assert "prepared_run" not in run.ledger.run(run.run_id).record.parameters


def handed(run: Run) -> PreparedRun:
    return PreparedRun.of(run)


def test_a_run_is_handed_over_once_and_to_its_own_request_only(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    mine = handed(run)
    assert handed_over(run.request) is None, "nothing was handed over"
    with handing_on(mine):
        assert handed_over(run.request) == mine
        assert handed_over(run.request) is None, "it was taken"
    with handing_on(mine), pytest.raises(InputError, match="another request"):
        handed_over(run.request.model_copy(update={"accept_large": True}))
    assert handed_over(run.request) is None


async def test_a_run_reaches_the_tasks_that_are_begun_for_it_and_no_others(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    begin = asyncio.Event()

    async def flow() -> PreparedRun | None:
        await begin.wait()
        return handed_over(run.request)

    stranger = asyncio.create_task(flow())
    with handing_on(handed(run)):
        mine = asyncio.create_task(flow())
    begin.set()
    assert (await stranger, await mine) == (None, handed(run))


@pytest.mark.parametrize("kind", [RunKind.PLAN, RunKind.RECONCILE])
def test_a_run_recorded_as_one_that_looks_is_never_gone_on_with_as_one_that_sends(
    make_run: MakeRun, kind: RunKind
) -> None:
    looked = make_run(["1"], kind=kind)
    read_devices(looked)
    with pytest.raises(InputError, match=f"recorded as a {kind}"):
        make_run(["1"], kind=RunKind.APPLY, prepared=looked)


def test_another_request_can_not_go_on_with_a_run(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    with pytest.raises(InputError, match="another file or request"):
        make_run(["1"], accept_large=True, prepared=run)


def test_a_run_whose_list_was_exchanged_in_its_folder_is_not_gone_on_with(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    mine = handed(run)
    other = make_run(["1", "2"])
    read_devices(other)
    (other.folder.path / "work" / "intake.json").replace(run.folder.path / "work" / "intake.json")
    with pytest.raises(InputError, match="Nothing was sent"):
        mine.require_as_recorded(run.ledger, run.folder)


@pytest.mark.parametrize("state", [RunState.APPLYING, RunState.REFUSED, RunState.WAITING, RunState.FINISHED])
def test_a_run_that_has_begun_to_send_or_ended_is_not_begun_again(make_run: MakeRun, state: RunState) -> None:
    run = make_run(["1"])
    read_devices(run)
    run.ledger.record_state(run.run_id, state, {})
    with pytest.raises(InputError, match="begun already"):
        make_run(["1"], prepared=run)


async def test_a_prepared_run_that_was_planned_goes_on(make_run: MakeRun) -> None:
    run = make_run(["1"])
    await prepare(run, ActingCarrier(fleet_of(1)))
    assert make_run(["1"], prepared=run).run_id == run.run_id
