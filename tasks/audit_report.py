"""Tasks that write audit reports. They read the ledger alone; the carrier is not called."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from schemas.parameters import AuditReport
from simtandem.ledger.store import Ledger
from simtandem.runs import audit_report
from simtandem.runs.run import head_in_errors, newest_head
from simtandem.text import escaping
from tasks.file_links import note_files
from tasks.ledger_wait import once_it_answers
from tasks.run_settings import settings_of_run


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """The reports of a period, and the newest head of the ledger that they were written from."""

    period: audit_report.PeriodReport
    record: str
    home: Path


@task(name="write audit report", cache_policy=NO_CACHE)
async def write_audit_report(params: AuditReport) -> WrittenReport:
    """Report on the runs of the period, in every format asked for; returns what was written."""
    settings, today = await settings_of_run(params.account), datetime.now(UTC).date()
    since, until = (params.since, params.until or today) if params.since else audit_report.last_month(today)
    opened = await once_it_answers(lambda: Ledger.open(settings.ledger(), heads_file=settings.heads_file))
    with opened as ledger, head_in_errors(ledger):
        period = audit_report.export_period(ledger, settings, since, until, params.formats)
        for path in period["files"].values():
            note_files(settings.home, f"{Path(path).parent.relative_to(settings.home)}/")
        return WrittenReport(period, newest_head(ledger), settings.home)


def reported_state(written: WrittenReport) -> State[Any]:
    """How the flow run ends: which runs are in the report, its formats, and the head of the record. The result is it.

    Paths are among the artifacts: a message may leave the machine.
    """
    period, runs = written.period, written.period["runs"]
    told = f"{runs} run{'' if runs == 1 else 's'} from {period['since']} to {period['until']}"
    message = f"{told}, reported as {', '.join(period['files'])}. {written.record}"
    return Completed(message=escaping.state(message.rstrip()), data=period)
