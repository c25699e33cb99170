"""What a carrier with SIM actions offers besides `simtandem.carriers.protocol.Carrier`."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from schemas.sim_actions import SimAction
from simtandem.carriers.protocol import Carrier, Fresh, StepResult, always_fresh
from simtandem.domain.sim_actions import Batch


@dataclass(frozen=True, slots=True)
class ActionStep:
    """One action to be sent, for a row of a plan."""

    row: int
    action: SimAction
    sim_id: str | None = None
    endpoint_id: str | None = None
    bic: str | None = None
    status: str | None = None


@runtime_checkable
class ActingCarrier(Carrier, Protocol):
    """A carrier that has some of the actions in its `Lifecycle.actions`."""

    async def look_at_batch(self, bic: str) -> Batch:
        """What the carrier says of a batch of SIMs. Raises `CarrierError`."""
        ...

    async def act(self, step: ActionStep, *, fresh: Fresh = always_fresh) -> StepResult:
        """Carry out one action. Actions are sent one at a time.

        What is not answered is read back before it is sent again. Raises `CarrierUnavailable` where that can't be done
        either, and `Outdated` instead of sending what is not `fresh` any more.
        """
        ...
