"""Report on the runs of a period, by default of the last calendar month."""

from typing import Any

from prefect import flow

from schemas.parameters import AuditReport
from tasks.artifacts import show_audit_report
from tasks.audit_report import write_audit_report


@flow(name="audit-report", validate_parameters=True)
async def audit_report(params: AuditReport = AuditReport()) -> dict[str, Any]:  # noqa: B008 - immutable
    """Write a report on what was run, by whom, and what became of it."""
    written = await write_audit_report(params)
    await show_audit_report(written)
    return written
