"""Assigning SIMs to endpoints at emnify and releasing them: a PATCH of the endpoint's `sim`, one after another.

An endpoint's `sim` is sent alone: its status is nothing that this call should touch. Releasing sends a SIM without id,
as the carrier's own library does. An unanswered PATCH is read back, and sent again only where nothing has moved.
Resetting connectivity leaves no state to read, so an unanswered reset stays unknown.
"""

import json
from dataclasses import dataclass

from schemas.sim_actions import SimAction
from schemas.statuses import Outcome
from simtandem.carriers.emnify.item_mapping import from_endpoint
from simtandem.carriers.emnify.paging import ENDPOINTS, read_item
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.emnify.sim_writer import DISPUTED
from simtandem.carriers.emnify.transport import ATTEMPTS, Transport
from simtandem.carriers.protocol import Call, Fresh, Outdated, StepResult, always_fresh
from simtandem.carriers.sharing import Turn
from simtandem.carriers.sim_actions import ActionStep
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted


@dataclass(frozen=True, slots=True)
class _Now:
    """An endpoint read back: the id of its SIM, None where it has none; not `there` where the carrier has it not."""

    sim_id: str | None
    there: bool


@dataclass(slots=True)
class EndpointActions:
    """Sends actions of endpoints, one at a time: the turn is the one of other endpoint writes."""

    transport: Transport
    turn: Turn

    async def act(self, step: ActionStep, fresh: Fresh = always_fresh) -> StepResult:
        """See `simtandem.carriers.sim_actions.ActingCarrier.act`."""
        async with self.turn(lambda: self.transport.stopped("change")):
            if step.action is SimAction.RESET_CONNECTIVITY:
                return await self._reset(step, fresh)
            return await self._pair(step, fresh)

    async def _reset(self, step: ActionStep, fresh: Fresh) -> StepResult:
        """Reset a device's connectivity. Nothing shows whether it was done, so it is never sent a second time."""
        body = json.dumps({"pdp_context": None, "location": None})
        reply = await self.transport.send(Call("PATCH", reset_path(str(step.endpoint_id)), "change", 1, body, fresh))
        if reply.kind is Kind.OK:
            return StepResult(step.row, Outcome.APPLIED, 1, reply.status)
        outcome = Outcome.REFUSED if reply.kind.refused else Outcome.UNKNOWN
        return StepResult(step.row, outcome, 1, reply.status, reply.sentence)

    async def _pair(self, step: ActionStep, fresh: Fresh) -> StepResult:
        path, attempt = f"{ENDPOINTS.path}/{step.endpoint_id}", 0
        while True:
            attempt += 1
            try:
                reply = await self.transport.send(Call("PATCH", path, "change", attempt, _body(step), fresh))
            except Outdated as late:
                raise Outdated(sent=attempt > 1) from late
            if reply.kind is Kind.OK:
                return StepResult(step.row, Outcome.APPLIED, attempt, reply.status)
            if reply.kind.refused and reply.kind not in DISPUTED:
                return StepResult(step.row, Outcome.REFUSED, attempt, reply.status, reply.sentence)
            if reply.kind is Kind.UNANSWERED:
                await self.transport.back_off(attempt)
            ended = self._ended(step, attempt, reply, await self._read_back(step))
            if ended is not None:
                return ended

    def _ended(self, step: ActionStep, attempt: int, reply: Reply, now: _Now) -> StepResult | None:
        """What an endpoint that was read back says of its action; None where it is still to be sent."""
        wanted = step.sim_id if step.action is SimAction.ASSIGN else None
        before = None if step.action is SimAction.ASSIGN else step.sim_id
        told = (attempt, reply.status)
        if now.there and now.sim_id == wanted:
            outcome = Outcome.UNCHANGED if reply.kind.refused and attempt == 1 else Outcome.APPLIED
            return StepResult(step.row, outcome, *told)
        if reply.kind.refused:
            return StepResult(step.row, Outcome.REFUSED, *told, reply.sentence)
        if not now.there or now.sim_id != before:
            return StepResult(step.row, Outcome.FAILED, *told, _elsewhere(now))
        if attempt >= ATTEMPTS:
            return StepResult(step.row, Outcome.FAILED, *told, f"{reply.sentence}, {ATTEMPTS} times")
        return None

    async def _read_back(self, step: ActionStep) -> _Now:
        try:
            item = await read_item(
                self.transport, f"{ENDPOINTS.path}/{step.endpoint_id}", "endpoint", purpose="read_back"
            )
        except (AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted) as error:
            raise CarrierUnavailable(
                f"Endpoint {step.endpoint_id}: the {step.action} was not confirmed and could not be read back. {error}",
                maybe_processed=True,
            ) from error
        return _Now(None, there=False) if item is None else _Now(from_endpoint(item)[0], there=True)


def reset_path(endpoint_id: str) -> str:
    """Where the connectivity of an endpoint is reset."""
    return f"{ENDPOINTS.path}/{endpoint_id}/connectivity"


def _body(step: ActionStep) -> str:
    """Only the SIM: any other field that is named would be changed as well."""
    sim = int(step.sim_id) if step.action is SimAction.ASSIGN and step.sim_id else None
    return json.dumps({"sim": {"id": sim}})


def _elsewhere(now: _Now) -> str:
    if not now.there:
        return "the endpoint is gone now: someone else deleted it"
    has = f"SIM {now.sim_id}" if now.sim_id else "no SIM"
    return f"the endpoint has {has} now: someone else changed it"
