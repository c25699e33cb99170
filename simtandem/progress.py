"""Progress hooks: what a run reports while it goes, and how it is asked to stop.

The core calls the hooks that are installed in the current context, so that nothing between the command line and the
core has to pass them on. Without any, the calls do nothing.
"""

from collections.abc import Callable
from contextvars import ContextVar

from schemas.statuses import Half, Outcome, StoppedBy


class ProgressHooks:
    """Hooks that show nothing. A terminal overrides those that it shows.

    `handles_signals`: SIGINT and SIGTERM call `stop` already, so the run installs no handler of its own.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.stopped_by = StoppedBy.OPERATOR
        self.handles_signals = False
        self._on_stop: list[Callable[[], None]] = []

    def begins(self, what: str) -> None:
        """A stage of the run begins; `what` is a phrase for people."""

    def applies(self, sim_steps: int, endpoint_steps: int, waiting_s: Callable[[], float]) -> None:
        """This many steps are about to be sent. `waiting_s` returns the present wait for the rate limit."""

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
        """Steps ended."""

    def message(self, sentence: str) -> None:
        """A sentence for the operator, now."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the run should stop; at once if that was requested before."""
        self._on_stop.append(callback)
        if self.stop_requested:
            callback()

    @property
    def can_stop(self) -> bool:
        """Whether a run reacts to `stop`."""
        return bool(self._on_stop)

    def stop(self, by: StoppedBy = StoppedBy.OPERATOR) -> None:
        """Ask the run to stop: nothing new is sent, open calls are completed and recorded."""
        if not self.stop_requested:
            self.stopped_by = by
        self.stop_requested = True
        for callback in self._on_stop:
            callback()


_NONE = ProgressHooks()
_current: ContextVar[ProgressHooks] = ContextVar("simtandem_progress", default=_NONE)


def current() -> ProgressHooks:
    """The hooks of this context."""
    return _current.get()


def attended() -> bool:
    """Whether hooks are installed, as they are for an operator at a terminal."""
    return _current.get() is not _NONE


def own() -> ProgressHooks:
    """The hooks of this context; new ones are installed if there are none, so that the run can be stopped."""
    if _current.get() is _NONE:
        _current.set(ProgressHooks())
    return _current.get()


def install(hooks: ProgressHooks) -> None:
    """Use these hooks, in this context and those copied from it."""
    _current.set(hooks)
