from collections.abc import Callable
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Completed

from simtandem.errors import (
    AuthenticationFailed,
    CarrierUnavailable,
    InputError,
    Interrupted,
    LedgerError,
    OrchestrationError,
    PlanRefused,
    SimtandemError,
)
from simtandem.ledger.records import RunRecord, RunState, RunSummary
from simtandem.prefect_server.automations import all_automations
from simtandem.runs.takeover import EndedElsewhere
from tasks.final_state import STATE_NAMES, concluding, state_after
from tests.simtandem.ledger.conftest import a_run
from tests.tasks.test_session import told

__all__ = ["a_run"]


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (PlanRefused("15 of 20 SIMs would be suspended."), "Plan refused"),
        (PlanRefused("The plan was rejected by Ada.", "Not approved"), "Not approved"),
        (PlanRefused("The plan made now is another one.", "Plan differs"), "Plan differs"),
        (InputError("No such file."), "Input unusable"),
        (AuthenticationFailed("revoked"), "Token refused"),
        (CarrierUnavailable("away"), "Carrier out of reach"),
        (LedgerError("full"), "Record not kept"),
        (OrchestrationError("away"), "Failed"),
    ],
)
def test_what_ends_a_run_is_told_in_an_operators_words(error: SimtandemError, name: str) -> None:
    state = state_after(error)
    assert (state.type, state.name, state.message) == (StateType.FAILED, name, str(error))


def test_an_interrupted_run_is_cancelled() -> None:
    state = state_after(Interrupted("Stopped."))
    assert (state.type, state.name, state.message) == (StateType.CANCELLED, "Cancelled", "Stopped.")


@pytest.mark.parametrize(
    ("state", "detail", "name", "message"),
    [
        (RunState.FINISHED, {"document": told(0, in_sync=5)}, "Completed", "5 of 5 rows in sync. Plan d1, run r1."),
        (RunState.INTERRUPTED, {"error": "Stopped."}, "Cancelled", "Stopped. Run r1."),
        (RunState.FAILED, {"error": "The carrier is away."}, "Failed", "The carrier is away. Run r1."),
    ],
)
async def test_a_run_that_another_process_carried_out_ends_as_its_record_says(
    a_run: Callable[[str], RunRecord], state: RunState, detail: dict[str, object], name: str, message: str
) -> None:
    async with concluding() as end:
        raise EndedElsewhere(RunSummary(a_run("r1"), state, None, detail))
    assert (end.state.name, end.state.message) == (name, message)


def test_somebody_is_told_of_every_state_that_a_run_may_end_in() -> None:
    told = {
        event for each in all_automations([uuid4()], with_files=True) for event in getattr(each.trigger, "expect", ())
    }
    names = {*STATE_NAMES.values(), "Plan refused", "Plan differs", "Not approved", Completed().name}
    assert {f"prefect.flow-run.{name}" for name in names} <= told
