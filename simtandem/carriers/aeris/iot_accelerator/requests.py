"""Requests that the platform works on: asked for once, recorded, polled to their end, found again where they were lost.

A request is accepted long before it shows, and there is no key that would make a second one harmless. So nothing is
asked for again while an earlier request for the same SIM may be under way: a submit without an answer is looked for by
user and time, for as long as it may take to show, and what is found is polled like any other.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.response_mapping import ENDED, TicketLine
from simtandem.carriers.aeris.paced import ATTEMPTS, login_refused, pause, persist, same_sim
from simtandem.carriers.http_call import Kind, Reply
from simtandem.carriers.protocol import Fresh, Outdated, always_fresh
from simtandem.errors import CarrierUnavailable
from simtandem.host import clock

_SKEW = timedelta(minutes=2)
"""The platform's clock may be behind by so much."""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Submitted:
    """How asking for a change ended: with a `ticket`, or refused with this reply, or without an answer.

    `at` is when it was asked for.
    """

    reply: Reply
    attempts: int
    ticket: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended: its state, and its lines. `state` is empty where the platform does not know it."""

    state: str
    lines: tuple[TicketLine, ...] = ()


@dataclass(slots=True)
class RequestDesk:
    """The requests of one user. `poll_s`: between two looks; `known`: tickets that are in the record.

    `lost_within_s` is how long a request that was not answered may take until it is found.
    """

    client: IotAcceleratorClient
    username: str
    poll_s: float
    lost_within_s: float = 300.0
    now: Callable[[], datetime] = clock.now
    known: set[str] = field(default_factory=set)
    open_tickets: dict[frozenset[str], str] = field(default_factory=dict)
    unanswered: dict[frozenset[str], datetime] = field(default_factory=dict)
    _sims: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def submit(self, iccids: Sequence[str], word: str, fresh: Fresh = always_fresh) -> Submitted:
        """Ask for a state, once. A ticket for the same SIMs that is under way already is returned instead.

        Not answered, the caller finds out what became of it: see `look_for`. Raises `CarrierUnavailable`,
        `Outdated`, and `Interrupted`.
        """
        group = frozenset(iccids)
        if under_way := await self._under_way(group):
            return Submitted(Reply(Kind.OK, None), 1, under_way)
        for attempt in range(1, ATTEMPTS + 1):
            begun = self.now()
            try:
                answer = await self.client.submit("ICC", iccids, word, attempt=attempt, fresh=fresh)
            except Outdated as late:
                raise Outdated(sent=attempt > 1) from late
            if answer.reply.kind is Kind.OK:
                return self._taken(group, Submitted(answer.reply, attempt, answer.ticket))
            if answer.reply.kind is Kind.UNAUTHORIZED:
                raise login_refused(answer.reply).of_change(answer.reply.status, attempt)
            if answer.reply.kind is Kind.REFUSED:
                return Submitted(answer.reply, attempt)
            if answer.reply.kind is Kind.UNANSWERED:
                self.unanswered[group] = begun
                return Submitted(answer.reply, attempt, at=begun)
            await pause(attempt)
        raise CarrierUnavailable(f"Aeris: {answer.reply.sentence}, {ATTEMPTS} times.", status=answer.reply.status)

    async def _under_way(self, group: frozenset[str]) -> str:
        """The ticket that some of these SIMs are in already. Raises `CarrierUnavailable` where others are not in it."""
        for sent, at in [*self.unanswered.items()]:
            if not sent & group:
                continue
            if ticket := await self.look_for(sent, at):
                self.take(sent, ticket)
            elif self.may_show(at):
                raise CarrierUnavailable(
                    "A request for some of these SIMs was not answered, and may be found yet.", maybe_processed=True
                )
            else:
                self.unanswered.pop(sent)
        for sent, ticket in self.open_tickets.items():
            if group <= sent:
                return ticket
            if group & sent:
                raise CarrierUnavailable(f"Request {ticket} is under way for some of these SIMs.", maybe_processed=True)
        return ""

    def may_show(self, asked_at: datetime) -> bool:
        """Whether a request of then, which was not answered, may still be found."""
        return self.now() < asked_at + timedelta(seconds=self.lost_within_s)

    async def look_for(self, group: Collection[str], since: datetime) -> str:
        """The ticket of a request for exactly these SIMs that nobody here knows; empty where there is none now.

        Raises `CarrierUnavailable` where that does not show.
        """
        found = await persist(lambda attempt: self.client.find(self.username, since - _SKEW, attempt=attempt))
        if found.reply.kind is not Kind.OK:
            raise CarrierUnavailable(
                f"A request without an answer can't be looked for: {found.reply.sentence}.", maybe_processed=True
            )
        for ticket in (each for each in found.tickets if each not in self.known):
            if await self._is_for(ticket, group):
                return ticket
        return ""

    async def wait_for(self, group: Collection[str], since: datetime) -> str:
        """As `look_for`, until the request is found or can't be any more."""
        while True:
            may_show = self.may_show(since)
            if (ticket := await self.look_for(group, since)) or not may_show:
                return ticket
            await asyncio.sleep(self.poll_s)

    def take(self, group: Collection[str], ticket: str) -> None:
        """A request for these SIMs was found: it is under way."""
        self._taken(frozenset(group), Submitted(Reply(Kind.OK, None), 1, ticket))

    async def follow(self, ticket: str, until: float) -> Ended | None:
        """Poll a request to its end; None where it is under way still at `until`, of the monotonic clock."""
        while True:
            state = await persist(lambda attempt: self.client.poll(ticket, per_page=_PAGE, attempt=attempt))
            if state.reply.kind is not Kind.OK:
                return Ended("")
            if state.state_word in ENDED:
                self._forget(ticket)
                return Ended(state.state_word, await self._lines(ticket, state.size, state.lines))
            if clock.steady() >= until:
                return None
            await asyncio.sleep(self.poll_s)

    def _taken(self, group: frozenset[str], submitted: Submitted) -> Submitted:
        self.unanswered.pop(group, None)
        self.open_tickets[group] = submitted.ticket
        self.known.add(submitted.ticket)
        return submitted

    def _forget(self, ticket: str) -> None:
        self.open_tickets = {group: each for group, each in self.open_tickets.items() if each != ticket}

    async def _lines(self, ticket: str, size: int, first: tuple[TicketLine, ...]) -> tuple[TicketLine, ...]:
        lines = list(first)
        for page in range(1, -(-size // _PAGE)):
            more = await persist(
                lambda attempt, at=page: self.client.poll(ticket, at, per_page=_PAGE, attempt=attempt)  # type: ignore[misc]
            )
            lines += more.lines
        return tuple(lines)

    async def _is_for(self, ticket: str, group: Collection[str]) -> bool:
        """Whether a request is for exactly these SIMs. Raises `CarrierUnavailable` where it doesn't say for which."""
        if ticket not in self._sims:
            state = await persist(lambda attempt: self.client.poll(ticket, per_page=_PAGE, attempt=attempt))
            if state.reply.kind is not Kind.OK:
                return False
            lines = await self._lines(ticket, state.size, state.lines)
            if not lines or len(lines) < state.size:  # it has only begun: another look shows for which it is
                return False
            if any(not line.iccid for line in lines):
                raise CarrierUnavailable(
                    f"Request {ticket} does not say for which SIMs it is, so it may be the one that was not answered.",
                    maybe_processed=True,
                )
            self._sims[ticket] = tuple(line.iccid for line in lines)
        sims, short = self._sims[ticket], {each[:19] for each in group}
        return (
            len(sims) == len(group)
            and all(each[:19] in short for each in sims)
            and all(any(same_sim(sim, each) for each in group) for sim in sims)
        )
