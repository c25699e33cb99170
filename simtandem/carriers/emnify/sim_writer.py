"""Changing a SIM at emnify, its status or its owners or both, in one call.

An unanswered PATCH may have been carried out. It is read back, and sent again only if the status has not moved: a
repeat would be a PATCH to the status already held, and what the carrier answers to that nobody knows.
"""

import json

from schemas.statuses import Outcome, SimStatus
from simtandem.carriers.emnify.lifecycle import SIM_STATUS_IDS
from simtandem.carriers.emnify.owners import owner_fields, why_refused
from simtandem.carriers.emnify.paging import SIMS
from simtandem.carriers.emnify.reader import Reader, SimNow
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.emnify.transport import ATTEMPTS, Transport
from simtandem.carriers.protocol import Call, Change, Fresh, Outdated, StepResult, always_fresh
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted

DISPUTED = (Kind.INVALID, Kind.CONFLICT)
"""Refusals that may only mean that the status is there already: the status is read before the refusal is believed."""


async def change_sim(transport: Transport, reader: Reader, change: Change, fresh: Fresh = always_fresh) -> StepResult:
    """Change one SIM, its status or owners or both. Raises `CarrierUnavailable` if it can't be changed nor read."""
    path, left = f"{SIMS.path}/{change.ident}", change
    for attempt in range(1, ATTEMPTS + 1):
        try:
            reply = await transport.send(Call("PATCH", path, "change", attempt, _sim_body(left), fresh))
        except Outdated as late:
            raise Outdated(sent=attempt > 1) from late
        except AuthenticationFailed as refused:
            if attempt == 1:
                raise
            lost = f"not answered, not changed when it was read back, and not sent again: {refused}"
            return StepResult(change.row, Outcome.FAILED, attempt, refused.status, lost, left.before)
        if reply.kind is Kind.OK:
            return StepResult(change.row, Outcome.APPLIED, attempt, reply.status)
        if reply.kind.refused and reply.kind not in DISPUTED:
            return StepResult(change.row, Outcome.REFUSED, attempt, reply.status, _refusal(reply, left))
        if reply.kind is Kind.UNANSWERED:
            await transport.back_off(attempt)
        try:
            now = await _read_back(reader, change)
        except CarrierRefused as refusal:  # that says nothing of other SIMs
            unread = f"{reply.sentence}; reading it back was refused: {refusal}"
            outcome = Outcome.REFUSED if reply.kind.refused else Outcome.UNKNOWN
            return StepResult(change.row, outcome, attempt, reply.status, unread)
        ended = _ended(change, left, attempt, reply, now)
        if ended:
            return ended
        left = change.left(now.status, now.owners)
    error = f"{reply.sentence}, {ATTEMPTS} times"
    return StepResult(change.row, Outcome.FAILED, ATTEMPTS, reply.status, error, now.status)


def _ended(change: Change, left: Change, attempt: int, reply: Reply, now: SimNow) -> StepResult | None:
    """What a SIM that was read back says of its change; None where it is still to be sent."""
    if now.status == change.after and all(now.owners[name] == after for name, (_, after) in change.owners.items()):
        outcome = Outcome.UNCHANGED if reply.kind.refused and attempt == 1 else Outcome.APPLIED
        return StepResult(change.row, outcome, attempt, reply.status)
    if reply.kind.refused:
        return StepResult(change.row, Outcome.REFUSED, attempt, reply.status, _refusal(reply, left), now.status)
    if moved := _moved(change, now):
        return StepResult(change.row, Outcome.FAILED, attempt, reply.status, moved, now.status)
    return None


def _sim_body(change: Change) -> str:
    """Only what changes: what is sent of an owner who stays may be refused, and an empty one would be emptied."""
    status = {"status": {"id": SIM_STATUS_IDS[SimStatus(change.after)]}} if change.before != change.after else {}
    return json.dumps(status | owner_fields(change.owners))


def _refusal(reply: Reply, change: Change) -> str:
    why = why_refused(reply, change.owners, with_status=change.before != change.after)
    return f"{reply.sentence}{why}"


def _moved(change: Change, now: SimNow) -> str:
    """What is neither as it was nor as it should be, if anything is."""
    if now.status not in (change.before, change.after):
        return moved_elsewhere("SIM", now.status, there=now.there)
    strange = (name for name, both in change.owners.items() if now.owners[name] not in both)
    return next((f"{name} is {now.owners[name]} now: someone else changed it" for name in strange), "")


def moved_elsewhere(what: str, status: str | None, *, there: bool) -> str:
    """That a half is neither where it was nor where it should be; `there`: the carrier still has it."""
    if there and status is None:
        return f"the {what} is in a status not known here now: someone else changed it"
    return f"the {what} is {status or 'gone'} now: someone else changed it"


async def _read_back(reader: Reader, change: Change) -> SimNow:
    """Raises `CarrierRefused` where the carrier won't show this SIM."""
    try:
        return await reader.sim_now(change.ident, list(change.owners))
    except AuthenticationFailed as error:
        raise AuthenticationFailed(str(error), maybe_processed=True) from error
    except (CarrierUnavailable, Interrupted) as error:
        raise CarrierUnavailable(
            f"SIM {change.ident}: the change was not answered and could not be read back. {error}", maybe_processed=True
        ) from error
