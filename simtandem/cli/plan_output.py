"""What the commands that plan or send show of a plan: what it will do, a sample of its changes, what is left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import own_columns
from schemas.own_columns import Places
from simtandem.cli.run_output import numbers
from simtandem.domain import reason_groups
from simtandem.domain.plan_sample import Sample, Symbol, legend, samples
from simtandem.domain.reason_groups import ReasonGroup
from simtandem.domain.safety import for_good, unlimited
from simtandem.reports.run_document import Document, PlanCounts
from simtandem.runs.run import Run
from simtandem.text.formats import duration, of

_SAMPLES, _REASONS = 8, 6
_ONE_FILE = Places(own_columns.none())
_COLOURS = {Symbol.BILLED: "green", Symbol.CHANGED: "yellow", Symbol.NOT_BILLED: "red"}


@dataclass(frozen=True, slots=True)
class PlanView:
    """What is shown of a plan, with one sample of each kind of change, and the rows left out grouped by why.

    `for_good` of the newly billed SIMs can't go back, which `never_back` says; `unlimited` says that no setting limits
    them. `legend` is what the samples' symbols mean at the carrier.
    """

    digest: str
    file: str
    rows: int
    invalid: int
    plan: PlanCounts
    for_good: int = 0
    never_back: str = ""
    unlimited: str = ""
    legend: str = ""
    notes: Sequence[str] = ()
    samples: Sequence[Sample] = ()
    refused_for: Sequence[ReasonGroup] = ()
    invalid_for: Sequence[ReasonGroup] = ()
    refusal: str = ""
    has_endpoints: bool = True
    places: Places = _ONE_FILE

    @classmethod
    def of_run(cls, run: Run, refusal: str = "") -> Self:
        """The plan that a run made. `refusal`: what the safety limits say to it."""
        folder = run.folder
        intake, plan, table = folder.intake(), folder.plan_counts(), folder.table("plan.parquet")
        return cls(
            plan["digest"],
            intake["file"],
            intake["rows"],
            intake["invalid"],
            cast("PlanCounts", plan),
            plan["billed_for_good"],
            for_good(plan["billed_for_good"], run.lifecycle),
            unlimited(plan["newly_billed"], plan["newly_billed_limit"], run.lifecycle),
            legend(run.lifecycle),
            [*plan.get("consequences", []), *intake["notes"]],
            samples(table, run.lifecycle),
            reason_groups.refused(table),
            reason_groups.invalid(folder.table("rejected.parquet")),
            refusal,
            run.lifecycle.has_endpoints,
            Places(folder.own()),
        )

    @classmethod
    def of_document(cls, run: Run, document: Document) -> Self:
        """The plan of a run that has its document, with what that says of the safety limits."""
        return cls.of_run(run, document.get("refusal", ""))


def show_plan(console: Console, view: PlanView) -> None:
    """What the plan will do, in one sentence; its samples, counts and notes; the rows left out, and the limits."""
    console.print()
    console.print(Text.assemble(("Plan ", "bold"), view.digest, (f"  for {view.file}", "dim")))
    console.print(sentence(view))
    if view.samples:
        console.print()
        console.print(_samples(view.samples))
        console.print(Text(_legend(view), style="dim"))
    console.print()
    console.print(_counts(view))
    for note in view.notes:
        console.print(Text("  " + note, style="dim"))
    if view.unlimited:
        console.print(Text("  " + view.unlimited, style="yellow"))
    show_reasons(console, "refused", "plan.csv", view.refused_for, view.places)
    show_reasons(console, "invalid", "invalid.csv", view.invalid_for, view.places)
    if view.refusal:
        console.print(Text("\n" + view.refusal, style="yellow"))


def sentence(view: PlanView) -> Text:
    """What the plan will do."""
    return Text(view.plan.get("summary", ""), style="bold")


def _samples(found: Sequence[Sample]) -> Table:
    """Symbol, device, from where to where, and how many alike."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", justify="right")
    for sample in found[:_SAMPLES]:
        style = _COLOURS[sample.symbol]
        states = Text(f"{sample.before} → {sample.after}")
        alike = f"and {sample.alike - 1:,} more" if sample.alike > 1 else ""
        table.add_row(Text(f"  {sample.symbol}", style=style), Text(sample.device, style=style), states, alike)
    return table


def _legend(view: PlanView) -> str:
    """What the symbols mean, and where the rest is."""
    rest = sum(sample.alike for sample in view.samples[_SAMPLES:])
    others = f"{of(rest, 'device')} in other ways. " if rest else ""
    return f"  {view.legend}. {others}Every row: plan.csv"


def _counts(view: PlanView) -> Table:
    plan, table = view.plan, numbers()
    table.add_row(
        f"{view.rows:,}",
        f"{'row' if view.rows == 1 else 'rows'} in the {'file' if view.places.known is None else 'files'}",
    )
    table.add_row(f"{plan['devices']:,}", "devices")
    table.add_row(f"{plan['sim_changes']:,}", "SIMs to change")
    if plan["endpoint_changes"] or view.has_endpoints:
        table.add_row(f"{plan['endpoint_changes']:,}", "endpoints to change")
    if plan["owner_changes"]:
        table.add_row(f"{plan['owner_changes']:,}", Text("SIMs among them get another owner", style="yellow"))
    calls = "calls or more" if plan.get("calls_at_least") else "calls"
    table.add_row(f"{plan['calls']:,}", f"{calls}, at least {duration(plan['eta_s'])}" if plan["calls"] else calls)
    if view.never_back:
        count, _, words = view.never_back.partition(" ")
        table.add_row(count, Text(words, style="yellow"))
    return table


def show_reasons(
    console: Console,
    word: str,
    file: str,
    groups: Sequence[ReasonGroup],
    places: Callable[[int], str] = _ONE_FILE,
) -> None:
    """Each reason with its count and an example; nothing where no row is left out.

    `places` say where a row is, empty where there are no rows that anyone wrote.
    """
    if not groups:
        return
    console.print(Text(f"\n  {sum(group.count for group in groups):,} {word}", style="yellow"))
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="yellow", no_wrap=True, min_width=4)
    table.add_column(overflow="fold")
    for group in groups[:_REASONS]:
        example = ": ".join(filter(None, (places(group.row), group.example)))
        table.add_row(f"{group.count:,}", Text.assemble(group.reason, (f"  ({example})", "dim")))
    if rest := sum(group.count for group in groups[_REASONS:]):
        table.add_row(f"{rest:,}", Text(f"for other reasons: see {file}", style="dim"))
    console.print(table)
