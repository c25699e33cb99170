"""What an operator sees in a terminal: the progress of a run on stderr, its result on stdout."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from schemas.statuses import Half, Outcome, Verdict
from simtandem.domain.safety import unlimited
from simtandem.progress import Watcher, watch
from simtandem.reports.headline import headline, retry_command, stopped
from simtandem.text.formats import duration

_GOOD = (Outcome.APPLIED, Outcome.UNCHANGED)
_ENDED = {Outcome.HELD: "not sent"}
_PLAIN_EVERY_S = 10.0
_EXAMPLES = 6

_VERDICTS = {
    Verdict.IN_SYNC: ("in sync", "green"),
    Verdict.CHANGED_BY_OTHERS: ("changed by others", "yellow"),
    Verdict.FAILED: ("failed", "red"),
    Verdict.UNKNOWN: ("unknown", "red"),
    Verdict.REFUSED: ("refused", "yellow"),
    Verdict.INVALID: ("invalid", "yellow"),
    Verdict.SKIPPED: ("skipped", "yellow"),
}


class TerminalWatcher(Watcher):
    """Live bars where stderr is a terminal, a line now and then where it isn't. Use as a context manager."""

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
        self._bars: dict[Half, Any] = {}
        self._steps = Counter[Half]()
        self._done = Counter[Half]()
        self._ended = Counter[Outcome]()
        self._waiting_s: Callable[[], float] = lambda: 0.0
        self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        watch(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begins(self, what: str) -> None:
        """A line for each stage."""
        self._progress.console.print(Text("  " + what, style="dim"))

    def notes(self, sentence: str) -> None:
        """A line that stands out."""
        self._progress.console.print(Text("! " + sentence, style="yellow"))

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
        self._ended[outcome] += count
        if outcome is Outcome.HELD:
            return
        self._done[half] += count
        if half in self._bars:
            self._progress.advance(self._bars[half], count)
        elif time.monotonic() - self._told_at > _PLAIN_EVERY_S and not self._console.is_terminal:
            self._told_at = time.monotonic()
            self.begins(f"{self._done.total()} of {self._steps.total()} changes{self.note()}")

    def note(self) -> str:
        """What stands behind the bars: steps that went wrong, and how long the call budget makes us wait."""
        bad = {outcome: count for outcome, count in self._ended.items() if outcome not in _GOOD}
        parts = [f"{count} {_ENDED.get(outcome, outcome)}" for outcome, count in bad.items()]
        if (wait := self._waiting_s()) >= 1:
            parts.append(f"call budget used up, next call in {math.ceil(wait)} s")
        if self.stop_requested:
            parts.append("stopping")
        return "  " + ", ".join(parts) if parts else ""


class _Note(TextColumn):
    def __init__(self, watcher: TerminalWatcher) -> None:
        super().__init__("")
        self._watcher = watcher

    def render(self, task: Task) -> Text:
        return Text(self._watcher.note(), style="yellow") if task.id == 0 else Text("")


class QuietWatcher(Watcher):
    """Looks on without a word; lets a Ctrl-C through."""

    def __enter__(self) -> Self:
        watch(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass


def show_plan(
    console: Console,
    document: Mapping[str, Any],
    notes: Sequence[str],
    problems: Sequence[tuple[int, str]],
    refusal: str = "",
) -> None:
    """The plan's counts, rows with problems (row and reason) as examples, and what the gate would say."""
    asked, plan = document["input"], document["plan"]
    console.print()
    console.print(Text.assemble(("Plan ", "bold"), document["digest"], (f"  for {asked['file']}", "dim")))
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row(f"{asked['rows']:,}", "rows in the file")
    if asked["invalid"]:
        table.add_row(f"{asked['invalid']:,}", Text("invalid: they can't be used as they stand", style="yellow"))
    table.add_row(f"{plan['devices']:,}", "devices")
    table.add_row(f"{plan['unchanged']:,}", "already in target state: nothing is sent for them")
    if plan["refused"]:
        table.add_row(f"{plan['refused']:,}", Text("refused, each with its reason in plan.csv", style="yellow"))
    table.add_row(f"{plan['sim_changes']:,}", "SIMs to change")
    table.add_row(f"{plan['endpoint_changes']:,}", "endpoints to change")
    if plan["owner_changes"]:
        table.add_row(f"{plan['owner_changes']:,}", Text("SIMs among them get another owner", style="yellow"))
    billing = document.get("billing", {"for_good": 0, "limit": 0})
    never_back = f", {billing['for_good']:,} of them for good" if billing["for_good"] else ""
    table.add_row(f"{plan['newly_billed']:,}", f"SIMs newly billed{never_back}")
    table.add_row(f"{plan['calls']:,}", f"calls, {duration(plan['eta_s'])} at least")
    console.print(table)
    for note in notes:
        console.print(Text("  " + note, style="dim"))
    if note := unlimited(plan["newly_billed"], billing["limit"]):
        console.print(Text("  " + note, style="yellow"), soft_wrap=True)
    if problems:
        console.print()
        console.print(_examples(problems))
    if refusal:
        console.print(Text("\n" + refusal, style="yellow"))


def _examples(problems: Sequence[tuple[int, str]]) -> Table:
    told = Table(box=None, show_header=False, padding=(0, 1), title_justify="left")
    told.add_column(justify="right", style="yellow", no_wrap=True)
    told.add_column(overflow="fold")
    for row, reason in problems[:_EXAMPLES]:
        told.add_row(f"row {row}", Text(reason))
    if len(problems) > _EXAMPLES:
        more = f"and {len(problems) - _EXAMPLES:,} more: see invalid.csv and plan.csv"
        told.add_row("", Text(more, style="dim"))
    return told


def show_result(console: Console, document: Mapping[str, Any]) -> None:
    """Verdicts, outcomes, calls, and where to look next."""
    good = document["verdicts"][Verdict.IN_SYNC] == document["input"]["rows"] and not stopped(document)
    console.print()
    console.print(Text(f"{headline(document)}.", style="bold green" if good else "bold yellow"), soft_wrap=True)
    if why := document.get("stopped", {}).get("why"):
        console.print(Text(f"  {why}", style="yellow"), soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    for verdict, (name, colour) in _VERDICTS.items():
        if document["verdicts"][verdict]:
            table.add_row(f"{document['verdicts'][verdict]:,}", Text(name + _in_part(verdict, document), style=colour))
    changed, calls = document["changed"], document["calls"]
    if document["plan"]["newly_billed"] or changed["newly_billed"]:
        table.add_row(
            f"{changed['newly_billed']:,}", f"SIMs newly billed ({document['plan']['newly_billed']:,} planned)"
        )
    table.add_row(
        f"{calls['total']:,}",
        f"calls ({calls['retried']:,} retried, {calls['throttled']:,} throttled) in {duration(document['seconds'])}",
    )
    console.print(table)
    console.print(Text(f"  {document['carrier']} at {document['carrier_host']}, account {document['account']}", "dim"))
    if command := retry_command(document):
        console.print(Text.assemble("\n  To go on: ", (command, "bold")), soft_wrap=True)


def _in_part(verdict: Verdict, document: Mapping[str, Any]) -> str:
    half, not_begun = document["not_sent"]["half_done"], document["not_sent"]["not_begun"]
    return f": {half:,} half done, {not_begun:,} not begun" if verdict is Verdict.SKIPPED and half else ""


def show_files(console: Console, document: Mapping[str, Any]) -> None:
    """Where the run left what."""
    files = document["files"]
    console.print()
    told = {
        "report": "HTML report",
        "results": "every row with its outcome",
        "retry": "rows to retry",
        "invalid": "invalid rows, and why",
        "plan": "what was planned",
        "undo": "what goes back, as an input file",
    }
    for name in (name for name in told if name in files):
        console.print(Text.assemble(("  ", ""), (files[name], "cyan"), (f"  {told[name]}", "dim")), soft_wrap=True)
