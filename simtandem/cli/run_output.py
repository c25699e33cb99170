"""What the commands that plan or send show of a run: its result, its files, the next command."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.statuses import Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.charge_words import newly
from simtandem.reports.headline import headline, retry_command, stopped
from simtandem.reports.run_document import Document, with_rows
from simtandem.text.formats import duration, spoken

_VERDICTS = {
    Verdict.IN_SYNC: ("in sync", "green"),
    Verdict.CHANGED_BY_OTHERS: ("changed by others", "yellow"),
    Verdict.FAILED: ("failed", "red"),
    Verdict.UNKNOWN: ("unknown", "red"),
    Verdict.REFUSED: ("refused", "yellow"),
    Verdict.INVALID: ("invalid", "yellow"),
    Verdict.SKIPPED: ("not sent", "yellow"),
}
_FILES = {
    "selected": "the devices that were selected, as a list",
    "report": "HTML report",
    "results": "every row with its outcome",
    "retry": "rows to retry",
    "invalid": "invalid rows",
    "plan": "the plan, row by row",
    "rehearsal": "every row with its rehearsed outcome",
    "undo": "what is undone, as a device CSV",
}


def numbers() -> Table:
    """A table of counts and what they count."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    return table


def show_result(console: Console, document: Document) -> None:
    """Verdicts, outcomes, calls, and where to look next."""
    good = document["verdicts"][Verdict.IN_SYNC] == document["input"]["rows"] and not stopped(document)
    console.print()
    console.print(Text(f"{headline(document)}.", style="bold green" if good else "bold yellow"), soft_wrap=True)
    if why := document.get("stopped", {}).get("why"):
        console.print(Text(f"  {why}", style="yellow"), soft_wrap=True)
    console.print(counts(document))
    console.print(Text(f"  {document['carrier']} at {document['carrier_host']}, account {document['account']}", "dim"))
    show_waves(console, document)
    if command := retry_command(document):
        show_next(console, "To continue", command)
    for sentence in _in_short(document.get("instead", [])):
        console.print(Text(f"\n  {sentence}"), soft_wrap=True)


def _in_short(sentences: Sequence[str]) -> list[str]:
    """What to do about rows that no run can change: of several reasons the commonest, and where the others are."""
    return [*sentences[:1], *(["Other rows have other reasons: see report.html."] if len(sentences) > 1 else [])]


def counts(document: Document) -> Table:
    """Verdicts, SIMs newly billed, calls and how long they took."""
    table = numbers()
    for verdict, (name, colour) in _VERDICTS.items():
        if document["verdicts"][verdict]:
            table.add_row(f"{document['verdicts'][verdict]:,}", Text(name + _in_part(verdict, document), style=colour))
    changed, calls = document["changed"], document["calls"]
    if document["plan"]["newly_billed"] or changed["newly_billed"]:
        table.add_row(
            f"{changed['newly_billed']:,}",
            f"SIMs {newly(lifecycle_of(document['carrier']))} ({document['plan']['newly_billed']:,} planned)",
        )
    table.add_row(
        f"{calls['total']:,}",
        f"calls ({calls['retried']:,} retried, {calls['throttled']:,} rate-limited) in {duration(document['seconds'])}",
    )
    return table


_WAVES = {"passed": "green", "sent": "green", "stopped": "red", "not_sent": "yellow"}


def show_waves(console: Console, document: Document) -> None:
    """A line for each wave; nothing of a run that had none."""
    for wave in document.get("waves", []):
        in_sync, state = wave["verdicts"][Verdict.IN_SYNC], wave["state"]
        told = f"  wave {wave['number']}: {in_sync:,} of {wave['devices']:,} in sync, "
        console.print(Text.assemble(told, (spoken(state), _WAVES[state])), soft_wrap=True)


def show_next(console: Console, what: str, command: str) -> None:
    """The next command, on a line that can be copied."""
    console.print(Text.assemble(f"\n  {what}: ", (command, "bold")), soft_wrap=True)


def _in_part(verdict: Verdict, document: Document) -> str:
    half, not_begun = document["not_sent"]["half_done"], document["not_sent"]["not_begun"]
    return f": {half:,} partly changed, {not_begun:,} not begun" if verdict is Verdict.SKIPPED and half else ""


def show_files(console: Console, document: Document) -> None:
    """The files that people open, with their paths; none that has no rows."""
    show_paths(console, with_rows(document))


def show_paths(console: Console, files: Mapping[str, str]) -> None:
    """Each of these files on a line of its own, its path whole."""
    console.print()
    for name in (name for name in _FILES if name in files):
        console.print(Text.assemble("  ", (files[name], "cyan"), (f"  {_FILES[name]}", "dim")), soft_wrap=True)
