"""Tasks that write audit reports. They read the ledger alone; the carrier is not called."""

from datetime import UTC, datetime
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.parameters import AuditReport
from simtandem.ledger.store import Ledger
from simtandem.runs import audit_report
from tasks.run_settings import settings_of_run


@task(name="write audit report", cache_policy=NO_CACHE)
async def write_audit_report(params: AuditReport) -> dict[str, Any]:
    """Report on the runs of the period, in every format asked for; returns what was written."""
    settings, today = await settings_of_run(params.account), datetime.now(UTC).date()
    since, until = (params.since, params.until or today) if params.since else audit_report.last_month(today)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        return audit_report.export_period(ledger, settings, since, until, params.formats)
