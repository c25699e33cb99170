"""What `simtandem action` shows of a plan: what it will do, a sample of it, and what is left out."""

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.own_columns import Places
from schemas.statuses import Action
from simtandem.cli.plan_output import show_reasons
from simtandem.cli.run_output import numbers
from simtandem.domain import reason_groups
from simtandem.domain.plan_sample import device
from simtandem.runs.action_run import ActionRun
from simtandem.text.formats import duration, spoken

_SAMPLES = 8


def show_action_plan(console: Console, run: ActionRun) -> None:
    """What the plan will do, in one sentence; its samples, counts and notes; the rows left out."""
    intake, counts, plan = run.folder.intake(), run.folder.plan_counts(), run.folder.table("plan.parquet")
    console.print()
    console.print(Text.assemble(("Plan ", "bold"), counts["digest"], (f"  for {intake['file']}", "dim")))
    console.print(Text(counts.get("summary", ""), style="bold"))
    changing = plan.filter(pl.col("decision") == Action.CHANGE)
    if changing.height:
        console.print()
        console.print(_samples(changing))
        console.print(Text("  Every row: plan.csv", style="dim"))
    console.print()
    table = numbers()
    if not run.request.pasted:
        where = "files" if run.request.more_files else "file"
        table.add_row(f"{intake['rows']:,}", f"{'row' if intake['rows'] == 1 else 'rows'} in the {where}")
    sent = sum(counts.get("actions", {}).values())
    table.add_row(f"{sent:,}", f"{'action' if sent == 1 else 'actions'} to send")
    table.add_row(
        f"{counts['calls']:,}", f"calls, at least {duration(counts['eta_s'])}" if counts["calls"] else "calls"
    )
    console.print(table)
    for note in intake["notes"]:
        console.print(Text("  " + note, style="dim"))
    places = (lambda _: "") if run.request.pasted else Places(run.folder.own())
    refused = reason_groups.refused(plan.with_columns(action="decision"))
    show_reasons(console, "refused", "plan.csv", refused, places)
    show_reasons(console, "invalid", "invalid.csv", reason_groups.invalid(run.folder.table("rejected.parquet")), places)


def _samples(changing: pl.DataFrame) -> Table:
    """The first of each kind: the SIM or the batch, from where to where, what to know of it, and how many alike."""
    kinds = (
        changing.with_columns(device=device(batches=True))
        .group_by("action", "reason", "sim_status", "endpoint_status", maintain_order=True)
        .agg(pl.col("device", "before", "after").first(), alike=pl.len())
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", justify="right")
    for kind in kinds.sort("alike", descending=True, maintain_order=True).head(_SAMPLES).iter_rows(named=True):
        state = Text(f"{kind['before']} → {kind['after']}")
        if kind["reason"]:
            state.append(f"  {kind['reason']}", style="yellow")
        alike = f"and {kind['alike'] - 1:,} more" if kind["alike"] > 1 else ""
        table.add_row(f"  {spoken(kind['action'])}", kind["device"], state, alike)
    return table
