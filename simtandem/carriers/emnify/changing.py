"""Changing statuses at emnify: SIMs one by one, side by side; endpoints in bulk, strictly one call after another.

An unanswered PATCH may have been carried out. It is read back, and sent again only if the status has not moved: a
repeat would be a PATCH to the status already held, and what the carrier answers to that nobody knows.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import AsyncFileLock

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from simtandem.carriers.base import Call, Change, StepResult
from simtandem.carriers.emnify.answers import Kind, Reply
from simtandem.carriers.emnify.lifecycle import ENDPOINT_STATUS_IDS, SIM_STATUS_IDS
from simtandem.carriers.emnify.listing import ENDPOINTS, SIMS
from simtandem.carriers.emnify.owning import owner_fields, why_refused
from simtandem.carriers.emnify.reading import Reader, SimNow
from simtandem.carriers.emnify.transport import ATTEMPTS, Transport
from simtandem.errors import CarrierRefused, CarrierUnavailable, Interrupted

BULK = "/api/v2/endpoint/multi"
MOST_AT_ONCE = 2000

_DISPUTED = (Kind.INVALID, Kind.CONFLICT)
"""Refusals that may only mean that the status is there already: the status is read before the refusal is believed."""
_UNREAD = (CarrierRefused, CarrierUnavailable, Interrupted)


async def change_sim(transport: Transport, reader: Reader, change: Change) -> StepResult:
    """Change one SIM, its status or owners or both. Raises `CarrierUnavailable` if it can't be changed nor read."""
    path, left = f"{SIMS.path}/{change.ident}", change
    for attempt in range(1, ATTEMPTS + 1):
        reply = await transport.settle(Call("PATCH", path, "change", attempt, _sim_body(left)))
        if reply.kind is Kind.OK:
            return StepResult(change.row, Outcome.APPLIED, attempt, reply.status)
        if reply.kind.refused and reply.kind not in _DISPUTED:
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
        return _elsewhere("SIM", now.status, there=now.there)
    strange = (name for name, both in change.owners.items() if now.owners[name] not in both)
    return next((f"{name} is {now.owners[name]} now: somebody else changed it" for name in strange), "")


def _elsewhere(what: str, status: str | None, *, there: bool) -> str:
    if there and status is None:
        return f"the {what} is in a status not known here now: somebody else changed it"
    return f"the {what} is {status or 'gone'} now: somebody else changed it"


async def _read_back(reader: Reader, change: Change) -> SimNow:
    """Raises `CarrierRefused` where the carrier won't show this SIM."""
    try:
        return await reader.sim_now(change.ident, list(change.owners))
    except (CarrierUnavailable, Interrupted) as error:
        raise CarrierUnavailable(
            f"SIM {change.ident}: the change was not answered and could not be read back. {error}", maybe_processed=True
        ) from error


@dataclass(slots=True)
class EndpointWriter:
    """Changes endpoints, one call at a time: within this process and, by a lock file, on this host.

    `rejects_whole`: a refused bulk call was seen to have left out good rows, so it changes nothing at all.
    """

    transport: Transport
    reader: Reader
    lock_file: Path
    rejects_whole: bool = False
    bulk_allowed: bool = True
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answered: bool = False

    async def change(self, changes: Sequence[Change], *, put_back: bool = False) -> list[StepResult]:
        """Change them all; one result each, in order. Raises `CarrierUnavailable` if nothing can be learnt any more.

        Once a call was answered, an outage and a stop are both raised as `CarrierUnavailable` with `maybe_processed`.
        """
        results: dict[int, StepResult] = {}
        async with self._turn, AsyncFileLock(self.lock_file):
            self._answered = False
            try:
                for start in range(0, len(changes), MOST_AT_ONCE):
                    some = changes[start : start + MOST_AT_ONCE]
                    for result in await self._send(some, "put_back" if put_back else "change"):
                        results[result.row] = result
            except (CarrierUnavailable, Interrupted) as error:
                if not self._answered or (isinstance(error, CarrierUnavailable) and error.maybe_processed):
                    raise
                message = f"{len(changes)} endpoints: some may be changed already, the others are not. {error}"
                raise CarrierUnavailable(message, maybe_processed=True) from error
        return [results[change.row] for change in changes]

    async def _send(self, changes: Sequence[Change], purpose: str, attempt: int = 1) -> list[StepResult]:
        if not changes:
            return []
        if len(changes) > 1 and not self.bulk_allowed:
            return await self._one_by_one(changes, purpose)
        reply = await self._settle(changes, purpose, attempt)
        if reply.kind is Kind.OK:
            return [StepResult(change.row, Outcome.APPLIED, attempt, reply.status) for change in changes]
        if reply.kind is Kind.UNANSWERED:
            return await self._after_silence(changes, purpose, attempt, reply)
        if reply.kind is Kind.FORBIDDEN and len(changes) > 1:
            self.bulk_allowed = False
            return await self._one_by_one(changes, purpose)
        return await self._after_refusal(changes, purpose, attempt, reply)

    async def _after_silence(
        self, changes: Sequence[Change], purpose: str, attempt: int, reply: Reply
    ) -> list[StepResult]:
        await self.transport.back_off(attempt)
        ended, left = await self._sort_out(changes, (Outcome.APPLIED, Outcome.FAILED), attempt, reply)
        if attempt < ATTEMPTS:
            return ended + await self._send(left, purpose, attempt + 1)
        error = f"{reply.sentence}, {attempt} times"
        return ended + [StepResult(change.row, Outcome.FAILED, attempt, reply.status, error) for change in left]

    async def _after_refusal(
        self, changes: Sequence[Change], purpose: str, attempt: int, reply: Reply
    ) -> list[StepResult]:
        """Find the rows the carrier means: by reading them where that can tell, else by sending them in halves."""
        single = len(changes) == 1
        ended: list[StepResult] = []
        left = list(changes)
        if reply.kind in _DISPUTED if single else not self.rejects_whole:
            there = Outcome.UNCHANGED if single and attempt == 1 else Outcome.APPLIED
            ended, left = await self._sort_out(changes, (there, Outcome.REFUSED), attempt, reply)
        if single:
            return ended + [
                StepResult(change.row, Outcome.REFUSED, attempt, reply.status, reply.sentence) for change in left
            ]
        if ended:
            return ended + await self._send(left, purpose)
        middle = (len(left) + 1) // 2
        results = await self._send(left[:middle], purpose)
        if any(result.outcome is Outcome.APPLIED for result in results):
            self.rejects_whole = True  # these were good, and the refused call had not changed them
        return results + await self._send(left[middle:], purpose)

    async def _one_by_one(self, changes: Sequence[Change], purpose: str) -> list[StepResult]:
        """Without the right to bulk calls. If single ones are forbidden too, one refusal speaks for all the rest."""
        results: list[StepResult] = []
        for index, change in enumerate(changes):
            reply = await self._settle([change], purpose, 1)
            if reply.kind is Kind.FORBIDDEN:
                refused = (Outcome.REFUSED, 1, reply.status, reply.sentence)
                return results + [StepResult(left.row, *refused) for left in changes[index:]]
            if reply.kind is Kind.OK:
                results.append(StepResult(change.row, Outcome.APPLIED, 1, reply.status))
            elif reply.kind is Kind.UNANSWERED:
                results += await self._after_silence([change], purpose, 1, reply)
            else:
                results += await self._after_refusal([change], purpose, 1, reply)
        return results

    async def _settle(self, changes: Sequence[Change], purpose: str, attempt: int) -> Reply:
        reply = await self.transport.settle(_call(changes, purpose, attempt))
        self._answered = True
        return reply

    async def _sort_out(
        self, changes: Sequence[Change], outcomes: tuple[Outcome, Outcome], attempt: int, reply: Reply
    ) -> tuple[list[StepResult], list[Change]]:
        """Read the endpoints again: results for those that have moved, and the changes still to make.

        `outcomes` are for those that are where they should be, and for those that are elsewhere or gone.
        """
        try:
            statuses = await self.reader.endpoint_statuses([change.ident for change in changes])
        except _UNREAD as error:
            message = f"{len(changes)} endpoints: the change was not confirmed and could not be read back. {error}"
            raise CarrierUnavailable(message, maybe_processed=True) from error
        there, elsewhere = outcomes
        ended: list[StepResult] = []
        left: list[Change] = []
        for change in changes:
            now = statuses.get(change.ident)
            if now == change.after:
                ended.append(StepResult(change.row, there, attempt, reply.status))
            elif now == change.before:
                left.append(change)
            elif unread := self.reader.refusal("endpoint", change.ident):
                outcome = Outcome.REFUSED if reply.kind.refused else Outcome.UNKNOWN
                ended.append(StepResult(change.row, outcome, attempt, reply.status, f"{reply.sentence}; {unread}"))
            else:
                moved = _elsewhere("endpoint", now, there=change.ident in statuses)
                ended.append(StepResult(change.row, elsewhere, attempt, reply.status, moved, now))
        return ended, left


def _call(changes: Sequence[Change], purpose: str, attempt: int) -> Call:
    if len(changes) == 1:
        path, body = f"{ENDPOINTS.path}/{changes[0].ident}", json.dumps(_wish(changes[0]))
        return Call("PATCH", path, purpose, attempt, body)
    bodies = [{"id": int(change.ident), **_wish(change)} for change in changes]
    return Call("PATCH", BULK, purpose, attempt, json.dumps(bodies, separators=(",", ":")))


def _wish(change: Change) -> dict[str, dict[str, int]]:
    return {"status": {"id": ENDPOINT_STATUS_IDS[EndpointStatus(change.after)]}}
