"""Before anything is sent: read the file, list the carrier, plan the difference, ask the safety gate.

Each step leaves its result in the run's folder and is not done again where that is there already.
"""

import polars as pl

from schemas.statuses import Action
from simtandem import intake, progress
from simtandem.carriers.protocol import Carrier
from simtandem.carriers.registry import contract_notes, pace_of
from simtandem.domain import plan_summary, safety
from simtandem.domain.abilities import Ability
from simtandem.domain.device_lookup import resolve
from simtandem.domain.plan import calls_needed, counts, digest, eta_seconds, make_plan
from simtandem.domain.plan_consequences import consequences
from simtandem.errors import InputError, PlanRefused
from simtandem.intake import Intake
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.reports.result_files import write_invalid, write_plan
from simtandem.reports.run_document import PlanSaid
from simtandem.runs import retry, undo
from simtandem.runs.finish import finish
from simtandem.runs.foreign_devices import require_own
from simtandem.runs.fresh_look import LookCost
from simtandem.runs.input_file import bounds, local_file
from simtandem.runs.late_changes import wait_for_earlier
from simtandem.runs.run import AskedOn, Run
from simtandem.runs.run_folder import IntakeRecord, ListingRecord, PlanRecord, RunFolder

OWNERS = "owners.parquet"
_FOUR_EYES = (
    "Another person has to approve what is sent (SIMTANDEM_FOUR_EYES), and this run has no approval. "
    "Nothing was sent.\nStart it from the form of bulk-update in Prefect, where it waits for one."
)
_LATENCY_S = 0.1  # assumed for the ETA; what counts is the call budget


def read_devices(run: Run) -> IntakeRecord:
    """Read and validate the run's file, and begin its record. Raises `InputError`."""
    if not run.folder.has("intake.json"):
        named = run.request.file if run.asked_on is AskedOn.TERMINAL else run.request.list_name
        progress.current().begins(f"reading {'the pasted list' if run.request.pasted else named}")
        take_devices(run, _devices(run))
    return run.folder.intake()


def _devices(run: Run) -> Intake:
    if run.request.undo_of:
        return undo.read_run(run)
    if run.request.retry_of:
        return retry.read_run(run)
    quoting = run.asked_on is AskedOn.TERMINAL  # elsewhere an error is shown to people who may not read that file
    return intake.read_devices(
        local_file(run), run.request.target, bounds(run.settings), quoting=quoting, lifecycle=run.lifecycle
    )


def take_devices(run: Run, intake: Intake) -> None:
    """Begin the run's record with devices that were read already."""
    kept = _keep(run, intake)
    run.ledger.start_run(run.record(kept))
    run.ledger.record_rejected(run.run_id, intake.rejected)


def _keep(run: Run, intake: Intake) -> IntakeRecord:
    for name in ("devices", "rejected", "repeats"):
        run.folder.save_table(f"{name}.parquet", getattr(intake, name))
    write_invalid(intake.rejected, run.folder.file("invalid.csv"))
    kept: IntakeRecord = {
        "file": intake.file,
        "sha256": intake.sha256,
        "rows": intake.rows,
        "invalid": intake.rejected.height,
        "notes": [*intake.notes, *run.settings.warnings],
    }
    run.folder.save("intake.json", kept)
    return kept


async def list_inventory(run: Run, carrier: Carrier) -> ListingRecord:
    """Read the devices asked for from the carrier. Raises `CarrierError`."""
    if not run.folder.has("listing.json"):
        progress.current().begins(f"listing the fleet of {run.settings.account_key}")
        devices = run.folder.table("devices.parquet")
        if run.kind in SENDING:
            sims = devices.select(pl.coalesce("iccid", "sim_id")).to_series().drop_nulls()
            await wait_for_earlier(run, carrier, sims.to_list())
        begun = run.ledger.clock().isoformat()
        listing = await carrier.find(devices)
        if not (run.request.retry_of or run.request.undo_of):
            require_own(run, devices, listing.inventory)
        run.folder.save_table("inventory.parquet", listing.inventory)
        asked = devices.filter(pl.col("owners").is_not_null())
        if asked.height:
            if why := carrier.lifecycle.lacks(Ability.OWNERS, "take the columns that ask for owners out of the file"):
                raise InputError(f"{why}.\nNothing was sent.")
            sims = resolve(asked, listing.inventory).filter(pl.col("reason") == "")["sim_id"]
            run.folder.save_table(OWNERS, await carrier.read_owners(sims.drop_nulls().unique().to_list()))
        kept: ListingRecord = {
            "devices": listing.inventory.height,
            "begun": begun,
            "whole": listing.whole,
            "sims": listing.sims,
            "activated": listing.activated,
            "pages": listing.pages,
            "refused": [(*which, why) for which, why in listing.refused.items()],
        }
        run.folder.save("listing.json", kept)
    return run.folder.listing()


def plan_changes(run: Run) -> PlanRecord:
    """Plan the difference between file and inventory, and record the plan."""
    if not run.folder.has("plan.json"):
        progress.current().begins("planning")
        folder = run.folder
        plan = make_plan(
            folder.table("devices.parquet"),
            folder.table("repeats.parquet"),
            folder.table("inventory.parquet"),
            run.lifecycle,
            folder.table(OWNERS) if folder.has(OWNERS) else None,
            {(kind, ident): why for kind, ident, why in folder.listing().get("refused", [])},
        )
        if run.request.undo_of:
            plan = undo.turn_around(run, plan)
        write_plan(plan, folder.file("plan.csv"))
        folder.save_table("plan.parquet", plan)
        kept = _describe(run, plan)
        if run.kind is not RunKind.PLAN:
            run.ledger.record_plan(run.run_id, plan)
        run.ledger.record_state(run.run_id, RunState.PLANNED, kept)
        folder.save("plan.json", kept)
    return run.folder.plan_counts()


def _describe(run: Run, plan: pl.DataFrame) -> PlanRecord:
    counted = counts(plan, run.lifecycle)
    changes = counted.sim_changes + counted.endpoint_changes
    calls = calls_needed(plan, run.request.batch_size, run.lifecycle)
    if changes:  # and what looking at devices again takes, before and after
        cost = LookCost.of(run.folder, run.settings)
        calls += cost.calls(counted.devices)
        calls += cost.planned(
            safety.costly(plan, run.lifecycle).height, calls - pace_of(run.settings)[0], run.request.batch_size
        )
    settings = run.settings
    eta = eta_seconds(calls, *pace_of(settings), counted.sim_changes, settings.sim_concurrency, _LATENCY_S)
    return {
        "digest": digest(plan, settings.carrier),
        "calls": calls,
        "eta_s": eta,
        "newly_billed_limit": settings.max_newly_billed,
        "devices": counted.devices,
        "sim_changes": counted.sim_changes,
        "endpoint_changes": counted.endpoint_changes,
        "unchanged": counted.unchanged,
        "refused": counted.refused,
        "newly_billed": counted.newly_billed,
        "repeats": counted.repeats,
        "owner_changes": counted.owner_changes,
        "targets": counted.targets,
        "billed_for_good": counted.billed_for_good,
        **_summarize(run, plan),
    }


def _summarize(run: Run, plan: pl.DataFrame) -> PlanSaid:
    """The sentence on the plan, which everything that shows the plan shows, and its numbers."""
    settings, invalid = run.settings, run.folder.intake()["invalid"]
    told = plan_summary.summary(
        plan, run.lifecycle, invalid=invalid, rate=settings.monthly_rate, currency=settings.currency
    )
    cost, said = told.monthly_cost, consequences(plan, run.lifecycle)
    return {
        "summary": plan_summary.sentence(told, run.lifecycle),
        "changes": dict(told.changes),
        "monthly_cost": None if cost is None else float(cost),
        "currency": told.currency,
        **({"fees": sum(told.fees.values())} if told.fees else {}),
        **({"consequences": [*said, *contract_notes(settings)]} if said else {}),
    }


async def check_safety(run: Run, carrier: Carrier) -> None:
    """Let the plan pass, or end the run and raise `PlanRefused`.

    Where four eyes are demanded, only an approval lets a plan pass that changes something.
    """
    try:
        await ask_gate(run, carrier)
        if run.approval is None and run.settings.four_eyes and run.kind in SENDING and changes_something(run):
            raise PlanRefused(_FOUR_EYES, "Not approved")
    except PlanRefused as refusal:
        finish(run, RunState.REFUSED, why=str(refusal))
        raise


def changes_something(run: Run) -> bool:
    """Whether anything would be sent for the plan."""
    plan = run.folder.plan_counts()
    return bool(plan["sim_changes"] + plan["endpoint_changes"])


def check_digest(run: Run) -> None:
    """Let the plan that the run is pinned to pass, or end the run and raise `PlanRefused`. No approval helps."""
    pinned, digest = run.request.plan_digest or None, run.folder.plan_counts()["digest"]
    try:
        safety.check_digest(run.settings.carrier, expected=pinned, digest=digest)
    except PlanRefused as refusal:
        finish(run, RunState.REFUSED, why=str(refusal))
        raise


async def foreseen_refusal(run: Run, carrier: Carrier) -> str:
    """What the safety gate would say to carrying the plan out; empty where it would let it pass."""
    try:
        await ask_gate(run, carrier)
    except PlanRefused as refusal:
        return str(refusal)
    return ""


async def ask_gate(run: Run, carrier: Carrier) -> None:
    """Let the plan pass or raise `PlanRefused`."""
    plan = run.folder.table("plan.parquet")
    if (why := carrier.lifecycle.cannot_change) and changes_something(run):
        raise PlanRefused(why, "Not described")
    sims, activated = await _count_fleet(run, carrier, plan)
    _check(run, plan, sims, activated)


async def _count_fleet(run: Run, carrier: Carrier, plan: pl.DataFrame) -> tuple[int | None, int | None]:
    """SIMs of the fleet and charged ones; the carrier is asked only where what was listed is not enough."""
    listing, suspending = run.folder.listing(), safety.suspending(plan, run.lifecycle)
    sims, activated = listing["sims"], listing["activated"]
    limits = _limits(run)
    enough = sims and sims >= limits.suspend_fleet_min and suspending <= limits.suspend_share * (activated or 0)
    if listing["whole"] or not suspending or enough or run.request.accept_large:
        return sims, activated
    if Ability.COUNT_FLEET not in carrier.lifecycle.abilities:
        return None, None  # then the limit is a number, not a share
    return await carrier.count_fleet()


def _limits(run: Run) -> safety.Limits:
    settings = run.settings
    return safety.Limits(suspend_share=settings.max_suspend_share, newly_billed=settings.max_newly_billed)


def _check(run: Run, plan: pl.DataFrame, sims: int | None, activated: int | None) -> None:
    request = run.request
    safety.check(
        plan,
        lifecycle=run.lifecycle,
        fleet_sims=sims,
        fleet_activated=activated,
        limits=_limits(run),
        accept_large=request.accept_large,
        change_owners=request.change_owners,
        expected_digest=request.plan_digest or None,
        digest=run.folder.plan_counts()["digest"],
    )


def problems(folder: RunFolder) -> list[tuple[int, str]]:
    """Row and reason of everything invalid or refused, in the file's order."""
    rejected = folder.table("rejected.parquet")
    refused = folder.table("plan.parquet").filter(pl.col("action") == Action.REFUSED)
    told = [(row, f"{column} {value!r}: {reason}") for row, column, value, reason in rejected.iter_rows()]
    return sorted(told + list(refused.select("row", "reason").iter_rows()))
