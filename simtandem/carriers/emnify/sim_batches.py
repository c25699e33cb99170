"""Registering batches of SIMs at emnify by their code (BIC), and looking at them before and after.

A batch can't be listed: the call that validates it says whether it can be registered, is registered already, or is not
there. So an unanswered registration is looked at before it is sent again. A batch is registered as a whole.
"""

import json
import re

from schemas.statuses import Outcome, SimStatus
from simtandem.carriers.emnify.item_mapping import number
from simtandem.carriers.emnify.lifecycle import SIM_STATUS_IDS
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.emnify.transport import ATTEMPTS, Transport
from simtandem.carriers.protocol import Call, Fresh, Outdated, StepResult, always_fresh
from simtandem.carriers.sim_actions import ActionStep
from simtandem.domain.sim_actions import Batch
from simtandem.errors import CarrierError, CarrierUnavailable, Interrupted

_PATH = "/api/v1/sim_batch/bic"
_CODE = re.compile(r"[0-9A-Za-z-]{1,64}")
_REGISTERED = 400


async def look_at_batch(transport: Transport, bic: str, purpose: str = "read") -> Batch:
    """What the carrier says of a batch. Raises `CarrierUnavailable`."""
    if not _CODE.fullmatch(bic):
        raise ValueError("the code of a batch is letters, digits and dashes")
    reply = await transport.get(f"{_PATH}/{bic}", spacing="sim", purpose=purpose)
    if reply.kind is Kind.OK:
        quantity = reply.data.get("quantity") if isinstance(reply.data, dict) else None
        return Batch(registered=False, quantity=number(quantity))
    if reply.status == _REGISTERED:
        return Batch(registered=True)
    return Batch(registered=None, why=reply.sentence)


async def register(transport: Transport, step: ActionStep, fresh: Fresh = always_fresh) -> StepResult:
    """Register a batch. See `simtandem.carriers.sim_actions.ActingCarrier.act`."""
    bic, attempt = str(step.bic), 0
    body = json.dumps({"sim_status": {"id": SIM_STATUS_IDS[SimStatus(str(step.status))]}})
    while True:
        attempt += 1
        try:
            reply = await transport.send(Call("PATCH", f"{_PATH}/{bic}", "change", attempt, body, fresh))
        except Outdated as late:
            raise Outdated(sent=attempt > 1) from late
        if reply.kind is Kind.OK:
            return StepResult(step.row, Outcome.APPLIED, attempt, reply.status)
        if reply.kind is Kind.UNANSWERED:
            await transport.back_off(attempt)
        now = await _read_back(transport, bic)
        if ended := _ended(step, attempt, reply, now):
            return ended


def _ended(step: ActionStep, attempt: int, reply: Reply, now: Batch) -> StepResult | None:
    """What a look at the batch says of its registration; None where it is still to be sent."""
    told = (attempt, reply.status)
    if now.registered:
        outcome = Outcome.UNCHANGED if reply.kind.refused and attempt == 1 else Outcome.APPLIED
        return StepResult(step.row, outcome, *told)
    if reply.kind.refused:
        return StepResult(step.row, Outcome.REFUSED, *told, reply.sentence)
    if now.registered is None:
        return StepResult(step.row, Outcome.UNKNOWN, *told, f"{reply.sentence}; {now.why}")
    if attempt >= ATTEMPTS:
        return StepResult(step.row, Outcome.FAILED, *told, f"{reply.sentence}, {ATTEMPTS} times")
    return None


async def _read_back(transport: Transport, bic: str) -> Batch:
    try:
        return await look_at_batch(transport, bic, "read_back")
    except (CarrierError, Interrupted) as error:
        raise CarrierUnavailable(
            f"Batch {bic}: its registration was not confirmed and could not be read back. {error}", maybe_processed=True
        ) from error
