"""Looking back: runs of the past, their reports, and what they left open."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from simtandem.console import results as stdout
from simtandem.errors import InputError
from simtandem.job import retry
from simtandem.job.closing import write_report
from simtandem.job.run import RunFolder
from simtandem.ledger.records import RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.document import recorded_document
from simtandem.reports.invocation import again
from simtandem.settings import load


def show_runs(limit: int, *, as_json: bool) -> None:
    """The latest runs, newest first, on stdout."""
    ledger = Ledger.open(load().ledger())
    try:
        runs = ledger.runs(limit)
        heads = ledger.heads([run.record.run_id for run in runs])
    finally:
        ledger.close()
    if as_json:
        print(json.dumps([_told(run) | {"ledger_head": heads.get(run.record.run_id)} for run in runs], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "started (UTC)", "kind", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("in sync", justify="right")
    for run in runs:
        told = _told(run)
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
    stdout().print(table if runs else "No runs yet.")


def _told(run: RunSummary) -> dict[str, Any]:
    document = recorded_document(run.detail)
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
    ledger = Ledger.open(settings.ledger())
    try:
        run = ledger.run(run_id)
        # An error that ended a run is recorded behind its report.
        documents = [recorded_document(each.detail) for each in ledger.states(run.record.run_id)]
        document = next((each for each in reversed(documents) if each), None)
        if run.record.kind is RunKind.PLAN or document is None:
            raise InputError(_nothing_to_report(ledger, run))
        folder = RunFolder(settings.runs_folder / run.record.run_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_report(
            ledger,
            folder,
            document,
            ledger.results(run.record.run_id),
            ledger.rejected(run.record.run_id),
            run.record.started_at,
            run.at,
        )
    finally:
        ledger.close()
    path = folder.file("report.html")
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        stdout().print(str(path), soft_wrap=True)


def _nothing_to_report(ledger: Ledger, run: RunSummary) -> str:
    record = run.record
    told = f"Run {record.run_id} ({record.kind}, {_told(run)['state']}) has nothing to report"
    if record.kind is RunKind.PLAN:
        return f"{told}: a plan sends nothing.{again(record)}"
    if record.kind in (RunKind.AUDIT, RunKind.EVENTS):
        return f"{told}: it sends nothing. Its files are in its folder.{again(record)}"
    return f"{told}: it did not come to its end, or not yet.{retry.next_step(ledger, record)}"


def open_rows(run_id: str) -> tuple[str, Path]:
    """The run's full id, and what it left open as a device CSV. Raises `InputError` where that is nothing."""
    settings = load()
    ledger = Ledger.open(settings.ledger())
    try:
        left = retry.left_by(ledger, run_id)
    finally:
        ledger.close()
    folder = RunFolder(settings.runs_folder / left.record.run_id)
    left.write(folder)
    return left.record.run_id, folder.file(retry.FILE)
