"""`simtandem runs`."""

from typing import Annotated, TypedDict

import typer
from rich.table import Table
from rich.text import Text

from simtandem.cli.options import AsJson
from simtandem.ledger.records import RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.run_document import Document
from simtandem.reports.run_from_ledger import recorded
from simtandem.settings import load
from simtandem.text.terminal import print_json, results


class RunLine(TypedDict):
    """A run, as `simtandem runs --json` prints it."""

    run_id: str
    started: str
    kind: str
    state: str
    file: str
    rows: int
    in_sync: int | None
    exit_code: int | None
    ledger_head: str | None


def runs(
    *,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many runs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs and their results, newest first."""
    show_runs(limit, as_json=as_json)


def show_runs(limit: int, *, as_json: bool) -> None:
    """The latest runs, newest first, on stdout."""
    with Ledger.open(load().ledger()) as ledger:
        found = ledger.runs(limit)
        heads = ledger.heads([run.record.run_id for run in found])
        lines = [_line(run, recorded(ledger, run), heads.get(run.record.run_id)) for run in found]
    if as_json:
        print_json(lines)
    elif lines:
        results().print(_table(lines))
    else:
        results().print("No runs yet.")


def _line(run: RunSummary, document: Document | None, head: str | None) -> RunLine:
    return {
        "run_id": run.record.run_id,
        "started": f"{run.record.started_at:%Y-%m-%d %H:%M:%S}",
        "kind": str(run.record.kind),
        "state": str(run.state or "begun"),
        "file": run.record.file,
        "rows": run.record.rows,
        "in_sync": None if document is None else document["verdicts"]["in_sync"],
        "exit_code": None if document is None else document["exit_code"],
        "ledger_head": head,
    }


def _table(lines: list[RunLine]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "started (UTC)", "kind", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("in sync", justify="right")
    for line in lines:
        in_sync = "" if line["in_sync"] is None else f"{line['in_sync']:,}"
        cells = (line["run_id"], line["started"], line["kind"], line["state"], Text(line["file"]))
        table.add_row(*cells, f"{line['rows']:,}", in_sync)
    return table
