"""A flow run begins once its ledger answers: an outage at its start is waited for as one in its midst is.

Nobody is there to run it again, and a nightly run must not be lost to a failover. An operator at a terminal sees the
error at once instead.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from prefect.states import Running

from simtandem import progress
from simtandem.errors import LedgerError, LedgerUnavailable
from simtandem.ledger.store import PATIENCE_S
from simtandem.text import escaping
from tasks.best_effort import attempt
from tasks.this_flow_run import this_flow_run

log = logging.getLogger("simtandem.ledger_wait")

Begun = TypeVar("Begun")

_PAUSE_S = 2.0
_TOLD_EVERY_S = 30.0


async def once_it_answers(begin: Callable[[], Begun], *, at_most_s: float = PATIENCE_S) -> Begun:
    """What `begin`, which opens the ledger, returns; it is called again while the ledger's database is away.

    The log and the flow run's state say so meanwhile. Raises `LedgerError` where the time is over.
    """
    wait: _Wait | None = None
    while True:
        try:
            begun = begin()
        except LedgerUnavailable as error:
            if progress.attended():
                raise
            wait = wait or _Wait(at_most_s)
            await wait.go_on(error)
        else:
            if wait is not None:
                await wait.end()
            return begun


class _Wait:
    """One wait, with a message at its beginning and every half a minute."""

    def __init__(self, at_most_s: float) -> None:
        self._at_most_s = at_most_s
        self._began = time.monotonic()
        self._next_word_s = 0.0

    async def go_on(self, error: LedgerUnavailable) -> None:
        waited_s = time.monotonic() - self._began
        if waited_s >= self._at_most_s:
            raise LedgerError(f"{error} It did not answer for {self._at_most_s:.0f} s. Nothing was sent.") from error
        if waited_s >= self._next_word_s:
            self._next_word_s = waited_s + _TOLD_EVERY_S
            what, left_s = str(error).partition(". ")[0], self._at_most_s - waited_s
            sentence = f"{what}; waiting for it, {left_s:.0f} s at most. Nothing was sent."
            log.warning("%s", sentence)
            progress.current().message(sentence)
            await attempt(_show(sentence))
        await asyncio.sleep(min(_PAUSE_S, self._at_most_s))

    async def end(self) -> None:
        log.warning("The ledger answers again.")
        await attempt(_show(""))


async def _show(why: str) -> None:
    """Have the state of the flow run say why nothing happens, unless someone ends or pauses it."""
    async with this_flow_run() as flow_run:
        if flow_run is not None and (state := await flow_run.state()) is not None and state.is_running():
            await flow_run.show(Running(message=escaping.state(why) if why else None))
