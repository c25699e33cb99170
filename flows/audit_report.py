"""Report on the runs of a period, by default of the last calendar month."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from schemas.parameters import AuditReport
from tasks.artifacts import show_audit_report
from tasks.audit_report import reported_state, write_audit_report
from tasks.final_state import concluding


@flow(name="audit-report", validate_parameters=True)
async def audit_report(params: AuditReport = AuditReport()) -> State[Any]:  # noqa: B008 - immutable
    """Write a report on what was run, by whom, and what became of it."""
    async with concluding() as end:
        written = await write_audit_report(params)
        await show_audit_report(written.period, written.home)
        end.state = reported_state(written)
    return end.state
