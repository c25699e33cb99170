"""Changing endpoints at emnify: many in one call, strictly one call after another.

Whether a refused bulk call changed nothing or a part of it is not documented. So after a refusal its endpoints are read
once, and what is still to be done is sent in halves until the bad rows stand alone. Where both halves are refused, some
rows spread over the whole are tried alone first: if nearly all of those are refused as well, the rest is not worth its
calls. A refusal that may only mean that the status is held already is believed after one more reading of them all.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.statuses import EndpointStatus, Outcome
from simtandem.carriers.emnify.lifecycle import ENDPOINT_STATUS_IDS
from simtandem.carriers.emnify.paging import ENDPOINTS
from simtandem.carriers.emnify.paths import BULK
from simtandem.carriers.emnify.reader import Reader
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.emnify.sim_writer import DISPUTED, moved_elsewhere
from simtandem.carriers.emnify.transport import ATTEMPTS, Transport
from simtandem.carriers.protocol import (
    Call,
    Change,
    Fresh,
    Outdated,
    PartlyChanged,
    StepResult,
    Stops,
    always_fresh,
    never_stops,
)
from simtandem.carriers.sharing import Turn
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted

MOST_AT_ONCE = 2000

_WORTH_PROBING = 40  # rows; fewer are narrowed down with as few calls
_MOST_PROBES = 50
_WORTH_HALVING = 8  # rows of a forbidden call; fewer are sent alone
_NO_RIGHT = 12  # single calls; it is more than the stop rule needs, which leaves the others unsent
_NO_RIGHT_TO_IT = 403


@dataclass(slots=True)
class _Work:
    """One change of many endpoints: how it goes so far. `disputed` rows are read before their refusal is believed.

    `found` rows were where they should be after a call that was refused: that call's doing, or someone else's. `tried`
    are rows of which a call was begun, `last` those of the latest, and `doubtful` those of a call that may have been
    carried out.
    """

    purpose: str
    stops: Stops
    total: int
    fresh: Fresh = always_fresh
    probed: bool = False
    stopped: bool = False
    results: dict[int, StepResult] = field(default_factory=dict)
    disputed: dict[int, Change] = field(default_factory=dict)
    found: set[int] = field(default_factory=set)
    tried: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)

    @property
    def unclear(self) -> set[int]:
        """Rows of which nobody knows what became of them."""
        return self.doubtful - self.results.keys()

    def told_by(self, error: Exception) -> bool:
        """Whether this error says all there is to say: no call had an answer, or it is about a call for all rows."""
        if not self.unclear:
            return not self.results or len(self.last) == self.total
        return len(self.unclear) == self.total and isinstance(error, CarrierUnavailable) and error.maybe_processed

    def end(self, results: Iterable[StepResult]) -> None:
        """Rows have ended."""
        self.results.update((result.row, result) for result in results)

    def refusals(self, rows: Iterable[int] | None = None) -> int:
        """How many rows, or how many of these, are refused."""
        ended = self.results if rows is None else {row for row in rows if row in self.results}
        return sum(self.results[row].outcome is Outcome.REFUSED for row in ended)

    def too_many(self, sample: Sequence[int], size: int) -> bool:
        """Whether so many of a fair sample of `size` rows are refused that the rows as a whole are not worth it."""
        refusals = self.refusals(sample)
        return self.stops(refusals, len(sample)) and self.stops(refusals * size // len(sample), self.total)

    def left(self, changes: Sequence[Change]) -> list[Change]:
        """Those that have not ended."""
        return [change for change in changes if change.row not in self.results]


@dataclass(slots=True)
class EndpointWriter:
    """Changes endpoints, one call at a time: within this process, and by `turn` among all that share the account.

    `rejects_whole`: a refused bulk call was seen to have left out good rows, so it changes nothing at all.
    """

    transport: Transport
    reader: Reader
    turn: Turn
    rejects_whole: bool = False
    bulk_allowed: bool = True
    _bulk_worked: bool = False
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answered: bool = False

    async def change(
        self,
        changes: Sequence[Change],
        *,
        purpose: str = "change",
        stops: Stops = never_stops,
        fresh: Fresh = always_fresh,
    ) -> list[StepResult]:
        """Change them; one result each, in order, of all or of those tried before `stops` said that it is enough.

        Raises `CarrierUnavailable` if nothing can be learnt any more, and `Outdated` instead of a call that is not
        `fresh` any more. What ends it after a call for some of them is raised as `PartlyChanged`, which knows of each.
        """
        work = _Work(purpose, stops, len(changes), fresh)
        async with self._one, self.turn(lambda: self.transport.stopped(purpose)):
            self._answered = False
            try:
                for start in range(0, len(changes), MOST_AT_ONCE):
                    await self._send(changes[start : start + MOST_AT_ONCE], work)
                await self._settle_disputed(work)
                self._leave_to_others(work)
            except Outdated as late:
                raise Outdated(sent=self._answered) from late
            except Exception as error:
                if work.told_by(error):
                    raise
                raise PartlyChanged([*work.results.values()], work.unclear, work.tried, error) from error
        return [work.results[change.row] for change in changes if change.row in work.results]

    async def _send(self, changes: Sequence[Change], work: _Work, attempt: int = 1, *, read: bool = False) -> None:
        """Send them together. `read`: they were read after a refusal of more than these, and had not moved."""
        if not changes or work.stopped:
            return
        if len(changes) > 1 and not self.bulk_allowed:
            await self._one_by_one(changes, work)
            return
        await self._take(changes, work, attempt, await self._call(changes, work, attempt), read=read)

    async def _take(self, changes: Sequence[Change], work: _Work, attempt: int, reply: Reply, *, read: bool) -> None:
        """Do what the answer to a call asks for."""
        if reply.kind is Kind.OK:
            self.rejects_whole |= read  # these were good, and the refused call had not changed them
            self._bulk_worked |= len(changes) > 1
        elif reply.kind is Kind.UNANSWERED:
            await self._after_silence(changes, work, attempt, reply)
        elif len(changes) == 1:
            self._refuse(changes[0], work, attempt, reply)
        elif _forbidden(reply, len(changes)):
            await self._without_bulk(changes, work)
        elif read or self.rejects_whole:
            await self._split(changes, work)
        else:
            left = await self._sort_out(changes, work, (Outcome.APPLIED, Outcome.REFUSED), attempt, reply)
            if len(left) < len(changes):
                await self._send(left, work, read=True)
            else:
                await self._split(left, work)

    async def _without_bulk(self, changes: Sequence[Change], work: _Work) -> None:
        """Forbidden is the bulk call as such, or a row of it: where bulk calls never worked, it is the call."""
        self.bulk_allowed = self._bulk_worked
        await self._one_by_one(changes, work)

    def _refuse(self, change: Change, work: _Work, attempt: int, reply: Reply) -> None:
        work.end([StepResult(change.row, Outcome.REFUSED, attempt, reply.status, reply.sentence)])
        if reply.kind in DISPUTED:
            work.disputed[change.row] = change

    async def _after_silence(self, changes: Sequence[Change], work: _Work, attempt: int, reply: Reply) -> None:
        await self.transport.back_off(attempt)
        left = await self._sort_out(changes, work, (Outcome.APPLIED, Outcome.FAILED), attempt, reply)
        if attempt < ATTEMPTS:
            await self._send(left, work, attempt + 1)
            return
        error = f"{reply.sentence}, {attempt} times"
        work.end(StepResult(change.row, Outcome.FAILED, attempt, reply.status, error) for change in left)

    async def _split(self, changes: Sequence[Change], work: _Work) -> None:
        """Send in halves what was refused as a whole, and has not moved since."""
        middle = (len(changes) + 1) // 2
        halves = changes[:middle], changes[middle:]
        if not self.bulk_allowed or len(changes) == 2:
            await self._one_by_one(changes, work)
            if self.bulk_allowed and not self._bulk_worked and not work.refusals(change.row for change in changes):
                self.bulk_allowed = False  # both are good: it is the bulk call itself that is refused
            return
        replies = [await self._call(half, work, 1) for half in halves]
        if not self._bulk_worked and all(reply.kind is Kind.FORBIDDEN for reply in replies):
            await self._without_bulk(changes, work)
            return
        if not work.probed and len(changes) >= _WORTH_PROBING and all(_of_rows(reply) for reply in replies):
            work.probed = True
            await self._one_by_one(changes, work, until_known=True)
            for half in halves:
                await self._send(work.left(half), work, read=True)
            return
        for half, reply in zip(halves, replies, strict=True):
            if not work.stopped:
                await self._take(half, work, 1, reply, read=True)
        if work.stops(work.refusals(), work.total):
            await self._settle_disputed(work)
            work.stopped = work.stops(work.refusals(), work.total)

    async def _one_by_one(self, changes: Sequence[Change], work: _Work, *, until_known: bool = False) -> None:
        """Each in a call of its own, in an order that makes those tried so far a fair sample.

        `until_known`: end as soon as some were tried and few of them refused. If the first dozen are all forbidden,
        that holds for all the rest.
        """
        order = _spread(changes) if len(changes) >= _WORTH_PROBING else list(changes)
        order = order[:_MOST_PROBES] if until_known else order
        forbidden = 0
        for tried, change in enumerate(order, start=1):
            if work.stopped:
                return
            reply = await self._call([change], work, 1)
            await self._take([change], work, 1, reply, read=False)
            forbidden = forbidden + 1 if reply.kind is Kind.FORBIDDEN else -len(order)
            if forbidden >= _NO_RIGHT:
                refused = (Outcome.REFUSED, 1, reply.status, reply.sentence)
                work.end(StepResult(left.row, *refused) for left in work.left(changes))
                return
            sample = [each.row for each in order[:tried]]
            if work.too_many(sample, len(changes)):
                await self._settle_disputed(work)  # those that hold the status already are taken off
                work.stopped = work.too_many(sample, len(changes))
            elif until_known and tried >= _ENOUGH and work.refusals(sample) * _FEW <= tried:
                return

    async def _settle_disputed(self, work: _Work) -> None:
        """Read the refused rows that may hold the status already, all of them together."""
        disputed, work.disputed = work.disputed, {}
        if not disputed:
            return
        now = await self._statuses(list(disputed.values()))
        for row, change in disputed.items():
            refused = work.results[row]
            if now.get(change.ident) == change.after:
                outcome = Outcome.UNCHANGED if refused.attempts == 1 else Outcome.APPLIED
                work.end([StepResult(row, outcome, refused.attempts, refused.http_status)])

    def _leave_to_others(self, work: _Work) -> None:
        """Where a refused call is known to change nothing, what was found changed after one was changed by others."""
        for row in work.found if self.rejects_whole else ():
            found = work.results[row]
            work.end([StepResult(row, Outcome.UNCHANGED, found.attempts, found.http_status)])

    async def _call(self, changes: Sequence[Change], work: _Work, attempt: int) -> Reply:
        rows = work.last = {change.row for change in changes}
        try:
            reply = await self.transport.send(_call(changes, work, attempt))
        except (CarrierUnavailable, Interrupted, Outdated) as error:
            work.tried |= rows if isinstance(error, CarrierUnavailable) else set()
            raise
        except AuthenticationFailed as error:
            if error.status is not None:
                told = (Outcome.REFUSED, error.attempts, error.status, str(error))
                work.end(StepResult(row, *told) for row in rows - work.doubtful)
            raise
        except BaseException:  # it may be on its way, and nobody will learn what became of it
            work.doubtful |= rows
            raise
        self._answered = True
        work.tried |= rows
        if reply.kind is Kind.OK:
            work.end(StepResult(row, Outcome.APPLIED, attempt, reply.status) for row in rows)
        elif reply.kind is Kind.UNANSWERED or not (
            len(rows) == 1 or _forbidden(reply, len(rows)) or self.rejects_whole
        ):
            work.doubtful |= rows
        return reply

    async def _statuses(self, changes: Sequence[Change]) -> dict[str, str | None]:
        try:
            return await self.reader.endpoint_statuses([change.ident for change in changes])
        except (CarrierRefused, CarrierUnavailable, Interrupted) as error:
            message = f"{len(changes)} endpoints: the change was not confirmed and could not be read back. {error}"
            raise CarrierUnavailable(message, maybe_processed=True) from error

    async def _sort_out(
        self, changes: Sequence[Change], work: _Work, outcomes: tuple[Outcome, Outcome], attempt: int, reply: Reply
    ) -> list[Change]:
        """Read the endpoints again, end those that have moved, and return the changes still to make.

        `outcomes` are for those that are where they should be, and for those that are elsewhere or gone.
        """
        statuses = await self._statuses(changes)
        there, elsewhere = outcomes
        for change in changes:
            now = statuses.get(change.ident)
            if now == change.after:
                work.end([StepResult(change.row, there, attempt, reply.status)])
                if reply.kind.refused and attempt == 1:
                    work.found.add(change.row)
            elif unread := self.reader.refusal("endpoint", change.ident):
                outcome = Outcome.REFUSED if reply.kind.refused else Outcome.UNKNOWN
                work.end([StepResult(change.row, outcome, attempt, reply.status, f"{reply.sentence}; {unread}")])
            elif now != change.before:
                moved = moved_elsewhere("endpoint", now, there=change.ident in statuses)
                work.end([StepResult(change.row, elsewhere, attempt, reply.status, moved, now)])
        left = work.left(changes)
        if reply.kind.refused and attempt == 1:
            work.doubtful.difference_update(change.row for change in left)
        return left


_ENOUGH, _FEW = 10, 5
"""So many rows tried, and at most a fifth of them refused: the others are worth their calls."""


def _forbidden(reply: Reply, rows: int) -> bool:
    """Whether the call as such is forbidden, and so has changed nothing; of a few rows that is taken to be so."""
    return reply.kind is Kind.FORBIDDEN and (not _of_rows(reply) or rows < _WORTH_HALVING)


def _of_rows(reply: Reply) -> bool:
    """Whether this may refuse a row, and not just the call as such, as where a path is not offered."""
    return reply.kind.refused and (reply.kind is not Kind.FORBIDDEN or reply.status == _NO_RIGHT_TO_IT)


def _spread(changes: Sequence[Change]) -> list[Change]:
    """The same changes in an order of which every beginning is spread over the whole."""
    width = max(len(changes) - 1, 1).bit_length()
    order = (int(f"{place:0{width}b}"[::-1], 2) for place in range(2**width))
    return [changes[place] for place in order if place < len(changes)]


def _call(changes: Sequence[Change], work: _Work, attempt: int) -> Call:
    if len(changes) == 1:
        path, body = f"{ENDPOINTS.path}/{changes[0].ident}", json.dumps(_wish(changes[0]))
        return Call("PATCH", path, work.purpose, attempt, body, work.fresh)
    bodies = [{"id": int(change.ident), **_wish(change)} for change in changes]
    return Call("PATCH", BULK, work.purpose, attempt, json.dumps(bodies, separators=(",", ":")), work.fresh)


def _wish(change: Change) -> dict[str, dict[str, int]]:
    return {"status": {"id": ENDPOINT_STATUS_IDS[EndpointStatus(change.after)]}}
