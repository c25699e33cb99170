"""The journal of a run: calls and answers, durable before anybody continues."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from simtandem.carriers.protocol import Answer, Call
from simtandem.errors import LedgerError
from simtandem.host import clock
from simtandem.ledger import inserts
from simtandem.ledger.commit import commit
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.records import ActionEnd, OutcomeRecord
from simtandem.ledger.store import Ledger

_ORDER = (Kind.CALL, Kind.ANSWER, Kind.OUTCOME, Kind.ACTION_OUTCOME)
"""An answer refers to its call, so calls go first."""
_GATHERS_S = 0.005
"""So long the end of a step, for which no call waits, is kept for the commit of the next call."""


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Kind
    rows: list[inserts.Row]
    durable: asyncio.Future[None] | None


class CallWriter:
    """Implements `simtandem.carriers.protocol.Journal`. Every method returns once what it was given is committed.

    So does `answer`, but for the `last` one of a step: how the step ended is handed over next, and committed with it or
    after it, as all that comes later is. No call of anybody is sent in between.

    One thread commits all that has gathered while it was committing the last time, so many callers cost one commit and
    the event loop never waits for the disk. How steps ended waits for the next call, `gathers_s` seconds at most: as a
    rule one is about to go in the place of the one that was answered. Cancelling a caller doesn't take back what it
    handed over.

    A database that is away, or locked, is waited for (see `Ledger.open`); meanwhile nothing is sent. A failure beyond
    that is final: everybody waiting gets a `LedgerError`, and so does everybody who comes later, because nothing may be
    sent that isn't recorded. Use it as an async context manager, in one event loop; several writers, in several
    processes too, may serve one run.
    """

    def __init__(self, ledger: Ledger, run_id: str, *, gathers_s: float = _GATHERS_S) -> None:
        self._ledger = ledger
        self._gathers_s = gathers_s
        self._run_id = run_id
        writer = secrets.token_hex(4)  # a run's writers may live in several processes
        self._call_ids = (f"{run_id}:{writer}-{number:06d}" for number in itertools.count(1))
        self._queue: SimpleQueue[list[_Entry] | None] = SimpleQueue()  # None: the last one
        self._answers: list[_Entry] = []  # those that are handed over with what is written next
        # In the context of who makes it, so that the thread's words reach the hooks of this run.
        self._thread = Thread(target=copy_context().run, args=(self._work,), name=f"ledger-{run_id}")
        self._open = False
        self._failure: LedgerError | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is left. Raises the failure there was, where nothing else is being raised."""
        self._open = False  # before the last entry: nobody would commit, or answer, one behind it
        self._queue.put(self._answers)
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._failure is not None and error is None:
            raise LedgerError(str(self._failure)) from self._failure

    async def intent(self, call: Call) -> str:
        """Write a call down before it is sent; returns the id to answer with."""
        call_id = next(self._call_ids)
        await self._write(Kind.CALL, [inserts.call_row(call_id, self._run_id, self._ledger.clock(), call)])
        return call_id

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Write down what came back."""
        rows = [inserts.answer_row(call_id, self._ledger.clock(), answer)]
        await self._write(Kind.ANSWER, rows, waits=not answer.last)

    async def outcome(self, records: Sequence[OutcomeRecord]) -> None:
        """Write down how steps ended."""
        await self._write(Kind.OUTCOME, inserts.outcome_rows(self._run_id, self._ledger.clock(), records))

    async def action_outcome(self, ended: Sequence[ActionEnd]) -> None:
        """Write down how actions ended."""
        rows = inserts.action_outcome_rows(self._run_id, self._ledger.clock(), ended)
        await self._write(Kind.ACTION_OUTCOME, rows)

    async def _write(self, kind: Kind, rows: list[inserts.Row], *, waits: bool = True) -> None:
        if not self._open:
            raise LedgerError("The journal of this run is not open, so nothing can be sent.")
        if self._failure is not None:
            raise LedgerError(str(self._failure)) from self._failure
        if not waits:
            self._answers.append(_Entry(kind, rows, None))
            return
        durable = self._loop.create_future()
        self._queue.put([*self._answers, _Entry(kind, rows, durable)])
        self._answers = []
        with clock.standing_still():
            await durable

    def _work(self) -> None:
        """What the thread does: take all there is, commit it, wake those who wait."""
        last = False
        while not last:
            entries, last = self._gather()
            self._commit(entries)
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(_tell, entries, self._failure)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """All there is, waiting for the first, and for a call behind the ends of steps; and whether it is the last."""
        entries: list[_Entry] = []
        some = self._queue.get()
        with suppress(Empty):
            while some is not None:
                entries += some
                only_ends = all(each.kind is Kind.OUTCOME for each in entries if each.durable is not None)
                some = self._queue.get(timeout=self._gathers_s if only_ends else 0.0)
            return entries, True
        return entries, False

    def _commit(self, entries: Sequence[_Entry]) -> None:
        if self._failure is not None or not entries:
            return
        try:
            commit(self._ledger.database, self._run_id, lambda chain: _add(chain, entries))
        except LedgerError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - any error: it is raised where callers wait
            self._failure = LedgerError(f"The ledger can't be written: {error}")
            self._failure.__cause__ = error


def _add(chain: Chain, entries: Sequence[_Entry]) -> None:
    for kind in _ORDER:
        inserts.add_facts(chain, kind, [row for entry in entries if entry.kind is kind for row in entry.rows])


def _tell(entries: Sequence[_Entry], failure: LedgerError | None) -> None:
    for entry in entries:
        if entry.durable is None or entry.durable.done():
            continue  # its caller does not wait, or was cancelled
        if failure is None:
            entry.durable.set_result(None)
        else:
            entry.durable.set_exception(LedgerError(str(failure)))
