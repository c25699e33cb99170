"""What the commands that plan or send show of a run: its plan, its result, its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.statuses import Verdict
from simtandem.domain.safety import unlimited
from simtandem.reports.headline import headline, retry_command, stopped
from simtandem.reports.run_document import Document, PlanCounts
from simtandem.runs import prepare
from simtandem.runs.run import Run
from simtandem.text.formats import duration

_EXAMPLES = 6
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
    "report": "HTML report",
    "results": "every row with its outcome",
    "retry": "rows to retry",
    "invalid": "invalid rows",
    "plan": "the plan, row by row",
    "undo": "what is undone, as a device CSV",
}


@dataclass(frozen=True, slots=True)
class PlanView:
    """What is shown of a plan. `problems`: number and reason of each row that is invalid or refused.

    `for_good` of the newly billed SIMs can't go back; `limit` is how many the settings allow, None: any number.
    """

    digest: str
    file: str
    rows: int
    invalid: int
    plan: PlanCounts
    for_good: int = 0
    limit: int | None = 0
    notes: Sequence[str] = ()
    problems: Sequence[tuple[int, str]] = ()
    refusal: str = ""

    @classmethod
    def of_document(cls, run: Run, document: Document, refusal: str | None = None) -> Self:
        """The plan of a run that has its document. `refusal`: in place of the document's."""
        asked, billing = document["input"], document.get("billing", {"for_good": 0, "limit": 0})
        return cls(
            document["digest"],
            asked["file"],
            asked["rows"],
            asked["invalid"],
            document["plan"],
            billing["for_good"],
            billing["limit"],
            run.folder.intake()["notes"],
            prepare.problems(run.folder),
            document.get("refusal", "") if refusal is None else refusal,
        )

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """The plan of a run that waits for its confirmation."""
        intake, plan = run.folder.intake(), run.folder.plan_counts()
        return cls(
            plan["digest"],
            intake["file"],
            intake["rows"],
            intake["invalid"],
            plan,
            plan["billed_for_good"],
            plan["newly_billed_limit"],
            intake["notes"],
            prepare.problems(run.folder),
        )


def show_plan(console: Console, view: PlanView) -> None:
    """The plan's counts, the first rows with problems, and what the safety limits say."""
    console.print()
    console.print(Text.assemble(("Plan ", "bold"), view.digest, (f"  for {view.file}", "dim")))
    console.print(_counts(view))
    for note in view.notes:
        console.print(Text("  " + note, style="dim"))
    if note := unlimited(view.plan["newly_billed"], view.limit):
        console.print(Text("  " + note, style="yellow"))
    if view.problems:
        console.print()
        console.print(_examples(view.problems))
    if view.refusal:
        console.print(Text("\n" + view.refusal, style="yellow"))


def _counts(view: PlanView) -> Table:
    plan, table = view.plan, _numbers()
    table.add_row(f"{view.rows:,}", "rows in the file")
    if view.invalid:
        table.add_row(f"{view.invalid:,}", Text("invalid, each with its reason in invalid.csv", style="yellow"))
    table.add_row(f"{plan['devices']:,}", "devices")
    table.add_row(f"{plan['unchanged']:,}", "already in target state: nothing is sent for them")
    if plan["refused"]:
        table.add_row(f"{plan['refused']:,}", Text("refused, each with its reason in plan.csv", style="yellow"))
    table.add_row(f"{plan['sim_changes']:,}", "SIMs to change")
    table.add_row(f"{plan['endpoint_changes']:,}", "endpoints to change")
    if plan["owner_changes"]:
        table.add_row(f"{plan['owner_changes']:,}", Text("SIMs among them get another owner", style="yellow"))
    never_back = f", {view.for_good:,} of them for good" if view.for_good else ""
    table.add_row(f"{plan['newly_billed']:,}", f"SIMs newly billed{never_back}")
    table.add_row(f"{plan['calls']:,}", f"calls, at least {duration(plan['eta_s'])}" if plan["calls"] else "calls")
    return table


def _numbers() -> Table:
    """A table of counts and what they count."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    return table


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


def show_result(console: Console, document: Document) -> None:
    """Verdicts, outcomes, calls, and where to look next."""
    good = document["verdicts"][Verdict.IN_SYNC] == document["input"]["rows"] and not stopped(document)
    console.print()
    console.print(Text(f"{headline(document)}.", style="bold green" if good else "bold yellow"), soft_wrap=True)
    if why := document.get("stopped", {}).get("why"):
        console.print(Text(f"  {why}", style="yellow"), soft_wrap=True)
    table = _numbers()
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
        f"calls ({calls['retried']:,} retried, {calls['throttled']:,} rate-limited) in {duration(document['seconds'])}",
    )
    console.print(table)
    console.print(Text(f"  {document['carrier']} at {document['carrier_host']}, account {document['account']}", "dim"))
    if command := retry_command(document):
        show_next(console, "To go on", command)


def show_next(console: Console, what: str, command: str) -> None:
    """The next command, on a line that can be copied."""
    console.print(Text.assemble(f"\n  {what}: ", (command, "bold")), soft_wrap=True)


def _in_part(verdict: Verdict, document: Document) -> str:
    half, not_begun = document["not_sent"]["half_done"], document["not_sent"]["not_begun"]
    return f": {half:,} half done, {not_begun:,} not begun" if verdict is Verdict.SKIPPED and half else ""


def show_files(console: Console, document: Document) -> None:
    """The files that people open, with their paths; none that has no rows."""
    without_rows = set() if document["input"]["invalid"] else {"invalid"}
    show_paths(console, {name: path for name, path in document["files"].items() if name not in without_rows})


def show_paths(console: Console, files: Mapping[str, str]) -> None:
    """Each of these files on a line of its own, its path whole."""
    console.print()
    for name in (name for name in _FILES if name in files):
        console.print(Text.assemble("  ", (files[name], "cyan"), (f"  {_FILES[name]}", "dim")), soft_wrap=True)
