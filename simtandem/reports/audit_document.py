"""What an audit found, as records: the document that `simtandem audit --json` prints, and the summary in the ledger."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from simtandem.reports.run_document import CallCounts
from simtandem.text.formats import of


class AuditDocument(TypedDict):
    """The document. `findings` counts the devices of each finding, `devices` those with any.

    `files` has a `repair-…` for those it can repair.
    """

    run_id: str
    sims: int
    endpoints: int
    findings: dict[str, int]
    devices: int
    without_status: int
    files: dict[str, str]
    carrier: NotRequired[str]
    warnings: NotRequired[list[str]]


class FleetListing(TypedDict):
    """The listing of a fleet; not `whole` where the fleet kept changing while it was listed."""

    sims: int
    endpoints: int
    whole: bool
    listing_began: str
    listed_at: str


class WastedCost(TypedDict):
    """What the findings cost a month, estimated; the amounts as text."""

    sims: int
    per_month: str
    currency: str
    by_finding: dict[str, str]
    basis: str


class AuditSummary(FleetListing):
    """Everything an audit says in numbers. `trend` and `trend_since` are None where there was no audit before."""

    findings: dict[str, int]
    devices: NotRequired[int]
    without_status: int
    run_id: str
    carrier: NotRequired[str]
    account: str
    carrier_host: str
    warnings: list[str]
    repairable: dict[str, int]
    trend: dict[str, int] | None
    trend_since: str | None
    causes: dict[str, int]
    never_managed: int
    no_longer_listed: int
    cost: WastedCost | None
    calls: CallCounts
    seconds: float


def found(told: Mapping[str, Any]) -> str:
    """How many devices have findings, in words; of an audit of an older version, which counted findings, how many."""
    findings = sum(told["findings"].values())
    devices = told.get("devices")
    return of(findings, "finding") if devices is None else f"{of(devices, 'device')} with findings"
