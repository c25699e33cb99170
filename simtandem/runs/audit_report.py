"""Audit reports of a run or of a period, in any format, written from the ledger."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypedDict

import polars as pl

from schemas.accounts import DEFAULT
from schemas.parameters import ReportFormat
from simtandem.errors import InputError, LedgerError
from simtandem.ledger.records import REPORTED, RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports import exports, period_page
from simtandem.reports.left_open import retries_offered
from simtandem.reports.report_tables import Account, Money, account
from simtandem.reports.run_from_ledger import recorded
from simtandem.reports.workbook import write_workbook
from simtandem.runs.finish import report_again
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings


class PeriodReport(TypedDict):
    """What was written of a period: its first and last day, its runs, and a file or folder for each format."""

    account: str
    since: str
    until: str
    made_at: str
    runs: int
    files: dict[str, str]


_EVERY_RUN = 1_000_000_000


def last_month(today: date) -> tuple[date, date]:
    """The first and the last day of the calendar month before."""
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def export_run(ledger: Ledger, settings: Settings, run_id: str, form: ReportFormat) -> Path:
    """Write a run's report beside its other files; returns where. Raises `InputError` for a run that was pruned."""
    run = ledger.run(run_id, kinds=REPORTED)
    if ledger.pruning(run.record.run_id):
        ledger.results(run.record.run_id)  # raises, naming the archive
    folder = settings.runs_folder / run.record.run_id
    about = {"run_id": run.record.run_id, "made_at": _now()}
    return _export(account(ledger, [run], _money(settings)), about, folder, "report", form)


def export_period(
    ledger: Ledger, settings: Settings, since: date, until: date, forms: Sequence[ReportFormat]
) -> PeriodReport:
    """Write reports on all runs of the account begun from `since` to the end of `until`, in UTC.

    Returns what was written: the period, the number of runs, and a file or folder for each format.
    """
    if since > until:
        raise InputError(f"The period ends before it begins: {since} to {until}.")
    runs = runs_between(ledger, since, until, settings.account)
    reports = settings.home / "reports"
    reports = reports if settings.account == DEFAULT else reports / settings.account
    folder = reports / f"{since}_{until}"
    told = account(ledger, runs, _money(settings))
    about = {"account": settings.account, "since": str(since), "until": str(until), "made_at": _now()}
    files: dict[str, str] = {}
    for form in forms:
        if form is ReportFormat.HTML:
            files[str(form)] = str(_write_index(ledger, settings, told, runs, (since, until), folder / "index.html"))
        else:
            files[str(form)] = str(_export(told, about, folder, "report", form))
    return {
        "account": about["account"],
        "since": about["since"],
        "until": about["until"],
        "made_at": about["made_at"],
        "runs": len(runs),
        "files": files,
    }


def runs_between(ledger: Ledger, since: date, until: date, account: str = "") -> list[RunSummary]:
    """The runs begun from the first moment of `since` to the last of `until`, in UTC, oldest first.

    Of that account alone where one is named.
    """
    begin = datetime.combine(since, time(), UTC)
    end = datetime.combine(until, time(), UTC) + timedelta(days=1)
    return [run for run in reversed(ledger.runs(_EVERY_RUN, account=account)) if begin <= run.record.started_at < end]


def _export(told: Account, about: Mapping[str, object], folder: Path, name: str, form: ReportFormat) -> Path:
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if form is ReportFormat.XLSX:
            path = folder / f"{name}.xlsx"
            write_workbook(told.parts, path)
        elif form is ReportFormat.JSON:
            path = folder / f"{name}.json"
            exports.write_json(about, told.parts, path)
        elif form is ReportFormat.CSV:
            path = folder / f"{name}-csv"
            exports.write_csv(told.parts, path)
        else:
            path = folder / f"{name}-parquet"
            exports.write_parquet(told.parts, path)
    return path


def _write_index(
    ledger: Ledger,
    settings: Settings,
    told: Account,
    runs: Sequence[RunSummary],
    days: tuple[date, date],
    path: Path,
) -> Path:
    """The page of a period, and the pages of its runs where they are missing: those of another machine, for one."""
    links = {}
    for run in runs:
        folder = RunFolder(settings.runs_folder / run.record.run_id)
        page = folder.file("report.html")
        told_already = page.exists() and recorded(ledger, run) is not None
        if told_already or _write_page(ledger, folder, run):
            links[run.record.run_id] = os.path.relpath(page, path.parent)
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    audits = [audit for run in runs if isinstance(audit := run.detail.get("audit"), dict)]
    period_page.write(path, told.runs, links, days, audits, retries_offered(ledger, runs))
    return path


def _write_page(ledger: Ledger, folder: RunFolder, run: RunSummary) -> bool:
    if run.record.kind in (RunKind.PLAN, RunKind.AUDIT, RunKind.EVENTS) or ledger.pruning(run.record.run_id):
        return False
    report_again(ledger, folder, run)
    return True


def _money(settings: Settings) -> Money:
    return Money(settings.monthly_rate, settings.currency)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Says in an operator's words that a file could not be written."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        raise LedgerError(
            f"The report can't be written to {folder} ({error}). Make room or allow access, then write it again."
        ) from error
