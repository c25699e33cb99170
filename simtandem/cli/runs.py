"""`simtandem runs`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePath
from typing import Annotated, TypedDict, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.accounts import DEFAULT
from simtandem.cli.json_fields import JsonFields, chosen
from simtandem.cli.options import AsJson
from simtandem.errors import InputError, Interrupted
from simtandem.ledger.records import RunKind, RunRecord, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.run_commands import files_of
from simtandem.reports.run_document import Document
from simtandem.reports.run_from_ledger import recorded
from simtandem.settings import chosen_account, load_home
from simtandem.text.terminal import print_json, results

_EVERY_RUN = 1_000_000_000
_WIDE, _NARROW = 110, 70
_BEGUN, _DECLINED = "begun", "declined"
_STATES = (_BEGUN, _DECLINED, *RunState)


class RunLine(TypedDict):
    """A run, as `simtandem runs --json` prints it."""

    run_id: str
    started: str
    kind: str
    state: str
    account: str
    file: str
    rows: int
    in_sync: int | None
    exit_code: int | None
    ledger_head: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs to list: all that fit each of these; an empty one fits every run."""

    state: str = ""
    since: date | None = None
    file: str = ""

    @property
    def everything(self) -> bool:
        """Whether every run fits."""
        return self == Wanted()

    def fits(self, run: RunSummary) -> bool:
        """Whether this run is wanted. `file` is a part of the name of one of its files, or a pattern with * and ?."""
        part = self.file.casefold()
        pattern = part if set(part) & set("*?") else f"*{part}*"
        return (
            self.state in ("", state_of(run))
            and (self.since is None or run.record.started_at.astimezone(UTC).date() >= self.since)
            and (not part or any(fnmatchcase(name.casefold(), pattern) for name in _names(run.record)))
        )


def _names(record: RunRecord) -> list[str]:
    """The names by which the list of a run may be known: of several files each has its own."""
    files = files_of(record.parameters)
    return [record.file, *(PurePath(file).name for file in files if files[1:])]


def runs(
    *,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="Only runs in this state, such as finished.", show_default=False)
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Only runs started on this day (UTC) or later.", show_default=False)
    ] = "",
    file: Annotated[
        str,
        typer.Option(metavar="NAME", help="Only runs of files whose name contains NAME.", show_default=False),
    ] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many runs at most.")] = 20,
    as_json: AsJson = False,
    fields: JsonFields = "",
) -> None:
    """List the latest runs and their results, newest first."""
    show_runs(limit, Wanted(_state(state), _day(since), file), as_json=as_json or bool(fields), fields=fields)


def _state(word: str) -> str:
    state = word.strip().casefold()
    if state and state not in _STATES:
        raise InputError(f"--state {word}: not a state of a run. Use one of {', '.join(_STATES)}.")
    return state


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"--since {text}: not a day. Write it as 2026-03-31.") from error


_ALL = Wanted()


def show_runs(limit: int, wanted: Wanted = _ALL, *, as_json: bool, fields: str = "") -> None:
    """The latest of the wanted runs, newest first, on stdout. `fields`: only these of the JSON document."""
    with Ledger.open(load_home().ledger()) as ledger:
        listed = ledger.runs(limit if wanted.everything else _EVERY_RUN, account=chosen_account())
        found = list(islice(filter(wanted.fits, listed), limit))
        heads = ledger.heads([run.record.run_id for run in found])
        lines = [_line(run, recorded(ledger, run), heads.get(run.record.run_id)) for run in found]
    if as_json:
        print_json(chosen(cast("list[dict[str, object]]", lines), fields, "runs") if fields else lines)
    elif lines:
        show_lines(results(), lines)
    else:
        results().print("No runs yet." if wanted.everything else "No run fits.")


def state_of(run: RunSummary) -> str:
    """How far a run is. One that the operator did not confirm is declined, not refused by a limit."""
    if run.state is RunState.REFUSED and run.detail.get("exit_code") == Interrupted.exit_code:
        return _DECLINED
    return str(run.state or _BEGUN)


def _line(run: RunSummary, document: Document | None, head: str | None) -> RunLine:
    return {
        "run_id": run.record.run_id,
        "started": f"{run.record.started_at:%Y-%m-%d %H:%M:%S}",
        "account": run.record.account,
        "kind": str(run.record.kind),
        "state": state_of(run),
        "file": run.record.file,
        "rows": run.record.rows if document is None else document["input"]["rows"],
        "in_sync": None if document is None else document["verdicts"]["in_sync"],
        "exit_code": None if document is None else document["exit_code"],
        "ledger_head": head,
    }


def show_lines(console: Console, lines: list[RunLine]) -> None:
    """A table; where it would be too wide, without the start, which the id holds; then two lines for each run."""
    if console.width < _NARROW:
        for text in _pairs(lines):
            console.print(text, soft_wrap=True)
        return
    wide = console.width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0))
    several = {line["account"] for line in lines} != {DEFAULT}
    account = ["account"] if several else []
    for heading in ("run", *(["started (UTC)"] if wide else []), *account, "kind", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("in sync", justify="right", no_wrap=True)
    table.add_column("file")  # the only one that may be shortened
    for line in lines:
        started = [line["started"]] if wide else []
        file = Text(line["file"], no_wrap=True, overflow="ellipsis")
        of = [line["account"]] if several else []
        table.add_row(line["run_id"], *started, *of, line["kind"], line["state"], _in_sync(line), file)
    console.print(table)


def _pairs(lines: list[RunLine]) -> Iterator[Text]:
    for line in lines:
        yield Text(f"{line['run_id']}  {line['kind']}  {line['state']}")
        yield Text(f"  {_in_sync(line)} in sync  {line['file']}".rstrip(), style="dim")


def _in_sync(line: RunLine) -> str:
    """How many of its rows are in sync; a plan, or a run under way, has not judged them."""
    judged = line["in_sync"] is not None and line["kind"] != RunKind.PLAN
    return f"{line['in_sync']:,} of {line['rows']:,}" if judged else f"- of {line['rows']:,}"
