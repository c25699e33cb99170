"""`simtandem prune`: how long the ledger keeps the details of its runs."""

from datetime import UTC, datetime
from typing import Annotated, TypedDict

import typer
from rich.table import Table

from simtandem.cli.options import AsJson
from simtandem.errors import InputError, LedgerError
from simtandem.ledger.integrity.prune import Prunable, prunable
from simtandem.ledger.store import Ledger
from simtandem.runs.archiving import archive_run
from simtandem.runs.shared_files import remove_unreferenced
from simtandem.settings import Settings, load_home
from simtandem.text.terminal import messages, print_json, results


class PrunedRun(TypedDict):
    """A run that is, or would be, archived and pruned, as `simtandem prune --json` prints it."""

    run_id: str
    ended: str
    facts: int
    archive: str
    pruned: bool
    error: str


def prune(
    before: Annotated[str, typer.Option("--before", metavar="DATE", help="Runs that ended before this day (UTC).")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; otherwise only list what would be pruned.")] = False,
    as_json: AsJson = False,
) -> None:
    """Archive the details of old runs and remove them from the ledger; heads, states and counts stay."""
    raise typer.Exit(prune_before(before, yes=yes, as_json=as_json))


def prune_before(date: str, *, yes: bool, as_json: bool) -> int:
    """Archive the runs that ended before a date and remove their details from the ledger; list them.

    Without `yes` nothing is written or removed. Returns the exit code: 1 where a run could not be pruned.
    """
    before, settings = _moment(date), load_home()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        runs = prunable(ledger, before)
        lines = [_line(each, str(settings.archive_folder / each.archive)) for each in runs]
        for each in lines if yes else []:
            try:
                archive_run(settings, ledger, each["run_id"])
                each["pruned"] = True
            except LedgerError as error:
                each["error"] = str(error)
        if yes:
            _tidy_store(settings, ledger)
    failed = [each for each in lines if each["error"]]
    if as_json:
        print_json({"exit_code": 1 if failed else 0, "before": before.isoformat(), "runs": lines})
    else:
        _show(lines, yes=yes)
    return 1 if failed else 0


def _tidy_store(settings: Settings, ledger: Ledger) -> None:
    """Remove from the store what no run refers to any more; where it is away, the next pruning does it."""
    try:
        remove_unreferenced(settings, ledger)
    except LedgerError as error:
        messages().print(f"{error} What is no longer needed there stays until the next pruning.", markup=False)


def _moment(date: str) -> datetime:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise InputError(f"--before {date}: not a date. Write it as 2026-01-31. Nothing was pruned.") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _line(each: Prunable, archive: str) -> PrunedRun:
    return {
        "run_id": each.run.record.run_id,
        "ended": f"{each.ended:%Y-%m-%d %H:%M:%S}",
        "facts": each.facts,
        "archive": archive,
        "pruned": False,
        "error": "",
    }


def _show(lines: list[PrunedRun], *, yes: bool) -> None:
    console = results()
    if not lines:
        console.print("No run ended before that date and still has its details.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "ended (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("facts", justify="right")
    for each in lines:
        table.add_row(each["run_id"], each["ended"], f"{each['facts']:,}")
    console.print(table)
    for each in lines:
        console.print(f"  {each['archive']}", markup=False, soft_wrap=True)
    for each in lines:
        if each["error"]:
            console.print(f"{each['run_id']}: {each['error']}", markup=False, soft_wrap=True)
    done = [each for each in lines if each["pruned"]]
    if yes:
        console.print(f"Archived and pruned {_runs(done)}; their heads, states and counts are kept.")
    else:
        console.print(f"Would archive and prune {_runs(lines)}. Nothing was done: add --yes to do it.")


def _runs(lines: list[PrunedRun]) -> str:
    count, facts = len(lines), sum(each["facts"] for each in lines)
    return f"{count:,} run{'' if count == 1 else 's'} with {facts:,} facts"
