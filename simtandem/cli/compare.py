"""`simtandem compare`."""

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from simtandem.cli.options import AsJson, RunId
from simtandem.domain.run_diff import COMPARED, Differences, by_device, differences
from simtandem.errors import InputError
from simtandem.ledger.records import RunSummary
from simtandem.ledger.store import Ledger
from simtandem.runs.retry import next_step
from simtandem.settings import load_home
from simtandem.text.formats import of, spoken
from simtandem.text.terminal import print_json, results

_SHOWN = 20


def compare(first: RunId, second: RunId, *, as_json: AsJson = False) -> None:
    """Show which devices differ between two runs: in the requested status, the final status, or the verdict."""
    raise typer.Exit(show_differences(first, second, as_json=as_json))


def show_differences(first: str, second: str, *, as_json: bool) -> int:
    """Compare two runs on stdout, counts first. Returns the exit code: 0 if no device differs, else 1."""
    with Ledger.open(load_home().ledger()) as ledger:
        runs = (ledger.run(first), ledger.run(second))
        one, other = (_results(ledger, run) for run in runs)
    found = differences(one, other)
    if as_json:
        print_json(_document(runs, found))
    else:
        _show(results(), runs, found)
    return 1 if found.rows.height else 0


def _results(ledger: Ledger, run: RunSummary) -> pl.DataFrame:
    judged = ledger.results(run.record.run_id)
    if judged.is_empty():
        raise InputError(
            f"Run {run.record.run_id} ({run.record.kind}, {run.state or 'begun'}) has no verdicts, so it can't be "
            f"compared.{next_step(ledger, run)}"
        )
    return by_device(judged)


def _document(runs: tuple[RunSummary, RunSummary], found: Differences) -> dict[str, object]:
    return {
        "first": runs[0].record.run_id,
        "second": runs[1].record.run_id,
        "exit_code": 1 if found.rows.height else 0,
        "counts": found.counts,
        "devices": found.rows.to_dicts(),
    }


def _show(console: Console, runs: tuple[RunSummary, RunSummary], found: Differences) -> None:
    for name, run in zip(("first", "second"), runs, strict=True):
        about = f"{name}: {run.record.run_id}  {run.record.kind}  {run.record.file}"
        console.print(about, markup=False, soft_wrap=True)
    counts = Table(box=None, show_header=False, padding=(0, 1))
    counts.add_column(justify="right", style="bold")
    counts.add_column()
    for name, count in found.counts.items():
        counts.add_row(f"{count:,}", spoken(name))
    console.print(counts)
    if found.rows.is_empty():
        return
    rows = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("SIM", "endpoint", "differs", "first", "second"):
        rows.add_column(heading, overflow="fold")
    for line in found.rows.head(_SHOWN).iter_rows(named=True):
        ends = [", ".join(line[f"{name}_{run}"] or "–" for name in COMPARED) for run in ("first", "second")]  # noqa: RUF001 - a dash is what is meant
        rows.add_row(line["sim_id"] or "", line["endpoint_id"] or "", line["differs"], *ends)
    console.print(rows)
    if found.rows.height > _SHOWN:
        console.print(f"and {of(found.rows.height - _SHOWN, 'device')} more: --json lists all of them")
