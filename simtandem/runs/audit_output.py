"""What an audit leaves behind: its files, its result in the ledger, the document `simtandem audit --json` prints."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import polars as pl

from schemas.statuses import Cause, Finding
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.charge_words import known
from simtandem.domain.findings import (
    Cost,
    device_count,
    finding_counts,
    repairs,
    to_assign,
    trend,
    unmanaged,
    wasted_cost,
    without_status,
)
from simtandem.ledger.fleet_history import past_audits
from simtandem.ledger.records import RunState
from simtandem.reports import audit_page
from simtandem.reports.action_files import write_action_template
from simtandem.reports.audit_document import AuditDocument, AuditSummary, FleetListing, WastedCost
from simtandem.reports.history_charts import MOST_BARS
from simtandem.reports.result_files import write_changes, write_findings, write_retry
from simtandem.runs.fleet_audit import Audit
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import share_or_keep
from simtandem.settings import Settings


def finish(audit: Audit, findings: pl.DataFrame) -> AuditDocument:
    """Write the files, record the result; returns the document.

    `told.json` in the run's `work` folder, and the ledger, keep more than the document holds: trend, cost and the rest.
    """
    folder = audit.folder
    explained = folder.table("explained.parquet")
    files = _write_tables(folder.path, findings, explained)
    if (endpoints := to_assign(findings, audit.lifecycle)).height:
        files["assign"] = folder.file("assign.csv")
        write_action_template(endpoints, files["assign"])
    told = _told(audit, findings, explained)
    report = folder.file("audit.html")
    audit_page.write(report, told, findings, explained, files, _earlier(audit))
    files["report"] = report
    document: AuditDocument = {
        "run_id": audit.run_id,
        "carrier": audit.settings.carrier,
        "sims": told["sims"],
        "endpoints": told["endpoints"],
        "findings": told["findings"],
        "devices": told["devices"],
        "without_status": told["without_status"],
        "files": {name: str(path) for name, path in files.items()},
    }
    if told["warnings"]:
        document["warnings"] = told["warnings"]
    folder.save("told.json", told)
    folder.save("document.json", document)
    share_or_keep(audit.settings, audit.ledger, folder)
    audit.ledger.record_state(audit.run_id, RunState.FINISHED, {"audit": told}, sealed=True)
    return document


def _earlier(audit: Audit) -> list[Mapping[str, Any]]:
    """What the audits of this account before this one kept, oldest first, as many as a chart shows."""
    found = past_audits(audit.ledger, audit.settings.account_key, MOST_BARS - 1)
    return [each.told for each in reversed(found) if each.told]


def summary(folder: RunFolder) -> AuditSummary:
    """What the audit in this folder found, in numbers. Raises `LedgerError` where that is gone or damaged."""
    return cast("AuditSummary", folder.data("told.json"))


def exit_code(document: AuditDocument) -> int:
    """0 where nothing was found, else 1."""
    return 1 if any(document["findings"].values()) else 0


def _write_tables(folder: Path, findings: pl.DataFrame, explained: pl.DataFrame) -> dict[str, Path]:
    files = {"findings": folder / "findings.csv", "changes": folder / "changes.csv"}
    write_findings(findings, files["findings"])
    write_changes(explained, files["changes"])
    for finding, rows in repairs(findings).items():
        files[f"repair-{finding}"] = folder / f"repair-{finding}.csv"
        write_retry(rows, files[f"repair-{finding}"])
    return files


def _told(audit: Audit, findings: pl.DataFrame, explained: pl.DataFrame) -> AuditSummary:
    """Everything an audit has to say in numbers, ready for JSON."""
    folder, settings = audit.folder, audit.settings
    inventory, managed = folder.table("inventory.parquet"), folder.table("managed.parquet")
    counts = finding_counts(findings)
    before = None if audit.before is None else audit.before.told["findings"]
    never_managed, no_longer_listed = unmanaged(inventory, managed)
    calls = audit.ledger.call_counts(audit.run_id)
    return {
        **cast("FleetListing", folder.data("fleet.json")),
        "findings": counts,
        "devices": device_count(findings),
        "without_status": without_status(inventory),
        "run_id": audit.run_id,
        "carrier": settings.carrier,
        "account": settings.account,
        "carrier_host": settings.carrier_host,
        "warnings": settings.warnings,
        "repairable": {finding.value: rows.height for finding, rows in repairs(findings).items()},
        "trend": trend(counts, before),
        "trend_since": None if audit.before is None else audit.before.started.isoformat(),
        "causes": _causes(explained),
        "never_managed": never_managed,
        "no_longer_listed": no_longer_listed,
        "cost": _cost(wasted_cost(findings, _rate(settings), settings.currency)),
        "calls": {"total": calls.total, "retried": calls.retried, "throttled": calls.throttled},
        "seconds": round((datetime.now(UTC) - audit.started).total_seconds(), 1),
    }


def _rate(settings: Settings) -> Decimal | None:
    """The price of a charged SIM a month; None where nobody set one, or where it is not known which are charged."""
    return settings.monthly_rate if known(lifecycle_of(settings.carrier)) else None


def _causes(explained: pl.DataFrame) -> dict[str, int]:
    found = dict(explained.group_by("cause").len().iter_rows())
    return {cause.value: int(found.get(cause.value, 0)) for cause in Cause}


def _cost(cost: Cost | None) -> WastedCost | None:
    if cost is None:
        return None
    return {
        "sims": cost.sims,
        "per_month": str(cost.per_month),
        "currency": cost.currency,
        "by_finding": {finding.value: str(cost.by_finding[finding]) for finding in Finding},
        "basis": cost.basis,
    }
