"""The progress of a run on stderr: live bars on a terminal, a line now and then elsewhere."""

import math
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from schemas.statuses import Half, Outcome
from simtandem.progress import ProgressHooks, install

_GOOD = (Outcome.APPLIED, Outcome.UNCHANGED)
_ENDED = {Outcome.HELD: "not sent"}
_PLAIN_EVERY_S = 10.0


class TerminalProgress(ProgressHooks):
    """Live bars where stderr is a terminal, a line now and then where it is not. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Note(self),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )
        self._bars: dict[Half, TaskID] = {}
        self._steps = Counter[Half]()
        self._done = Counter[Half]()
        self._ended = {half: Counter[Outcome]() for half in Half}
        self._waiting_s: Callable[[], float] = lambda: 0.0
        self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        install(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begins(self, what: str) -> None:
        """A line for each stage."""
        self._progress.console.print(Text("  " + what, style="dim"), soft_wrap=True)

    def message(self, sentence: str) -> None:
        """A line that stands out."""
        self._progress.console.print(Text("! " + sentence, style="yellow"), soft_wrap=True)

    def applies(self, sim_steps: int, endpoint_steps: int, waiting_s: Callable[[], float]) -> None:
        """Two bars, one for each half."""
        self._steps.update({Half.ENDPOINT: endpoint_steps, Half.SIM: sim_steps})
        self._waiting_s = waiting_s
        self.begins(f"sending {sim_steps:,} SIM and {endpoint_steps:,} endpoint changes")
        self._told_at = time.monotonic()
        if self._console.is_terminal:
            for half, name in ((Half.ENDPOINT, "endpoints"), (Half.SIM, "SIMs")):
                if self._steps[half]:
                    self._bars[half] = self._progress.add_task(f"  {name:<9}", total=self._steps[half])
            self._progress.start()

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
        """Move the half's bar on. What was not sent leaves it where it is."""
        self._ended[half][outcome] += count
        if outcome is Outcome.HELD:
            return
        self._done[half] += count
        if half in self._bars:
            self._progress.advance(self._bars[half], count)
        elif time.monotonic() - self._told_at > _PLAIN_EVERY_S and not self._console.is_terminal:
            self._told_at = time.monotonic()
            self.begins(f"{self._done.total()} of {self._steps.total()} changes{self.note()}")

    def note(self) -> str:
        """What follows a line about both halves: what went wrong, and how long the rate limit delays."""
        return _joined([*self._wrong(*Half), *self._delays()])

    def note_of(self, bar: TaskID) -> str:
        """What follows a bar: what went wrong with its half; behind the first bar also what delays the run."""
        half = next(half for half, each in self._bars.items() if each == bar)
        return _joined([*self._wrong(half), *(self._delays() if bar == 0 else [])])

    def _wrong(self, *halves: Half) -> list[str]:
        ended = sum((self._ended[half] for half in halves), Counter[Outcome]())
        return [f"{count} {_ENDED.get(outcome, outcome)}" for outcome, count in ended.items() if outcome not in _GOOD]

    def _delays(self) -> list[str]:
        wait = self._waiting_s()
        delays = [f"rate limit reached, next call in {math.ceil(wait)} s"] if wait >= 1 else []
        return [*delays, "stopping"] if self.stop_requested else delays


def _joined(parts: list[str]) -> str:
    return "  " + ", ".join(parts) if parts else ""


class _Note(TextColumn):
    def __init__(self, hooks: TerminalProgress) -> None:
        super().__init__("")
        self._hooks = hooks

    def render(self, task: Task) -> Text:
        return Text(self._hooks.note_of(task.id), style="yellow")


class QuietProgress(ProgressHooks):
    """Shows nothing; Ctrl-C still stops the run."""

    def __enter__(self) -> Self:
        install(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass
