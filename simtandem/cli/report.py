"""`simtandem report`: reports of a run or of a period, written from the ledger."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from schemas.parameters import ReportFormat
from simtandem.carriers.registry import require_credentials
from simtandem.cli.options import AsJson
from simtandem.errors import InputError, StoreError
from simtandem.ledger.records import REPORTED, SENDING, RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.headline import headline, next_lines
from simtandem.reports.run_commands import again
from simtandem.runs import action_finish
from simtandem.runs.audit_report import export_period, export_run
from simtandem.runs.change_evidence import explain_run
from simtandem.runs.finish import report_again
from simtandem.runs.run_account import reopened, settings_to_report
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import brought, catch_up
from simtandem.settings import Settings, chosen_account, load, load_home
from simtandem.text.terminal import messages, print_json, results

_FORMATS = "html, xlsx, csv, parquet or json"
_SENDS_NOTHING = (RunKind.PLAN, RunKind.AUDIT, RunKind.EVENTS)


def report(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The id of a run, the beginning of one, or: latest.", show_default=False),
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help=f"{_FORMATS}.")] = "html",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day (UTC) of a period.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last day (UTC) of the period; else today.")] = None,
    *,
    events: Annotated[bool, typer.Option("--events", help="First read from the carrier who changed what.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the report of RUN, or of all runs of a period, from the ledger, and print its path."""
    wanted = format_of(form)
    if (run is None) == (since is None and until is None):
        raise typer.BadParameter("Give a run, or a period with --since and --until.")
    if run is None:
        if events:
            raise typer.BadParameter("--events reads the events of one run: give its id.")
        write_period(since, until, wanted, as_json=as_json)
        return
    if events:
        run = read_events(run)
    if wanted is ReportFormat.HTML:
        write_page(run, as_json=as_json)
    else:
        write_run(run, wanted, as_json=as_json)


def format_of(word: str) -> ReportFormat:
    """The format of that name. Raises `InputError` where there is none."""
    try:
        return ReportFormat(word.lower())
    except ValueError as error:
        raise InputError(f"--format {word}: not a format. Use {_FORMATS}.") from error


def write_page(run_id: str, *, as_json: bool) -> None:
    """Write the HTML report of a run again, from the ledger alone, and print its path."""
    settings = load_home()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        run = ledger.run(run_id, kinds=(*REPORTED, RunKind.ACTION), account=chosen_account())
        if run.record.kind in _SENDS_NOTHING:
            raise InputError(_nothing_to_report(run))
        folder = _folder(settings, ledger, run.record.run_id)
        again_from = action_finish.report_again if run.record.kind is RunKind.ACTION else report_again
        document = again_from(ledger, folder, run)
    if as_json:
        print_json(document)
        return
    results().print(str(folder.file("report.html")), soft_wrap=True)
    if document.get("state"):  # the run has no recorded end: say how far it came, and how to continue
        lines = [f"{headline(document)}.", *next_lines(document)]
        if by := document.get("finished_by"):
            lines.append(f"What it left open is done: run {by} has brought it in sync.")
        messages().print("\n".join(lines), markup=False, soft_wrap=True)


def _folder(settings: Settings, ledger: Ledger, run_id: str) -> RunFolder:
    """The run's folder, with its files; without those of other hosts where their store is away."""
    catch_up(settings, ledger)
    try:
        return brought(settings, ledger, run_id)
    except StoreError as error:
        messages().print(f"{error} The report is written from the ledger.", markup=False, soft_wrap=True)
        return RunFolder(settings.runs_folder / run_id)


def _nothing_to_report(run: RunSummary) -> str:
    record = run.record
    subject = f"Run {record.run_id} ({record.kind}, {run.state or 'begun'}) has nothing to report"
    if record.kind is RunKind.PLAN:
        return f"{subject}: a plan sends nothing.{again(record)}"
    return f"{subject}: it sends nothing. Its files are in its folder.{again(record)}"


def write_run(run_id: str, form: ReportFormat, *, as_json: bool) -> None:
    """Write the report of a run in a format other than HTML, and print its path."""
    settings = load_home()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        record = ledger.run(run_id, kinds=REPORTED, account=chosen_account()).record
        if record.kind is RunKind.ACTION:
            raise InputError(
                f"Run {record.run_id} sent SIM actions, which have a report in html alone; their rows are in the "
                "results.csv of the run's folder."
            )
        path = export_run(ledger, settings_to_report(record), record.run_id, form)
    _show({"run_id": path.parent.name, "files": {str(form): str(path)}}, {str(form): str(path)}, as_json=as_json)


def read_events(run_id: str) -> str:
    """Read the carrier's events of the time in which a run sent changes, and record them for its reports.

    Returns the full id of that run: reading events is a run as well, so `latest` means another one by now.
    """
    settings = reopened(run_id, SENDING)
    require_credentials(settings)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        found = ledger.run(run_id, kinds=SENDING, account=settings.account).record.run_id
        asyncio.run(explain_run(ledger, settings, found))
    return found


def write_period(since: str | None, until: str | None, form: ReportFormat, *, as_json: bool) -> None:
    """Write the report of a period, given as days, and print its path."""
    today = datetime.now(UTC).date()
    first, last = _day(since, "--since"), _day(until, "--until") or today
    if first is None:
        raise InputError("--until needs --since: the first day of the period.")
    settings = load()
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        written = export_period(ledger, settings, first, last, [form])
    _show(written, written["files"], as_json=as_json)


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a day. Write it as 2026-03-31.") from error


def _show(document: Mapping[str, object], files: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    for path in files.values():
        results().print(path, markup=False, soft_wrap=True)
