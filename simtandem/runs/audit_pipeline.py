"""The order of a fleet audit's steps, for the command line and for Prefect alike.

How a step is carried out, as a plain call or as a Prefect task, is the caller's business; what follows what is decided
here. Each step leaves its result in the run's folder, so a step that was carried out already returns at once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from simtandem.carriers.protocol import Carrier
from simtandem.reports.audit_document import AuditDocument
from simtandem.runs import audit_output, fleet_audit
from simtandem.runs.fleet_audit import Audit

Work = TypeVar("Work")
"""What the steps hand on: an audit and its carrier, for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSteps(Generic[Work]):
    """What carries out each step of a fleet audit, in order."""

    list_fleet: Callable[[Work], Awaitable[object]]
    explain_changes: Callable[[Work], Awaitable[object]]
    write_audit: Callable[[Work], Awaitable[AuditDocument]]
    explain_runs: Callable[[Work], Awaitable[object]] | None = None


async def carry_out(work: Work, steps: AuditSteps[Work]) -> AuditDocument:
    """The whole audit; returns its document. `explain_runs` is left out where it is None."""
    await steps.list_fleet(work)
    await steps.explain_changes(work)
    document = await steps.write_audit(work)
    if steps.explain_runs is not None:
        await steps.explain_runs(work)
    return document


@dataclass(frozen=True, slots=True)
class _Plain:
    """An audit and its carrier, for steps that are plain calls."""

    audit: Audit
    carrier: Carrier

    async def list_fleet(self) -> None:
        await fleet_audit.list_fleet(self.audit, self.carrier)

    async def explain_changes(self) -> None:
        await fleet_audit.explain_changes(self.audit, self.carrier)

    async def write_audit(self) -> AuditDocument:
        return audit_output.finish(self.audit, fleet_audit.judge(self.audit))


_PLAIN: AuditSteps[_Plain] = AuditSteps(
    list_fleet=_Plain.list_fleet,
    explain_changes=_Plain.explain_changes,
    write_audit=_Plain.write_audit,
)


async def audit_fleet(audit: Audit) -> AuditDocument:
    """Audit the whole fleet in this process; returns the document. Changes nothing."""
    async with audit.carrier() as carrier:
        return await carry_out(_Plain(audit, carrier), _PLAIN)
