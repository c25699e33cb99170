"""How a flow run ends: in a state whose name and message are an operator's words, and that stands."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Cancelled, Completed, Failed

from simtandem.errors import (
    AuthenticationFailed,
    CarrierRefused,
    CarrierUnavailable,
    InputError,
    Interrupted,
    LedgerError,
    PlanRefused,
    SimtandemError,
)
from simtandem.ledger.records import RunState
from simtandem.reports.run_document import Document, recorded_document
from simtandem.runs.summary import ending, only_planned
from simtandem.runs.takeover import EndedElsewhere
from simtandem.text import escaping
from simtandem.text.redaction import redacted
from tasks.this_flow_run import ASKED_S, this_flow_run

log = logging.getLogger("simtandem.concluding")

STATE_NAMES: dict[type[SimtandemError], str] = {
    InputError: "Input unusable",
    AuthenticationFailed: "Token refused",
    CarrierUnavailable: "Carrier out of reach",
    CarrierRefused: "Carrier refused",
    LedgerError: "Record not kept",
}
"""How a flow run's state is called after what ended the run; anything else is `Failed`."""


@dataclass(slots=True)
class End:
    """How a flow run ends: the state that its steps set, or that of the error which ended them."""

    state: State[Any] = field(default_factory=Failed)


@asynccontextmanager
async def concluding() -> AsyncIterator[End]:
    """In this block an error that an operator can meet becomes the end's state, not an exception. The state stands."""
    end = End()
    try:
        yield end
    except EndedElsewhere as ended:
        end.state = await _as_it_ended(ended)
    except SimtandemError as error:
        end.state = state_after(error)
    except Exception as error:
        if (hidden := redacted(str(error))) == str(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {hidden}") from None  # Prefect keeps errors, and their causes
    await _let_it_stand(end.state)


def state_after(error: SimtandemError) -> State[Any]:
    """The state of a flow run that this ended. Its result is the error."""
    message = " ".join(filter(None, [str(error), error.record]))
    if isinstance(error, Interrupted):
        return Cancelled(message=escaping.state(message), data=error)
    name = error.refusal if isinstance(error, PlanRefused) else STATE_NAMES.get(type(error), "Failed")
    return Failed(name=name, message=escaping.state(message), data=error)


def final_state(document: Document, trouble: str = "", record: str = "") -> State[Any]:
    """How the flow run ends: completed if all is as asked, failed if something is left to do.

    `trouble` is the first row that is not as asked, `record` the head of the run's record.
    """
    message = ending(document, trouble, record)
    if document["exit_code"] == Interrupted.exit_code:
        return Cancelled(message=escaping.state(message))
    if document["exit_code"] == 0:
        return Completed(message=escaping.state(message))
    name = "Rows refused" if only_planned(document) else "Not in sync"
    name = "Plan refused" if document["exit_code"] == PlanRefused.exit_code else name
    return Failed(name=name, message=escaping.state(message))


async def _as_it_ended(ended: EndedElsewhere) -> State[Any]:
    """The state of a flow run that another process carried out: what that one said, else what its record says."""
    run_id, detail = ended.run.record.run_id, ended.run.detail
    now = await _state_now()
    if now is not None and now.is_final():
        return State(type=now.type, name=now.name, message=now.message)
    if (document := recorded_document(detail)) is not None:
        return final_state(document)
    told = f"{detail.get('error', '')} Run {run_id}.".strip()
    make = Cancelled if ended.run.state is RunState.INTERRUPTED else Failed
    return make(message=escaping.state(told))


async def _let_it_stand(state: State[Any]) -> None:
    """Have Prefect keep that state, also of a run that someone cancels or suspends after its end.

    Of a run that is being cancelled Prefect takes no other state than `Cancelled`, and calls it that minutes later; one
    that is suspended fails where nobody resumes it.
    """
    now = await _state_now()
    if now is None or not (now.is_paused() or (now.is_cancelling() and not state.is_cancelled())):
        return
    mine = state.model_copy(update={"state_details": StateDetails()})  # the client writes into them
    await _state_now(mine)


async def _state_now(wanted: State[Any] | None = None) -> State[Any] | None:
    """The state of this flow run, after it was set where one is wanted; None where that can't be said."""
    try:
        async with asyncio.timeout(ASKED_S), this_flow_run() as flow_run:
            if flow_run is not None and wanted is not None:
                await flow_run.show(wanted)
            return await flow_run.state() if flow_run is not None else None
    except Exception as error:  # noqa: BLE001 - the ledger has it; after any error the run has ended
        log.info("The state of the flow run could not be read or set: %s", error)
        return None
