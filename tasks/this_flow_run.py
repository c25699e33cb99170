"""The flow run that this process carries out, as Prefect's server has it: its state is read and set here alone.

The server may be away or slow, and the run's record holds all of it as well. So callers decide how long they ask.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

ASKED_S = 4.0
"""How long a server that is slow is waited for where nothing depends on its answer."""


@dataclass(frozen=True, slots=True)
class ThisFlowRun:
    """A connection to the server, and which flow run it is about."""

    client: PrefectClient
    id: UUID

    async def state(self) -> State[Any] | None:
        """The state it is in."""
        return (await self.client.read_flow_run(self.id)).state

    async def show(self, state: State[Any]) -> None:
        """Have it be in this state; Prefect's rules on what may follow what do not count."""
        await self.client.set_flow_run_state(self.id, state, force=True)


def flow_run_id() -> UUID | None:
    """Its id; None where no flow run is carried out, or nobody knows which."""
    context = FlowRunContext.get()
    return context.flow_run.id if context and context.flow_run else None


def is_of_a_deployment() -> bool:
    """Whether people look for its result in Prefect's UI. A command's own flow run is looked at on its terminal."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


@asynccontextmanager
async def this_flow_run() -> AsyncIterator[ThisFlowRun | None]:
    """In this block the server can be asked; None where `flow_run_id` is."""
    if (known := flow_run_id()) is None:
        yield None
        return
    async with get_client() as client:
        yield ThisFlowRun(client, known)
