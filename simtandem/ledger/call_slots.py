"""Slots of the call budget that several hosts share, in a ledger that is in PostgreSQL.

A slot is a row, and a call takes a free one that nobody else is just taking. It is held until a time of the server's
clock. So there is no count to be wrong and no session to be lost: what a killed process held is free when it can no
longer count at the carrier. While the database is away, nobody takes a slot, so nothing is sent.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TypeVar

from sqlalchemy import Connection, TextClause, text

from schemas.call_budget import CallsLeft
from simtandem.carriers.protocol import Outdated
from simtandem.carriers.rate_limit import LONGEST_CALL_S, MARGIN_S, Asked, Taken, Window
from simtandem.errors import LedgerError, LedgerUnavailable
from simtandem.ledger.database import Database
from simtandem.ledger.leases import Lease
from simtandem.ledger.outage import Waiting

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Default = TypeVar("Default")

_LOOK_AGAIN_S = 1.0
_AWAY_S = 0.5
"""So long until a database that is away is asked again."""
_WAITING_S = 3.0
"""So long an urgent call that found no slot is known to wait for one; it asks again every second."""
_URGENT_IN_A_ROW = 3
"""After so many urgent ones the next slot is anybody's."""
_HELD_BACK_S = 0.2
OTHERS = "other users of the account"
"""Holds the slots of calls that the carrier counts and nobody here has made."""
_IDLE_S = 10
"""A process that stands still in the middle of taking a slot does not keep the others from it for longer."""

_NOW = "extract(epoch from clock_timestamp())::double precision"


def _statement(sql: str) -> TextClause:
    return text(sql.replace("NOW_S", _NOW))


_BEGIN = text(f"SELECT set_config('idle_in_transaction_session_timeout', '{_IDLE_S}s', true)")
_GATES = _statement(
    "SELECT max(opens_at) - NOW_S FROM call_gates WHERE pool = :pool AND gate IN ('', :spacing) AND opens_at > NOW_S"
)
_SPACE = _statement(
    "INSERT INTO call_gates AS g (pool, gate, opens_at) VALUES (:pool, :spacing, NOW_S + :seconds) "
    "ON CONFLICT (pool, gate) DO UPDATE SET opens_at = excluded.opens_at WHERE g.opens_at <= NOW_S"
)
_PAUSE = _statement(
    "INSERT INTO call_gates AS g (pool, gate, opens_at) VALUES (:pool, '', NOW_S + :seconds) "
    "ON CONFLICT (pool, gate) DO UPDATE SET opens_at = greatest(g.opens_at, excluded.opens_at)"
)
_URGENT_FIRST = _statement(
    "SELECT EXISTS (SELECT FROM call_waiters WHERE pool = :pool AND waits_until > NOW_S) AND NOT (SELECT "
    "coalesce(bool_and(urgent), false) AND count(*) = :in_a_row FROM (SELECT urgent FROM call_slots "
    'WHERE pool = :pool AND "window" = :window ORDER BY taken_at DESC LIMIT :in_a_row) AS latest)'
)
# From the highest number down: those left free for others are the lowest, and taken last by those who may.
# One time for all slots of a call, that of the first: it is what they are found by afterwards.
_TAKE = _statement(
    "UPDATE call_slots AS s SET frees_at = NOW_S + :longest, holder = :holder, urgent = :urgent, "
    "taken_at = coalesce(CAST(:at AS double precision), NOW_S) "
    'FROM (SELECT pool, "window", number FROM call_slots WHERE pool = :pool AND "window" = :window '
    "AND number > :left_free AND number <= :calls AND frees_at <= NOW_S "
    "ORDER BY number DESC LIMIT 1 FOR UPDATE SKIP LOCKED) AS free "
    'WHERE s.pool = free.pool AND s."window" = free."window" AND s.number = free.number RETURNING s.number, s.taken_at'
)
# A slot that was taken since may have been held by an earlier call as well: it counts as two.
_OURS = _statement(
    "SELECT count(*) FILTER (WHERE frees_at > :since) + count(*) FILTER (WHERE taken_at > :since) FROM call_slots "
    'WHERE pool = :pool AND "window" = :window'
)
_TAKE_FOR_OTHERS = _statement(
    "UPDATE call_slots AS s SET frees_at = NOW_S + :seconds, holder = :holder, urgent = false, taken_at = NOW_S "
    'FROM (SELECT pool, "window", number FROM call_slots WHERE pool = :pool AND "window" = :window '
    "AND number <= :calls AND frees_at <= NOW_S ORDER BY number DESC LIMIT :missing FOR UPDATE SKIP LOCKED) AS free "
    'WHERE s.pool = free.pool AND s."window" = free."window" AND s.number = free.number'
)
_NEXT_FREE = _statement(
    'SELECT min(frees_at) - NOW_S FROM call_slots WHERE pool = :pool AND "window" = :window '
    "AND number > :left_free AND number <= :calls"
)
_MAKE = _statement(
    'INSERT INTO call_slots (pool, "window", number, frees_at, taken_at, holder, urgent) '
    "SELECT :pool, :window, number, 0, 0, '', false FROM generate_series(1, :calls) AS number "
    "ON CONFLICT DO NOTHING"
)
_HELD = 'UPDATE call_slots SET frees_at = NOW_S + :seconds WHERE pool = :pool AND "window" = :window '
_HOLD_ON = _statement(f"{_HELD} AND number = :number AND taken_at = :taken_at AND frees_at > NOW_S")
_RELEASE = _statement(f"{_HELD} AND number = :number AND taken_at = :taken_at")
_WAITS = _statement(
    "INSERT INTO call_waiters (pool, holder, waits_until) VALUES (:pool, :holder, NOW_S + :seconds) "
    "ON CONFLICT (pool, holder) DO UPDATE SET waits_until = excluded.waits_until"
)
_WAITS_NO_MORE = _statement(
    "DELETE FROM call_waiters WHERE pool = :pool AND (holder = :holder OR waits_until <= NOW_S)"
)
_USE = _statement(
    'SELECT holder, frees_at - NOW_S FROM call_slots WHERE pool = :pool AND "window" = :window '
    "AND frees_at > NOW_S ORDER BY frees_at, holder"
)


class LedgerSlots:
    """Implements `rate_limit.Slots`. `pool` names whose calls are counted together, `holder` whose calls these are.

    The database is asked in a thread of its own, one thing after another. One that is away is waited for, `at_most_s`
    seconds at most; that is reported, and who waits may give up. A change gets slots only while `lease` is held, which
    is looked at in the transaction that takes them; one that was begun anew meanwhile does not count.
    """

    def __init__(
        self, database: Database, pool: str, holder: str, *, at_most_s: float, lease: Lease | None = None
    ) -> None:
        self._database = database
        self._lease = lease
        self._names: Mapping[str, object] = {"pool": pool, "holder": holder}
        self._at_most_s = at_most_s
        self._away: Waiting | None = None
        self._made: set[Window] = set()
        self._waits = False
        self._left: CallsLeft | None = None
        self._read_next = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-slots")

    async def take(self, asked: Asked, given_up: Callable[[], bool]) -> Taken | float:
        """See `Slots.take`. Where the database is away, the wait is short, and the error comes in the end."""
        lease = self._lease.lease_id if self._lease is not None else ""  # when the caller last saw that it may go
        future: Future[Taken | float] = self._submit(lambda: self._try(lambda: self._take(asked, lease), _AWAY_S))
        taking = asyncio.wrap_future(future)
        try:
            while not (await asyncio.wait({taking}, timeout=_LOOK_AGAIN_S))[0]:
                if given_up():
                    future.add_done_callback(self._give_back)
                    return 0.0
        except BaseException:
            future.add_done_callback(self._give_back)
            raise
        return taking.result()

    async def confirm(self, taken: Taken) -> bool:
        """See `Slots.confirm`. While the database is away, nobody knows: the call does not leave."""
        return await asyncio.wrap_future(self._submit(lambda: self._try(lambda: self._confirm(taken), default=False)))

    def release(self, taken: Taken) -> None:
        """See `Slots.release`. Where it can't be written, the slots free themselves later."""
        self._submit(lambda: self._try(lambda: self._release(taken), None))

    def others(self, taken: Taken, counted: Mapping[str, int]) -> None:
        """See `Slots.others`."""
        self._submit(lambda: self._try(lambda: self._others(taken, counted), None))

    def pause(self, seconds: float) -> None:
        """See `Slots.pause`."""
        self._submit(lambda: self._try(lambda: self._pause(seconds), None))

    def calls_left(self, window: Window) -> CallsLeft | None:
        """As the function, of this pool, a second ago at the latest; it is read in the thread, nobody waits for it."""
        if time.monotonic() >= self._read_next:
            self._read_next = time.monotonic() + _LOOK_AGAIN_S
            with suppress(RuntimeError):  # closed: the state stays as it was
                self._submit(lambda: self._read_left(window))
        return self._left

    def _read_left(self, window: Window) -> None:
        self._left = calls_left(self._database, str(self._names["pool"]), window)

    def close(self) -> None:
        """See `Slots.close`. What is under way is finished."""
        self._thread.shutdown(wait=True)

    def _submit(self, work: Callable[[], Result]) -> "Future[Result]":
        return self._thread.submit(copy_context().run, work)

    def _give_back(self, future: "Future[Taken | float]") -> None:
        if not future.cancelled() and future.exception() is None and isinstance(taken := future.result(), Taken):
            self._release(taken)

    def _try(self, work: Callable[[], Result], default: Default) -> Result | Default:
        """What `work` returns, and `default` while the database is away. Raises `LedgerError` where that takes long."""
        try:
            result = work()
        except LedgerUnavailable as error:
            self._away = self._away or Waiting(self._database.place, "does not answer", self._at_most_s)
            if self._away.is_over:
                raise LedgerError(
                    f"{error} It did not answer for {self._at_most_s:.0f} s. Nothing was sent without a slot."
                ) from error
            self._away.go_on()
            return default
        if self._away is not None:
            self._away.end()
            self._away = None
        return result

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with self._database.write_now() as connection:
            connection.execute(_BEGIN)
            yield connection

    def _take(self, asked: Asked, lease: str) -> Taken | float:
        try:
            with self._begun() as connection:
                if not self._may_change(connection, asked, lease):
                    raise Outdated(sent=False)
                self._make(connection, asked)
                self._pass_gates(connection, asked)
                return self._take_all(connection, asked, lease)
        except _NoneFree as none:
            wait = none.wait_s
        if asked.urgent:
            self._waits = True
            with self._begun() as connection:
                connection.execute(_WAITS, {**self._names, "seconds": _WAITING_S})
        return wait

    def _may_change(self, connection: Connection, asked: Asked, lease: str) -> bool:
        return not asked.changes or self._lease is None or self._lease.require_to_send(connection, lease)

    def _make(self, connection: Connection, asked: Asked) -> None:
        """The rows of windows that this process has not used yet. What others have made is left as it is."""
        for window in asked.windows:
            if window not in self._made:
                connection.execute(_MAKE, self._of(window))
                self._made.add(window)

    def _pass_gates(self, connection: Connection, asked: Asked) -> None:
        spacing = asked.spacing
        names = {**self._names, "spacing": spacing.name if spacing else ""}
        if (wait := connection.scalar(_GATES, names)) is not None:
            raise _NoneFree(wait)
        if spacing and not connection.execute(_SPACE, {**names, "seconds": spacing.seconds}).rowcount:
            raise _NoneFree(spacing.seconds)

    def _take_all(self, connection: Connection, asked: Asked, lease: str) -> Taken:
        numbers: list[int] = []
        at: float | None = None
        for window in asked.windows:
            values = {**self._of(window), "left_free": window.calls - asked.most(window)}
            if not asked.urgent:
                self._let_urgent_first(connection, window)
            held = {**values, "longest": LONGEST_CALL_S + window.seconds, "urgent": asked.urgent, "at": at}
            if (taken := connection.execute(_TAKE, held).one_or_none()) is None:
                if (wait := connection.scalar(_NEXT_FREE, values)) is None:  # its rows were rolled back, or deleted
                    self._made.discard(window)
                raise _NoneFree(max(wait or 0.0, MARGIN_S))
            numbers.append(taken.number)
            at = taken.taken_at
        if self._waits:
            connection.execute(_WAITS_NO_MORE, self._names)
            self._waits = False
        return Taken(asked, tuple(numbers), at or 0.0, lease)

    def _let_urgent_first(self, connection: Connection, window: Window) -> None:
        if connection.scalar(_URGENT_FIRST, {**self._of(window), "in_a_row": _URGENT_IN_A_ROW}):
            raise _NoneFree(_HELD_BACK_S)

    def _confirm(self, taken: Taken) -> bool:
        with self._begun() as connection:
            if not self._may_change(connection, taken.asked, taken.lease):
                return False
            return all(
                connection.execute(_HOLD_ON, {**values, "seconds": LONGEST_CALL_S + window.seconds}).rowcount
                for window, values in self._held(taken)
            )

    def _release(self, taken: Taken) -> None:
        with self._begun() as connection:
            for window, values in self._held(taken):
                connection.execute(_RELEASE, {**values, "seconds": window.seconds + MARGIN_S})

    def _others(self, taken: Taken, counted: Mapping[str, int]) -> None:
        with self._begun() as connection:
            for window in (each for each in taken.asked.windows if each.name in counted):
                ours = connection.scalar(_OURS, {**self._of(window), "since": taken.at}) or 0
                missing = {"missing": max(0, counted[window.name] - ours), "seconds": window.seconds, "holder": OTHERS}
                connection.execute(_TAKE_FOR_OTHERS, {**self._of(window), **missing})

    def _pause(self, seconds: float) -> None:
        with self._begun() as connection:
            connection.execute(_PAUSE, {**self._names, "seconds": seconds})

    def _held(self, taken: Taken) -> Iterator[tuple[Window, dict[str, object]]]:
        for window, number in zip(taken.asked.windows, taken.numbers, strict=True):
            yield window, {**self._of(window), "number": number, "taken_at": taken.at}

    def _of(self, window: Window) -> dict[str, object]:
        return {**self._names, "window": window.name, "calls": window.calls}


class _NoneFree(Exception):
    """Nothing is taken: so many seconds to wait at least."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


def calls_left(database: Database, pool: str, window: Window) -> CallsLeft | None:
    """What a window has left now, and who holds its slots; None where that can't be read. Changes nothing."""
    names = {"pool": pool, "window": window.name, "spacing": ""}
    try:
        with database.write_now() as connection:
            rows = connection.execute(_USE, names).all()
            paused_s = connection.scalar(_GATES, names) or 0.0
    except LedgerError:
        return None
    frees_s = tuple(min(frees, window.seconds) for _, frees in rows)  # a call under way counts a window more
    holders = Counter(holder for holder, _ in rows).most_common()
    return CallsLeft(window.calls, window.seconds, frees_s, paused_s, tuple(holders))
