"""Before anything is sent: read the file, list the carrier, plan the difference, ask the safety gate.

Each step leaves its result in the run's folder and is not done again where that is there already.
"""

import polars as pl

from schemas.own_columns import Places
from schemas.statuses import Action
from simtandem import intake, progress
from simtandem.carriers.protocol import Carrier, Listing
from simtandem.carriers.registry import calls_to_begin, contract_notes, pace_of
from simtandem.domain import charge_words, plan_summary, safety
from simtandem.domain.abilities import Ability
from simtandem.domain.device_lookup import as_listed, resolve
from simtandem.domain.plan import calls_needed, counts, digest, eta_seconds, make_plan
from simtandem.domain.plan_consequences import consequences
from simtandem.errors import InputError, PlanRefused
from simtandem.intake import Intake, Reading
from simtandem.ledger.claims import current_turn
from simtandem.ledger.records import SENDING, RunKind, RunState
from simtandem.reports.result_files import write_invalid, write_plan
from simtandem.reports.run_document import PlanSaid, selection_said
from simtandem.runs import retry, selecting, undo
from simtandem.runs.finish import finish
from simtandem.runs.foreign_devices import require_own
from simtandem.runs.input_file import bounds, local_files
from simtandem.runs.late_changes import wait_for_earlier
from simtandem.runs.look_pace import LookCost
from simtandem.runs.run import AskedOn, Run
from simtandem.runs.run_folder import IntakeRecord, ListingRecord, PlanRecord, RunFolder
from simtandem.runs.shared_files import share
from simtandem.runs.waiting_run import list_that_was_read

OWNERS, _NAMED = "owners.parquet", "named.parquet"
_IDS = {"id": pl.String, "sim_id": pl.String}
_FOUR_EYES = (
    "Another person has to approve what is sent (SIMTANDEM_FOUR_EYES), and this run has no approval. "
    "Nothing was sent.\nStart it from the form of bulk-update in Prefect, where it waits for one."
)
_LATENCY_S = 0.1  # assumed for the ETA; what counts is the call budget


def read_devices(run: Run) -> IntakeRecord:
    """Read and validate the run's file, and begin its record. Raises `InputError`."""
    if not run.folder.has("intake.json"):
        _ = run.pacing  # waves that can't be read are named before a list that can't
        others = f" and {len(run.request.more_files):,} more" if run.request.more_files else ""
        named = f"{run.request.file}{others}" if run.asked_on is AskedOn.TERMINAL else run.request.list_name
        if run.request.file:
            progress.current().begins(f"reading {'the pasted list' if run.request.pasted else named}")
        take_devices(run, list_that_was_read(run) or _devices(run))
    return run.folder.intake()


def _devices(run: Run) -> Intake:
    if run.request.undo_of:
        return undo.read_run(run)
    if run.request.retry_of:
        return retry.read_run(run)
    if run.request.where:
        selecting.selection_of(run)  # a mistake in it is named before a list is read
        if not run.request.file:
            return selecting.nothing_read(run)
    quoting = run.asked_on is AskedOn.TERMINAL  # elsewhere an error is shown to people who may not read that file
    reading = Reading(bounds(run.settings), quoting, run.request.sheet)
    read = intake.read_lists(local_files(run), run.request.target, reading, lifecycle=run.lifecycle)
    return selecting.before_selecting(read) if run.request.where else read


def take_devices(run: Run, intake: Intake) -> None:
    """Begin the run's record with devices that were read already."""
    kept = _keep(run, intake)
    run.ledger.start_run(run.record(kept))
    run.ledger.record_rejected(run.run_id, intake.rejected)
    if run.kind is not RunKind.PLAN:
        run.ledger.record_own(run.run_id, intake.own)
    share(run.settings, run.ledger, run.folder)


def _keep(run: Run, intake: Intake) -> IntakeRecord:
    for name in ("devices", "rejected", "repeats", "contested"):
        if (table := getattr(intake, name)) is not None:
            run.folder.save_table(f"{name}.parquet", table)
    run.folder.save_own(intake.own)
    write_invalid(intake.rejected, run.folder.file("invalid.csv"), run.folder.own())
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
        turn = current_turn(run.ledger.database, run.settings.account_key.file_name)
        if run.request.where:
            begun, listing, devices = await selecting.find_selected(run, carrier)
        else:
            begun, listing = await _found(run, carrier, devices)
        devices = as_listed(devices, listing.named)
        if listing.named:
            run.folder.save_table(
                _NAMED, pl.DataFrame({"id": [*listing.named], "sim_id": [*listing.named.values()]}, _IDS)
            )
        if not (run.request.retry_of or run.request.undo_of):
            require_own(run, devices, listing)
        asked = devices.filter(pl.col("owners").is_not_null())
        if asked.height:
            if why := carrier.lifecycle.lacks(Ability.OWNERS, "take the columns that ask for owners out of the file"):
                raise InputError(f"{why}.\nNothing was sent.")
            sims = resolve(asked, listing.inventory).filter(pl.col("reason") == "")["sim_id"]
            run.folder.save_table(OWNERS, await carrier.read_owners(sims.drop_nulls().unique().to_list()))
        run.folder.save_listing(listing, begun=begun, turn=turn)
    return run.folder.listing()


async def _found(run: Run, carrier: Carrier, devices: pl.DataFrame) -> tuple[str, Listing]:
    """The devices, read when no request of another run is under way for them; and when that reading began.

    Which SIMs are meant by ids that are not the carrier's own shows in the first reading only.
    """
    if run.kind in SENDING:
        sims = devices.select(pl.coalesce("iccid", "sim_id")).to_series().drop_nulls()
        await wait_for_earlier(run, carrier, sims.to_list())
    begun = run.ledger.clock().isoformat()
    listing = await carrier.find(devices)
    if run.kind in SENDING and listing.named and await wait_for_earlier(run, carrier, [*listing.named.values()]):
        begun = run.ledger.clock().isoformat()
        listing = await carrier.find(devices)
    return begun, listing


def plan_changes(run: Run) -> PlanRecord:
    """Plan the difference between file and inventory, and record the plan."""
    if not run.folder.has("plan.json"):
        progress.current().begins("planning")
        folder = run.folder
        plan = make_plan(
            undo.settle(run) if run.request.undo_of else folder.table("devices.parquet"),
            folder.table("repeats.parquet"),
            folder.table("inventory.parquet"),
            run.lifecycle,
            folder.table(OWNERS) if folder.has(OWNERS) else None,
            {(kind, ident): why for kind, ident, why in folder.listing().get("refused", [])},
            dict(folder.table(_NAMED).iter_rows()) if folder.has(_NAMED) else {},
            Places(folder.own()),
            folder.contested(),
        )
        if run.request.undo_of:
            plan = undo.turn_around(run, plan)
        write_plan(plan, folder.file("plan.csv"), folder.own())
        folder.save_table("plan.parquet", plan)
        kept = _describe(run, plan)
        if run.kind is not RunKind.PLAN:
            run.ledger.record_plan(run.run_id, plan)
        run.ledger.record_state(run.run_id, RunState.PLANNED, kept)
        folder.save("plan.json", kept)
        share(run.settings, run.ledger, folder)
    return run.folder.plan_counts()


def _describe(run: Run, plan: pl.DataFrame) -> PlanRecord:
    counted = counts(plan, run.lifecycle)
    changes = counted.sim_changes + counted.endpoint_changes
    calls = calls_needed(plan, run.request.batch_size, run.lifecycle)
    if changes:  # and what looking at devices again takes, before and after
        cost = LookCost.of(run.folder, run.settings)
        calls += cost.calls(counted.devices)
        costly = safety.costly(plan, run.lifecycle).height
        calls += cost.planned(counted.devices, costly, calls, run.request.batch_size)
        calls += calls_to_begin(run.settings, cost.calls(counted.devices))
    settings = run.settings
    eta = eta_seconds(calls, *pace_of(settings), counted.sim_changes, settings.sim_concurrency, _LATENCY_S)
    return {
        "digest": digest(plan, settings.carrier, settings.account),
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
        **selection_said(run.folder.selection()),
    }


def _summarize(run: Run, plan: pl.DataFrame) -> PlanSaid:
    """The sentence on the plan, which everything that shows the plan shows, and its numbers."""
    settings, invalid = run.settings, run.folder.intake()["invalid"]
    told = plan_summary.summary(
        plan, run.lifecycle, invalid=invalid, rate=settings.monthly_rate, currency=settings.currency
    )
    cost, said = told.monthly_cost, consequences(plan, run.lifecycle)
    said = [*said, *(contract_notes(settings) if said else []), *retry.changed_since(run, plan)]
    return {
        "summary": plan_summary.sentence(told, run.lifecycle),
        "changes": dict(told.changes),
        "monthly_cost": None if cost is None else float(cost),
        "currency": told.currency,
        **({"fees": sum(told.fees.values())} if told.fees else {}),
        **({"calls_at_least": True} if run.lifecycle.looks_per_change and any(told.changes.values()) else {}),
        **({"consequences": said} if said else {}),
        **({} if charge_words.known(run.lifecycle) else {"charges_known": False}),
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
    """Row and reason of everything invalid or refused, in the list's order."""
    rejected = folder.table("rejected.parquet")
    refused = folder.table("plan.parquet").filter(pl.col("action") == Action.REFUSED)
    told = [(row, f"{column} {value!r}: {reason}") for row, column, value, reason in rejected.iter_rows()]
    return sorted(told + list(refused.select("row", "reason").iter_rows()))
