"""Audit the whole fleet: list it, explain what changed, report split pairs, costs and drift. Changes nothing."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.artifacts import show_audit
from tasks.final_state import concluding
from tasks.fleet_audit import (
    AuditSteps,
    archive_old_runs,
    audited_state,
    carry_out,
    explain_changes,
    explain_runs,
    list_fleet,
    open_audit,
    write_audit,
)

STEPS = AuditSteps(
    list_fleet=list_fleet,
    explain_changes=explain_changes,
    write_audit=write_audit,
    explain_runs=explain_runs,
)
"""What is done, in order."""


@flow(name="fleet-audit")
async def fleet_audit(account: str = "") -> State[Any]:
    """List the whole fleet and report what is split, what costs money for nothing, and what drifted.

    It also keeps what the carrier's events say of the runs since, because the carrier forgets them. Where
    SIMTANDEM_ARCHIVE_AFTER_DAYS is set, it archives runs of long ago.

    Args:
        account: Leave empty, or name one of the settings file, where it has several.

    """
    async with concluding() as end, open_audit(account) as session:
        document = await carry_out(session, STEPS)
        await show_audit(document, session.settings)
        await archive_old_runs(session)
        end.state = audited_state(document, session.record_head())
    return end.state
