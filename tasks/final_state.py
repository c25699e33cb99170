"""How a flow run ends: in a state whose name and message are an operator's words, and that stands."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateDetails
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Failed

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
from simtandem.text import escaping
from simtandem.text.redaction import redacted

log = logging.getLogger("simtandem.concluding")

_PATIENCE_S = 4.0

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


async def _let_it_stand(state: State[Any]) -> None:
    """Have Prefect keep that state, also of a run that someone cancels after its end.

    Of a run that is being cancelled Prefect takes no other state than `Cancelled`, and calls it that minutes later.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    try:
        async with asyncio.timeout(_PATIENCE_S), get_client() as client:
            now = (await client.read_flow_run(context.flow_run.id)).state
            if now is not None and now.is_cancelling() and not state.is_cancelled():
                mine = state.model_copy(update={"state_details": StateDetails()})  # the client writes into them
                await client.set_flow_run_state(context.flow_run.id, mine, force=True)
    except Exception as error:  # noqa: BLE001 - the ledger has it; after any error the run has ended
        log.info("Whether the run is being cancelled could not be read: %s", error)
