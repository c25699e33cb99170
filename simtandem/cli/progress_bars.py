"""The progress of a run on stderr: a live bar on a terminal, lines now and then elsewhere, records for JSON logs."""

import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from simtandem.cli.typed_line import answered_yes
from simtandem.progress import Meter, ProgressHooks, Sending, install
from simtandem.text import json_logs
from simtandem.text.formats import of
from simtandem.text.terminal import messages

_MOVED_EVERY_S, _SILENT_AT_MOST_S = 10.0, 30.0
_LOOK_S = 1.0


class _Attended(ProgressHooks):
    """Hooks of an operator's command. Use as a context manager."""

    attended = True

    @property
    def can_ask(self) -> bool:
        """Whether stdin and stderr are a terminal, and what is on it is for people."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not json_logs.wanted()

    async def ask(self, question: str, until: Callable[[], Awaitable[object]]) -> bool:
        """Ask on the terminal."""
        self.idles()
        messages().print(f"{question} [y/N] ", end="", markup=False, soft_wrap=True, highlight=False)
        return await answered_yes(until)

    def __enter__(self) -> Self:
        install(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class QuietProgress(_Attended):
    """Shows nothing but questions; Ctrl-C still stops the run."""


class _SpeakingProgress(_Attended):
    """Says now and then how far the run is, and why nothing moves: at least every half minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said_at, self._mark = clock(), self.meter.mark
        self._over = threading.Event()
        self._ticking = threading.Thread(target=self._tick_on, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._ticking.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._ticking.join(_LOOK_S)

    def said(self) -> None:
        """Something was said just now."""
        self._said_at, self._mark = self._clock(), self.meter.mark

    def tick(self) -> None:
        """Say how far the run is, where that is due."""
        silent_s = self._clock() - self._said_at
        due_s = _SILENT_AT_MOST_S if self.meter.mark == self._mark else _MOVED_EVERY_S
        if silent_s >= due_s and self.meter.under_way:
            self.said()
            self.show(self.meter)

    def show(self, meter: Meter) -> None:
        """Say how far the run is."""
        raise NotImplementedError

    def _tick_on(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.tick()


class TerminalProgress(_SpeakingProgress):
    """A live bar where stderr is a terminal, a line now and then where it is not."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._console = console
        self._progress = _Bar(self.meter, console)
        self._bar: TaskID | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._progress.stop()

    def begins(self, what: str) -> None:
        """A line for each stage."""
        super().begins(what)
        self._line(what)

    def message(self, sentence: str) -> None:
        """A line that stands out."""
        self._progress.console.print(Text("! " + sentence, style="yellow"), soft_wrap=True)
        self.said()

    async def ask(self, question: str, until: Callable[[], Awaitable[object]]) -> bool:
        """Ask on the terminal, without a bar meanwhile."""
        shown = self._progress.live.is_started
        self._progress.stop()
        try:
            return await super().ask(question, until)
        finally:
            if shown:
                self._progress.start()

    def applies(self, sending: Sending) -> None:
        """A bar of devices, on a terminal."""
        super().applies(sending)
        self._line(f"sending {_changes(sending)}")
        if self._console.is_terminal and self.meter.devices:
            if self._bar is None:
                self._bar = self._progress.add_task("devices", total=self.meter.devices)
            self._progress.update(self._bar, total=self.meter.devices)
            self._progress.start()

    def devices_done(self, count: int) -> None:
        """Move the bar on. What was not sent leaves it where it is."""
        super().devices_done(count)
        if self._bar is not None:
            self._progress.update(self._bar, completed=self.meter.done)

    def show(self, meter: Meter) -> None:
        """A line, where no bar shows the same."""
        if not self._progress.live.is_started:
            self._line(meter.line())

    def _line(self, told: str) -> None:
        self._progress.console.print(Text("  " + told, style="dim"), soft_wrap=True)
        self.said()


class _Bar(Progress):
    """The bar of devices; while it is there, the line of the run is below it."""

    def __init__(self, meter: Meter, console: Console) -> None:
        self._meter = meter
        super().__init__(
            SpinnerColumn(finished_text="✓"),
            TextColumn("  {task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and below it how the run goes."""
        yield self.make_tasks_table(self.tasks)
        if line := self._meter.line():
            yield Text("  " + line, style="yellow" if self._meter.troubled else "dim")


class LoggedProgress(_SpeakingProgress):
    """Log records in place of lines: what is said, and the same as fields."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._log = logging.getLogger("simtandem.progress")
        self._context = copy_context()

    def begins(self, what: str) -> None:
        """A record for each stage."""
        super().begins(what)
        self._context = copy_context()
        self._record(what)

    def message(self, sentence: str) -> None:
        """A record that stands out."""
        self._log.warning("%s", sentence)
        self.said()

    def applies(self, sending: Sending) -> None:
        """A record of what is about to be sent."""
        super().applies(sending)
        self._record(f"sending {_changes(sending)}")

    def show(self, meter: Meter) -> None:
        """A record with the figures, and with the ids that were known when the stage began."""
        self._context.run(self._record, meter.line())

    def _record(self, told: str) -> None:
        self._log.info("%s", told, extra=self.meter.figures())
        self.said()


def _changes(sending: Sending) -> str:
    halves = f"{sending.sim_steps:,} SIM and {sending.endpoint_steps:,} endpoint changes"
    return f"{halves} of {of(sending.devices, 'device')}"
