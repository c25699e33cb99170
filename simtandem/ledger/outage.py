"""Waits for a database that is locked, restarts, fails over or has lost the connection.

The wait is bounded, and the operator sees a message. Meanwhile nothing is sent that is not recorded.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from simtandem import progress
from simtandem.errors import LedgerError, LedgerUnavailable

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0)
_TOLD_EVERY_S = 30.0
_GIVEN_UP = (
    "{error} It did not answer for {seconds:.0f} s. Nothing was sent that is not recorded. What was sent and has no "
    "answer in the record is read back when you run again."
)


class Waiting:
    """One wait of limited length, with messages at its beginning, every 30 seconds, and at its end."""

    def __init__(self, place: str, why: str, at_most_s: float, *, told_after_s: float = 0.0) -> None:
        self._place, self._why, self._at_most_s = place, why, at_most_s
        self._began = time.monotonic()
        self._next_word = told_after_s
        self._told = False

    @property
    def is_over(self) -> bool:
        """Whether it has lasted as long as it may."""
        return self.waited_s >= self._at_most_s

    @property
    def waited_s(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._began

    def go_on(self) -> None:
        """Send the operator a message, if one is due."""
        if self.waited_s < self._next_word:
            return
        self._next_word = self.waited_s + _TOLD_EVERY_S
        self._told = True
        left = max(0, round(self._at_most_s - self.waited_s))
        _tell(f"The ledger {self._place} {self._why}; waiting for it, {left} s at most. Nothing is sent meanwhile.")

    def end(self) -> None:
        """The database answers again."""
        if self._told:
            _tell(f"The ledger {self._place} answers again.")


def waited_out(work: Callable[[], Result], place: str, at_most_s: float) -> Result:
    """Call `work`, and repeat it while the database does not answer; so it must be safe to repeat.

    Raises `LedgerError` when the time is over.
    """
    waiting: Waiting | None = None
    pauses = iter(_PAUSES_S)
    while True:
        try:
            result = work()
        except LedgerUnavailable as error:
            if not at_most_s:
                raise
            waiting = waiting or Waiting(place, "does not answer", at_most_s)
            if waiting.is_over:
                raise LedgerError(_GIVEN_UP.format(error=error, seconds=at_most_s)) from error
            waiting.go_on()
            time.sleep(min(next(pauses, _PAUSES_S[-1]), max(0.0, at_most_s - waiting.waited_s)))
        else:
            if waiting is not None:
                waiting.end()
            return result


def _tell(sentence: str) -> None:
    log.warning(sentence)
    progress.current().message(sentence)
