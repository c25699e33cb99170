"""An audit of the whole fleet, step by step: list it, explain what changed, judge it, write it down. Changes nothing.

Its files are in a run's folder, its calls and its result in the ledger, like those of a run. The tables it leaves in
`work` are what the next audit compares with; where they are gone, that one knows less, and says so.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.accounts import AccountKey
from schemas.statuses import Cause, Finding
from schemas.tables import Events, Explained, Findings, empty
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.carriers.registry import lifecycle_for
from simtandem.domain import attribution, own_calls
from simtandem.domain.abilities import Ability
from simtandem.domain.findings import dated_findings, findings_of
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import CarrierRefused, CarrierUnavailable, InputError, LedgerError, SimtandemError
from simtandem.ledger import fleet_history
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports.audit_document import FleetListing
from simtandem.runs import sender_history
from simtandem.runs.run import head_in_errors, looking_run, new_run_id, recorded_carrier
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import brought
from simtandem.settings import Settings


@dataclass(slots=True)
class Audit:
    """One audit. It is in the ledger from its beginning."""

    run_id: str
    settings: Settings
    ledger: Ledger
    folder: RunFolder
    started: datetime
    before: fleet_history.PastAudit | None
    event_lag: timedelta = attribution.EVENT_LAG

    @classmethod
    def begin(cls, settings: Settings, origin: Mapping[str, str]) -> "Audit":
        """Open the ledger and record that an audit begins."""
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        with ExitStack() as until_begun:
            ledger = until_begun.enter_context(Ledger.open(settings.ledger(), heads_file=settings.heads_file))
            before = fleet_history.last_audit(ledger, settings.account_key)
            parameters = {"prefect": dict(origin)} if origin else {}
            ledger.start_run(looking_run(run_id, RunKind.AUDIT, settings, started, parameters))
            until_begun.pop_all()
        return cls(run_id, settings, ledger, RunFolder(settings.runs_folder / run_id), started, before)

    @property
    def lifecycle(self) -> Lifecycle:
        """The rules of the carrier that is audited."""
        return lifecycle_for(self.settings)

    def earlier(self, name: str) -> pl.DataFrame | None:
        """A table that the audit before left behind, if it is still there."""
        if self.before is None:
            return None
        try:
            folder = brought(self.settings, self.ledger, self.before.run_id, [f"work/{name}"])
            return folder.table(name) if folder.has(name) else None
        except LedgerError:
            progress.current().message(f"{name} of the audit before ({self.before.run_id}) is damaged and left out.")
            return None

    @asynccontextmanager
    async def carrier(self) -> AsyncIterator[Carrier]:
        """The carrier; every call to it is recorded."""
        async with recorded_carrier(self.settings, self.ledger, self.run_id) as (carrier, _):
            yield carrier

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Record what ends the audit in this block, and raise it on."""
        with head_in_errors(self.ledger, self.run_id):
            try:
                yield
            except SimtandemError as error:
                self.ledger.record_state(self.run_id, RunState.FAILED, {"error": str(error)}, sealed=True)
                raise

    def close(self) -> None:
        """Release the ledger."""
        self.ledger.close()


@contextmanager
def auditing_of(settings: Settings) -> Iterator[Audit]:
    """An audit from its beginning to its end, well or badly."""
    with auditing(Audit.begin(settings, {})) as audit:
        yield audit


@contextmanager
def auditing(audit: Audit) -> Iterator[Audit]:
    """An audit that has begun, to its end."""
    try:
        with audit.failing():
            yield audit
    finally:
        audit.close()


async def list_fleet(audit: Audit, carrier: Carrier) -> None:
    """Read every SIM and every endpoint; meanwhile, look up in the ledger where they were last put."""
    account = audit.settings.account_key
    if why := carrier.lifecycle.lacks(Ability.LIST_FLEET, "its fleet can't be audited; reconcile a file instead"):
        raise InputError(f"{why}.\nNothing was sent.")
    progress.current().begins(f"listing the whole fleet of {account}")
    began = datetime.now(UTC)
    looking_up = asyncio.create_task(asyncio.to_thread(_managed, audit.ledger, account))
    try:
        listing = await carrier.list_fleet()
    except BaseException:
        await asyncio.wait([looking_up])
        raise
    if not listing.whole:
        progress.current().message("The fleet kept changing while it was listed: some devices may be missing.")
    audit.folder.save_table("managed.parquet", await looking_up)
    audit.folder.save_table("inventory.parquet", listing.inventory)
    kept: FleetListing = {
        "sims": listing.sims or 0,  # the whole fleet was listed, so they are counted
        "endpoints": listing.inventory["endpoint_id"].drop_nulls().n_unique(),
        "whole": listing.whole,
        "listing_began": began.isoformat(),
        "listed_at": datetime.now(UTC).isoformat(),
    }
    audit.folder.save("fleet.json", kept)


def _managed(ledger: Ledger, account: AccountKey) -> pl.DataFrame:
    return sender_history.without_expectation(ledger, account, fleet_history.read_managed(ledger, account))


async def explain_changes(audit: Audit, carrier: Carrier) -> None:
    """Say of every status that is not what it was who changed it: by simtandem's record, then by the carrier's events.

    Events are read only for what simtandem's record does not explain. A carrier that won't give them stops nothing:
    what they would show stays open.
    """
    progress.current().begins("looking for who changed what")
    earlier = audit.earlier("explained.parquet")
    earlier = empty(Explained) if earlier is None else earlier
    still, told = attribution.already_explained(_changes(audit, earlier), earlier)
    events: pl.DataFrame | None = empty(Events)
    if still.height:
        since = still.select(pl.col("since").min()).item() - attribution.CLOCK_SKEW
        steps = fleet_history.read_steps(audit.ledger, audit.settings.account_key, since)
        ours = attribution.explain(still, steps, None, audit.lifecycle.events, datetime.now(UTC)).filter(
            pl.col("cause") == Cause.OURS
        )
        still = still.join(ours, on=["half", "ident"], how="anti")
        events = await _events_of(still, carrier)
        rules = audit.lifecycle
        found = attribution.explain(still, steps, events, rules.events, datetime.now(UTC), lag=audit.event_lag)
        told = pl.concat([told, ours, own_calls.explained(found, steps, rules)])
    audit.folder.save_table("explained.parquet", told.sort("half", "ident"))
    tests = empty(Events) if events is None else await _tests(audit, carrier)
    begun = (
        tests.filter(pl.col("type").is_in(audit.lifecycle.events.into(_ending(audit))))
        .select("sim_id", "at")
        .drop_nulls()
    )
    audit.folder.save_table("tests.parquet", begun)
    if events is not None:
        audit.folder.save_table("events.parquet", pl.concat([events, tests]).unique("event_id", maintain_order=True))


def judge(audit: Audit) -> pl.DataFrame:
    """The findings, dated and explained."""
    progress.current().begins("judging every pair")
    folder = audit.folder
    inventory, managed = folder.table("inventory.parquet"), folder.table("managed.parquet")
    earlier = audit.earlier("findings.parquet")
    findings = dated_findings(
        findings_of(inventory, managed, audit.lifecycle),
        audit.lifecycle,
        managed,
        folder.table("tests.parquet"),
        folder.table("explained.parquet"),
        empty(Findings) if earlier is None else earlier,
        listed_at(folder),
    )
    folder.save_table("findings.parquet", findings)
    return findings


def listed_at(folder: RunFolder) -> datetime:
    """When the fleet was listed."""
    return datetime.fromisoformat(str(folder.data("fleet.json")["listed_at"]))


def _changes(audit: Audit, earlier: pl.DataFrame) -> pl.DataFrame:
    """What left where simtandem put it, what changed since the audit before, and what it could not explain yet."""
    inventory, seen = audit.folder.table("inventory.parquet"), listed_at(audit.folder)
    drifted = attribution.drift(inventory, audit.folder.table("managed.parquet"), seen)
    still_open = attribution.open_questions(earlier, inventory)
    first = audit.earlier("inventory.parquet")
    if audit.before is None or first is None:
        return attribution.joined(drifted, still_open)
    since = datetime.fromisoformat(audit.before.told["listing_began"])
    return attribution.joined(drifted, still_open, attribution.changes_between(first, inventory, since, seen))


async def _events_of(changes: pl.DataFrame, carrier: Carrier) -> pl.DataFrame | None:
    """The events that could explain these changes; None where the carrier won't give them."""
    window = attribution.window(changes, datetime.now(UTC), carrier.lifecycle.events.kept)
    if window is None:
        return empty(Events)
    if why := carrier.lifecycle.lacks(Ability.EVENTS, "who changed a device is known of simtandem's own runs only"):
        progress.current().message(f"{why}.")
        return None
    sims = changes["iccid"].unique()
    iccids = [] if sims.has_nulls() else sorted(sims)
    try:
        return await carrier.events(*window, attribution.types_for(changes, carrier.lifecycle.events), iccids)
    except (CarrierRefused, CarrierUnavailable) as error:
        progress.current().message(f"The carrier's events could not be read: {error}")
        return None


def _ending(audit: Audit) -> list[str]:
    """The statuses that the carrier ends automatically."""
    return [one.name for one in audit.lifecycle.sims if one.becomes]


async def _tests(audit: Audit, carrier: Carrier) -> pl.DataFrame:
    """Events of moves to a status that ends automatically, where neither the ledger nor an older audit knows it."""
    inventory, managed = audit.folder.table("inventory.parquet"), audit.folder.table("managed.parquet")
    earlier = audit.earlier("findings.parquet")
    known = [managed.filter(pl.col("sim_status").is_in(_ending(audit)))["sim_id"]]
    if earlier is not None:
        known.append(earlier.filter(pl.col("finding") == Finding.FACTORY_TEST)["sim_id"])
    unknown = inventory.filter(
        pl.col("sim_status").is_in(_ending(audit)) & ~pl.col("sim_id").is_in(pl.concat(known).implode())
    )
    if unknown.is_empty() or Ability.EVENTS not in carrier.lifecycle.abilities:
        return empty(Events)
    now = datetime.now(UTC)
    iccids = sorted(unknown["iccid"].drop_nulls())
    try:
        return await carrier.events(
            now - audit.lifecycle.events.kept, now, audit.lifecycle.events.into(_ending(audit)), iccids
        )
    except (CarrierRefused, CarrierUnavailable) as error:
        progress.current().message(f"Since when SIMs are {' or '.join(_ending(audit))} could not be read: {error}")
        return empty(Events)
