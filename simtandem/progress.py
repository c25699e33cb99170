"""Who looks on while a run goes: a terminal, or nobody.

The core tells the watcher of the moment what happens, and the watcher may ask a run to stop. It is found through a
context variable, so that nothing between the command line and the core has to pass it on.
"""

from collections.abc import Callable
from contextvars import ContextVar

from schemas.statuses import Half, Outcome, StoppedBy


class Watcher:
    """Sees everything, says nothing. A terminal's watcher overrides what it wants to show.

    `hears_signals`: whoever put it there turns SIGINT and SIGTERM into `stop`, so that the run need not listen.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.stopped_by = StoppedBy.OPERATOR
        self.hears_signals = False
        self._on_stop: list[Callable[[], None]] = []

    def begins(self, what: str) -> None:
        """A stage of the run begins; `what` is for a person to read."""

    def applies(self, sim_steps: int, endpoint_steps: int, waiting_s: Callable[[], float]) -> None:
        """So many steps are about to be sent. `waiting_s` tells how long the call budget makes us wait just now."""

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
        """Steps ended."""

    def notes(self, sentence: str) -> None:
        """Something an operator should know now."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call back when the run should stop; at once if that was asked for already."""
        self._on_stop.append(callback)
        if self.stop_requested:
            callback()

    @property
    def can_stop(self) -> bool:
        """Whether anybody would listen to `stop`."""
        return bool(self._on_stop)

    def stop(self, by: StoppedBy = StoppedBy.OPERATOR) -> None:
        """Ask the run to stop: nothing new is sent, what is on its way is finished and recorded."""
        if not self.stop_requested:
            self.stopped_by = by
        self.stop_requested = True
        for callback in self._on_stop:
            callback()


_NOBODY = Watcher()
_current: ContextVar[Watcher] = ContextVar("simtandem_watcher", default=_NOBODY)


def current() -> Watcher:
    """Who looks on now."""
    return _current.get()


def attended() -> bool:
    """Whether somebody looks on now, as an operator at a terminal does."""
    return _current.get() is not _NOBODY


def own() -> Watcher:
    """Who looks on now; where nobody does, a watcher of this context's own, so that the run can be told to stop."""
    if _current.get() is _NOBODY:
        _current.set(Watcher())
    return _current.get()


def watch(watcher: Watcher) -> None:
    """Let `watcher` look on, in this context and those made from it."""
    _current.set(watcher)
