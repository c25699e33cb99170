"""A run of SIM actions: what is asked, and its steps up to the first call.

It shares with other runs the folder, the record, the call budget, the lock, the settings' safety limits and the report.
Its plan and outcomes are of its own, so that nothing that reads statuses takes an action for one. It needs no Prefect.
"""

from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import polars as pl

from schemas.own_columns import Places
from schemas.parameters import BulkUpdate
from schemas.sim_actions import SimAction
from schemas.statuses import Half
from schemas.tables import Devices, Inventory, Rejected, Repeats, empty
from simtandem import progress
from simtandem.carriers.protocol import Listing
from simtandem.carriers.registry import devices_of, pace_of
from simtandem.carriers.sim_actions import ActingCarrier
from simtandem.domain import action_safety, safety
from simtandem.domain.action_inverse import inverse_wishes, without_later
from simtandem.domain.action_plan import Listed, Reset, digest, make_action_plan
from simtandem.domain.action_summary import counted, sentence
from simtandem.domain.plan import eta_seconds
from simtandem.domain.sim_actions import Batch
from simtandem.errors import InputError, PlanRefused
from simtandem.intake import Intake, Reading
from simtandem.intake.action_list import read_actions
from simtandem.ledger import action_records
from simtandem.ledger.claims import current_turn
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports import batch_codes
from simtandem.reports.action_files import write_action_plan
from simtandem.reports.result_files import write_invalid
from simtandem.runs.earlier_resets import earlier_resets
from simtandem.runs.foreign_devices import require_own
from simtandem.runs.input_file import bounds, local_files
from simtandem.runs.look_pace import LookCost
from simtandem.runs.run import AskedOn, Run, new_run_id
from simtandem.runs.run_folder import IntakeRecord, PlanRecord, RunFolder
from simtandem.runs.shared_files import share
from simtandem.runs.undo import find
from simtandem.settings import Settings

_FOUR_EYES = (
    "Another person has to approve what is sent (SIMTANDEM_FOUR_EYES), and there is no form to approve SIM actions in. "
    "Nothing was sent.\nShow that person the plan (--dry-run), and let them send it with --plan DIGEST where "
    "SIMTANDEM_FOUR_EYES is not set, or do it together in the carrier's portal."
)
_LATENCY_S = 0.1  # assumed for the ETA; what counts is the call budget


class ActionPlanRecord(PlanRecord):
    """`plan.json` of a run of SIM actions. `idle` counts the SIMs that are charged for nothing afterwards."""

    idle: int


@dataclass(slots=True)
class ActionRun(Run):
    """One run of SIM actions. `do` is the action of rows without one of their own.

    `again`: resets that an earlier run sent are sent once more.
    """

    do: SimAction | None = None
    again: bool = False

    @classmethod
    def start(cls, request: BulkUpdate, do: SimAction | None, settings: Settings, *, plan_only: bool) -> "ActionRun":
        """Open the ledger and name the run."""
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        with ExitStack() as until_begun:
            ledger = until_begun.enter_context(Ledger.open(settings.ledger(), heads_file=settings.heads_file))
            until_begun.pop_all()
        kind = RunKind.PLAN if plan_only else RunKind.ACTION
        folder = RunFolder(settings.runs_folder / run_id)
        return cls(run_id, kind, request, settings, ledger, folder, started, AskedOn.TERMINAL, do=do)

    @property
    def plans_only(self) -> bool:
        """Whether nothing is sent."""
        return self.kind is RunKind.PLAN

    def record(self, intake: IntakeRecord) -> RunRecord:
        """What the ledger keeps of this run from its start."""
        asked = Run.record(self, intake)
        return replace(asked, parameters={**asked.parameters, "action": str(self.do or "as in file")})


def read_wishes(run: ActionRun) -> IntakeRecord:
    """Read and validate the run's files, or the run to undo, and begin its record. Raises `InputError`."""
    others = f" and {len(run.request.more_files):,} more" if run.request.more_files else ""
    progress.current().begins(f"reading {'the codes given' if run.request.pasted else run.request.file}{others}")
    if run.request.undo_of:
        intake = _of_undo(run)
    else:
        reading = Reading(bounds(run.settings), sheet=run.request.sheet)
        intake = read_actions(local_files(run), run.do, reading, lifecycle=run.lifecycle)
    name = batch_codes.called(run.request.file) if run.request.pasted else intake.file
    folder = run.folder
    folder.save_table("wishes.parquet", intake.devices)
    folder.save_table("rejected.parquet", intake.rejected)
    folder.save_own(intake.own)
    write_invalid(intake.rejected, folder.file("invalid.csv"), folder.own())
    kept: IntakeRecord = {
        "file": name,
        "sha256": intake.sha256,
        "rows": intake.rows,
        "invalid": intake.rejected.height,
        "notes": [*intake.notes, *run.settings.warnings],
    }
    folder.save("intake.json", kept)
    run.ledger.start_run(run.record(kept))
    run.ledger.record_rejected(run.run_id, intake.rejected)
    if not run.plans_only:
        run.ledger.record_own(run.run_id, intake.own)
    share(run.settings, run.ledger, folder)
    return kept


def _of_undo(run: ActionRun) -> Intake:
    """What takes the named run back, under its row numbers. Raises `InputError` where nothing does."""
    undone = find(run.ledger, run.request.undo_of, run.settings.account_key)
    run_id = undone.record.run_id
    plan = action_records.read_plan(run.ledger, run_id)
    calls = action_records.calls_sent(run.ledger, run.settings.account_key)
    own = calls.filter(pl.col("run_id") == run_id)
    outcomes = action_records.read_outcomes(run.ledger, run_id)
    wishes, notes = inverse_wishes(plan, outcomes, _endpoints(own), run.lifecycle)
    if wishes.is_empty():
        why = f" {' '.join(notes)}" if notes else ""
        raise InputError(f"Run {run_id} did nothing that can be undone.{why} Nothing was sent.")
    since = own["at"].min() or ""
    later = calls.filter((pl.col("run_id") != run_id) & (pl.col("at") > since))
    run.folder.save("later.json", _endpoints(later))
    return Intake(
        devices=wishes,
        rejected=empty(Rejected),
        repeats=empty(Repeats),
        rows=wishes.height,
        file=f"undo of {run_id}",
        sha256="",
        own=run.ledger.own(run_id).join(wishes.select("row"), on="row", how="semi"),
        notes=(f"Row numbers are those of {undone.record.file}, the file of run {run_id}.", *notes),
    )


def _endpoints(calls: pl.DataFrame) -> dict[str, str]:
    """The endpoints that calls named, each with the run that sent the last of them."""
    return {
        ident: run_id
        for run_id, path, body in calls.select("run_id", "path", "body").iter_rows()
        for half, ident in devices_of(path, body)
        if half is Half.ENDPOINT
    }


async def list_devices(run: ActionRun, carrier: ActingCarrier) -> None:
    """Read what the rows name from the carrier. Raises `CarrierError`, and `InputError` for another account's ids."""
    progress.current().begins(f"listing the fleet of {run.settings.account_key}")
    wishes = run.folder.table("wishes.parquet")
    named = named_devices(wishes)
    begun = run.ledger.clock().isoformat()
    turn = current_turn(run.ledger.database, run.settings.account_key.file_name)
    listing = (
        await carrier.find(named) if named.height else Listing(empty(Inventory), whole=False, sims=None, activated=None)
    )
    run.folder.save("batches.json", {bic: asdict(batch) for bic, batch in (await batches_of(carrier, wishes)).items()})
    resets = {}
    if (wishes["action"] == SimAction.RESET_CONNECTIVITY).any():
        resets = await earlier_resets(run, carrier, run.folder.intake()["sha256"])
    run.folder.save("resets.json", {} if run.again else {key: asdict(each) for key, each in resets.items()})
    if not run.request.undo_of:
        require_own(run, named, listing)
    run.folder.save_listing(listing, begun=begun, turn=turn)


async def batches_of(carrier: ActingCarrier, rows: pl.DataFrame) -> dict[str, Batch]:
    """The batches that rows name, as the carrier describes them now. Raises `CarrierError`."""
    return {bic: await carrier.look_at_batch(bic) for bic in rows["bic"].drop_nulls().unique(maintain_order=True)}


async def look(
    carrier: ActingCarrier, rows: pl.DataFrame, *, by_id: bool = False
) -> tuple[pl.DataFrame, dict[str, Batch]]:
    """The devices and batches that rows of a plan name, read as `Carrier.read` does. Raises `CarrierError`."""
    pairs = rows.filter(pl.col("bic").is_null()).select("sim_id", "endpoint_id")
    inventory = await carrier.read(pairs, by_id=by_id) if pairs.height else empty(Inventory)
    return inventory, await batches_of(carrier, rows)


def named_devices(wishes: pl.DataFrame) -> pl.DataFrame:
    """The SIMs and the endpoints that wishes name, as `schemas.tables.Devices`: what belongs together shows later."""
    sims = wishes.filter(pl.col("sim_id").is_not_null() | pl.col("iccid").is_not_null())
    endpoints = wishes.filter(pl.col("endpoint_id").is_not_null())
    nothing = pl.lit(None, pl.String)
    parts = [
        sims.select("sim_id", "iccid", endpoint_id=nothing),
        endpoints.select("endpoint_id", sim_id=nothing, iccid=nothing),
    ]
    ids = pl.concat([part.select("sim_id", "endpoint_id", "iccid") for part in parts]).unique(maintain_order=True)
    numbered = ids.with_row_index("row", 2).with_columns(pl.col("row").cast(pl.Int64), desired=nothing, owners=nothing)
    return Devices.validate(numbered.select(empty(Devices).columns))


def plan_actions(run: ActionRun) -> ActionPlanRecord:
    """Plan the difference between what is asked and what is listed, and record the plan."""
    progress.current().begins("planning")
    folder = run.folder
    refused = {(kind, ident): why for kind, ident, why in folder.listing().get("refused", [])}
    batches = {
        bic: Batch(**told) for bic, told in cast("dict[str, dict[str, Any]]", folder.data("batches.json")).items()
    }
    sent = cast("dict[str, dict[str, Any]]", folder.data("resets.json"))
    resets = {endpoint: Reset(**each) for endpoint, each in sent.items()}
    listed = Listed.of(folder.table("inventory.parquet"), refused, batches, resets)
    plan = make_action_plan(folder.table("wishes.parquet"), listed, run.lifecycle, Places(folder.own()))
    if run.request.undo_of:
        plan = without_later(plan, cast("dict[str, str]", folder.data("later.json")))
    write_action_plan(plan, folder.file("plan.csv"), folder.own())
    folder.save_table("plan.parquet", plan)
    kept = _described(run, plan)
    if run.kind is not RunKind.PLAN:
        action_records.record_plan(run.ledger, run.run_id, plan)
    run.ledger.record_state(run.run_id, RunState.PLANNED, kept)
    folder.save("plan.json", kept)
    share(run.settings, run.ledger, folder)
    return kept


def _described(run: ActionRun, plan: pl.DataFrame) -> ActionPlanRecord:
    counts, settings = counted(plan, run.lifecycle.charged), run.settings
    on_pairs = counts.to_send - counts.actions[SimAction.REGISTER_BATCH]
    calls = counts.to_send + (LookCost.of(run.folder, settings).fresh(counts.to_send) if counts.to_send else 0)
    return {
        "digest": digest(plan, settings.carrier, settings.account),
        "calls": calls,
        "eta_s": eta_seconds(calls, *pace_of(settings), counts.to_send, 1, _LATENCY_S),
        "newly_billed_limit": settings.max_newly_billed,
        "devices": counts.rows,
        "sim_changes": counts.registered,
        "endpoint_changes": on_pairs,
        "unchanged": counts.unchanged,
        "refused": counts.refused,
        "newly_billed": counts.newly_billed,
        "billed_for_good": counts.newly_billed,
        "repeats": counts.repeats,
        "owner_changes": 0,
        "targets": {},
        "summary": sentence(counts, run.folder.intake()["invalid"]),
        "changes": counts.actions,
        "actions": counts.actions,
        "idle": counts.idle,
    }


def check(run: ActionRun) -> None:
    """Let the plan pass, or raise `PlanRefused`. Nothing helps against another digest than the one asked for."""
    carrier, plan = run.settings.carrier, run.folder.table("plan.parquet")
    safety.check_digest(carrier, expected=run.request.plan_digest or None, digest=run.folder.plan_counts()["digest"])
    counts = counted(plan, run.lifecycle.charged)
    most = run.settings.max_newly_billed
    action_safety.check(carrier, counts, most_billed=most, accept_large=run.request.accept_large)
    if run.settings.four_eyes and counts.to_send and run.kind is RunKind.ACTION:
        raise PlanRefused(_FOUR_EYES, "Not approved")
