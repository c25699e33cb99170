"""Looking back: runs of the past, their reports, and what they left open."""

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from simtandem.errors import InputError
from simtandem.ledger.records import REPORTED, RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.headline import headline
from simtandem.reports.run_commands import again
from simtandem.reports.run_document import Document
from simtandem.reports.run_from_ledger import recorded
from simtandem.runs import retry
from simtandem.runs.finish import report_again
from simtandem.runs.run import RunFolder
from simtandem.settings import load
from simtandem.text.terminal import messages, print_json
from simtandem.text.terminal import results as stdout


def show_runs(limit: int, *, as_json: bool) -> None:
    """The latest runs, newest first, on stdout."""
    with Ledger.open(load().ledger()) as ledger:
        runs = ledger.runs(limit)
        heads = ledger.heads([run.record.run_id for run in runs])
        lines = [_told(run, recorded(ledger, run)) for run in runs]
    if as_json:
        print_json([told | {"ledger_head": heads.get(told["run_id"])} for told in lines])
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "started (UTC)", "kind", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("in sync", justify="right")
    for told in lines:
        in_sync = "" if told["in_sync"] is None else f"{told['in_sync']:,}"
        table.add_row(
            told["run_id"],
            told["started"],
            told["kind"],
            told["state"],
            Text(told["file"]),
            f"{told['rows']:,}",
            in_sync,
        )
    stdout().print(table if lines else "No runs yet.")


def _told(run: RunSummary, document: Document | None) -> dict[str, Any]:
    return {
        "run_id": run.record.run_id,
        "started": f"{run.record.started_at:%Y-%m-%d %H:%M:%S}",
        "kind": str(run.record.kind),
        "state": str(run.state or "begun"),
        "file": run.record.file,
        "rows": run.record.rows,
        "in_sync": None if document is None else document["verdicts"]["in_sync"],
        "exit_code": None if document is None else document["exit_code"],
    }


def show_report(run_id: str, *, as_json: bool) -> None:
    """Write a run's report again from the ledger alone, and say where it is."""
    settings = load()
    with Ledger.open(settings.ledger()) as ledger:
        run = ledger.run(run_id, kinds=REPORTED)
        if run.record.kind in (RunKind.PLAN, RunKind.AUDIT, RunKind.EVENTS):
            raise InputError(_nothing_to_report(run))
        folder = RunFolder(settings.runs_folder / run.record.run_id)
        document = report_again(ledger, folder, run)
    path = folder.file("report.html")
    if as_json:
        print_json(document)
    else:
        stdout().print(str(path), soft_wrap=True)
        if document.get("state"):  # no end is recorded: what is known, and how to go on
            lines = [f"{headline(document)}.", f"To go on: {document['next']}" if document.get("next") else ""]
            messages().print("\n".join(filter(None, lines)), markup=False, soft_wrap=True)


def _nothing_to_report(run: RunSummary) -> str:
    record = run.record
    told = f"Run {record.run_id} ({record.kind}, {run.state or 'begun'}) has nothing to report"
    if record.kind is RunKind.PLAN:
        return f"{told}: a plan sends nothing.{again(record)}"
    return f"{told}: it sends nothing. Its files are in its folder.{again(record)}"


def open_rows(run_id: str) -> tuple[str, Path]:
    """The run's full id, and what it left open as a device CSV. Raises `InputError` where that is nothing."""
    settings = load()
    with Ledger.open(settings.ledger()) as ledger:
        left = retry.left_by(ledger, run_id, settings.carrier_host)
    folder = RunFolder(settings.runs_folder / left.record.run_id)
    left.write(folder)
    return left.record.run_id, folder.file(retry.FILE)
