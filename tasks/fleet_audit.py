"""Tasks of an audit of the whole fleet. None of them changes anything at the carrier."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from simtandem.carriers.protocol import Carrier
from simtandem.reports.audit_document import AuditDocument
from simtandem.runs import audit_output, change_evidence, fleet_audit, old_runs
from simtandem.runs.audit_pipeline import AuditSteps, carry_out
from simtandem.runs.run import newest_head
from simtandem.settings import Settings
from simtandem.text import escaping
from tasks.file_links import note_files
from tasks.ledger_wait import once_it_answers
from tasks.run_settings import settings_of_run
from tasks.session import origin

__all__ = [
    "AuditSteps",
    "archive_old_runs",
    "audited_state",
    "carry_out",
    "explain_changes",
    "explain_runs",
    "list_fleet",
    "open_audit",
    "write_audit",
]


@dataclass(frozen=True, slots=True)
class AuditSession:
    """An audit and the connection to its carrier. Each task returns it, so that Prefect's graph shows their order."""

    audit: fleet_audit.Audit
    carrier: Carrier

    @property
    def settings(self) -> Settings:
        """The settings of the account that is audited."""
        return self.audit.settings

    def record_head(self) -> str:
        """The head of the audit's record, as messages show it."""
        return newest_head(self.audit.ledger, self.audit.run_id)


@asynccontextmanager
async def open_audit(account: str = "") -> AsyncIterator[AuditSession]:
    """An audit of this account; without a name, of the one that is chosen or the only one.

    What ends it is recorded and raised on.
    """
    settings = await settings_of_run(account)
    begun = await once_it_answers(lambda: fleet_audit.Audit.begin(settings, origin()))
    with fleet_audit.auditing(begun) as audit:
        note_files(audit.settings.home, f"runs/{audit.run_id}/")
        async with audit.carrier() as carrier:
            yield AuditSession(audit, carrier)


@task(name="list fleet", cache_policy=NO_CACHE)
async def list_fleet(session: AuditSession) -> AuditSession:
    """Read every SIM and every endpoint."""
    await fleet_audit.list_fleet(session.audit, session.carrier)
    return session


@task(name="explain changes", cache_policy=NO_CACHE)
async def explain_changes(session: AuditSession) -> AuditSession:
    """Find out who changed what, from the ledger and the carrier's events."""
    await fleet_audit.explain_changes(session.audit, session.carrier)
    return session


@task(name="explain runs", cache_policy=NO_CACHE)
async def explain_runs(session: AuditSession) -> int:
    """Read and keep the carrier's events of runs that ended since: it forgets them after a month."""
    return await change_evidence.explain_runs(session.audit.ledger, session.audit.settings, origin())


@task(name="write audit", cache_policy=NO_CACHE)
async def write_audit(session: AuditSession) -> AuditDocument:
    """Judge every pair; write findings, repairs and page."""
    return audit_output.finish(session.audit, fleet_audit.judge(session.audit))


@task(name="archive old runs", cache_policy=NO_CACHE)
async def archive_old_runs(session: AuditSession) -> int:
    """Move the details of old runs out of the ledger, where the settings say how old that is. Returns of how many."""
    return len(await asyncio.to_thread(old_runs.archive_old_runs, session.audit.ledger, session.audit.settings))


def audited_state(document: AuditDocument, record: str = "") -> State[Any]:
    """How the flow run ends: an audit that found something has done its work, and says what it found in its name."""
    found = {name.replace("_", " "): count for name, count in document["findings"].items() if count}
    told = ", ".join(f"{count} {name}" for name, count in found.items()) or "nothing found"
    message = f"{document['sims']} SIMs, {document['endpoints']} endpoints: {told}. Run {document['run_id']}. {record}"
    return Completed(name="Findings" if found else "Completed", message=escaping.state(message.rstrip()))
