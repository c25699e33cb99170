"""Progress hooks: what a run reports while it goes, and how it is asked to stop.

The core calls the hooks that are installed in the current context, so that nothing between the command line and the
core has to pass them on. Without any, the calls do nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

from schemas.statuses import Half, Outcome, StoppedBy
from simtandem.progress.meter import Meter, Sending


class ProgressHooks:
    """Hooks that show nothing, and count all of it in `meter`. A terminal overrides those that it shows.

    `handles_signals`: SIGINT and SIGTERM call `stop` already, so the run installs no handler of its own.
    `attended`: an operator at a terminal started this.
    """

    attended = False

    def __init__(self) -> None:
        self.meter = Meter()
        self.stop_requested = False
        self.stopped_by = StoppedBy.OPERATOR
        self.handles_signals = False
        self._on_stop: list[Callable[[], None]] = []

    def begins(self, what: str) -> None:
        """A stage of the run begins; `what` is a phrase for people."""
        self.meter.begins(what)

    def idles(self) -> None:
        """Nothing is under way until the next stage begins, as while an operator is asked something."""
        self.meter.begins("")

    def applies(self, sending: Sending) -> None:
        """This is about to be sent."""
        self.meter.sends(sending)

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:  # noqa: ARG002 - for those who show it
        """Steps ended."""
        self.meter.ended(outcome, count)

    def devices_done(self, count: int) -> None:
        """Every step of so many more devices was sent and has ended; of fewer where some were put back."""
        if count:
            self.meter.devices_done(count)

    def waits(self, why: str, seconds: float | None = None) -> AbstractContextManager[None]:
        """In this block nothing moves for that reason, for so many seconds where that is known."""
        return self.meter.waits(why, seconds)

    @property
    def can_ask(self) -> bool:
        """Whether someone is there to answer a question."""
        return False

    async def ask(self, question: str, until: Callable[[], Awaitable[object]]) -> bool:  # noqa: ARG002 - for those who ask
        """Whether the operator says yes; no, and at once, where `until` returns before they answer."""
        return False

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
        self.stop_requested = self.meter.stopping = True
        for callback in self._on_stop:
            callback()


_NONE = ProgressHooks()
_current: ContextVar[ProgressHooks] = ContextVar("simtandem_progress", default=_NONE)


def current() -> ProgressHooks:
    """The hooks of this context."""
    return _current.get()


def attended() -> bool:
    """Whether an operator at a terminal started this."""
    return _current.get().attended


def own() -> ProgressHooks:
    """The hooks of this context; new ones are installed if there are none, so that the run can be stopped."""
    if _current.get() is _NONE:
        _current.set(ProgressHooks())
    return _current.get()


def install(hooks: ProgressHooks) -> None:
    """Use these hooks, in this context and those copied from it."""
    _current.set(hooks)
