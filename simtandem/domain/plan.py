"""Compare what is asked for with what the carrier holds, and write down the difference. Pure.

One plan row for each input row, sorted, and the same plan for the same input for any order of the inventory. A row
gets the steps it needs, none, or a refusal that says why and names the legal way.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from schemas import own_columns
from schemas.accounts import DEFAULT
from schemas.own_columns import Places
from schemas.statuses import Action
from schemas.tables import Plan
from simtandem.domain import ownership
from simtandem.domain.batches import split
from simtandem.domain.device_lookup import as_listed, resolve
from simtandem.domain.lifecycle import Lifecycle

_COLUMNS = list(Plan.to_schema().columns)
_LABELS = {"reason", "named_as"}
_STATES = _COLUMNS[: _COLUMNS.index("owners_after") + 1]  # row, device, where it is, and where it should be
_NOTHING: Mapping[tuple[str, str], str] = MappingProxyType({})
_NAMES: Mapping[str, str] = MappingProxyType({})
_ONE_FILE = Places(own_columns.none())
_HASHED_ROWS = 65_536  # hashed at a time, so that a digest needs little memory


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """A plan in numbers: rows, but SIM and endpoint changes count steps.

    `devices` are its rows without repeats, and `targets` counts them by the status that is asked for.
    `billed_for_good`: of the newly billed SIMs those from a status that nothing goes back to.
    """

    devices: int
    sim_changes: int
    endpoint_changes: int
    unchanged: int
    refused: int
    newly_billed: int
    repeats: int
    owner_changes: int
    targets: dict[str, int]
    billed_for_good: int = field(default=0, compare=False)


def make_plan(
    devices: pl.DataFrame,
    repeats: pl.DataFrame,
    inventory: pl.DataFrame,
    lifecycle: Lifecycle,
    owners: pl.DataFrame | None = None,
    unread: Mapping[tuple[str, str], str] = _NOTHING,
    named: Mapping[str, str] = _NAMES,
    places: Places = _ONE_FILE,
    contested: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The plan (`schemas.tables.Plan`) for the input rows, given what the carrier holds.

    `owners` (`schemas.tables.Owners`) is needed where rows ask for other owners, and may hold more than those SIMs.
    `unread` says why the carrier would not show a device, or would not change one that it shows, by the kind of id and
    the id: its rows are refused with that.
    `named` has the carrier's id for a SIM for each other id that rows name it by, `places` say where rows are.
    A device named by two rows in different ways is changed once if they ask the same, and refused for both if they
    don't, also where the other is one of the `contested` rows, which are not used.
    Every row of `repeats` must repeat a row of `devices`; else the caller has a fault, and a ValueError says so.
    """
    listed = as_listed(devices, named)
    unused = None if contested is None else as_listed(contested, named)
    found = _add_unread(resolve(listed, inventory, places, unused), unread)
    resolved = found.join(listed.select("row", "named_as"), on="row")
    moved = _refuse_locked(_add_moves(resolved, lifecycle), unread)
    planned = _add_steps(_add_owners(moved, owners), lifecycle)
    plan = pl.concat([planned, _repeat_rows(planned, repeats)]).sort("row")
    repeated = pl.format("same device and status as {}; sent once", places.named(plan, "same_as"))
    return plan.with_columns(reason=pl.when(pl.col("action") == Action.REPEAT).then(repeated).otherwise("reason"))


def _add_unread(resolved: pl.DataFrame, unread: Mapping[tuple[str, str], str]) -> pl.DataFrame:
    """Say of rows whose device was not found why the carrier would not show it."""
    told = _told(unread)
    if not told:
        return resolved
    return resolved.with_columns(
        reason=pl.when(pl.col("reason") != "").then(pl.coalesce(*told, "reason")).otherwise(pl.lit(""))
    )


def _told(unread: Mapping[tuple[str, str], str]) -> list[pl.Expr]:
    """What is said of a row's device, by each of its ids."""
    return [
        pl.col(kind).replace_strict(
            {ident: why for (named, ident), why in unread.items() if named == kind},
            default=None,
            return_dtype=pl.String,
        )
        for kind in sorted({kind for kind, _ in unread})
    ]


def _refuse_locked(moved: pl.DataFrame, unread: Mapping[tuple[str, str], str]) -> pl.DataFrame:
    """Refuse to change the SIMs of which the carrier says why it would not."""
    told = _told(unread)
    if not told:
        return moved
    changes = (pl.col("reason") == "") & pl.col("sim_before").ne_missing(pl.col("sim_after"))
    return moved.with_columns(reason=pl.when(changes).then(pl.coalesce(*told, "reason")).otherwise("reason"))


def _add_moves(resolved: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Add where the halves should go. The lifecycle is asked once for each state that occurs: some dozens at most."""
    state = ["sim_before", "endpoint_before", "desired"]
    found = pl.col("reason") == ""
    moves = [
        (*way, move.sim_after, move.endpoint_after, move.first, move.refusal)
        for way in resolved.filter(found).select(state).unique().iter_rows()
        for move in [lifecycle.move(*way)]
    ]
    columns = [*state, "sim_after", "endpoint_after", "first", "refusal"]
    table = pl.DataFrame(moves, schema=dict.fromkeys(columns, pl.String), orient="row")
    device = pl.coalesce(pl.format("SIM {}", "sim_id"), pl.format("endpoint {}", "endpoint_id"), pl.lit("row"))
    refusal = pl.when(pl.col("refusal") != "").then(pl.format("{}: {}", device, "refusal")).otherwise(pl.lit(""))
    return resolved.join(table, on=state, how="left", nulls_equal=True).with_columns(
        reason=pl.when(found).then(refusal).otherwise("reason")
    )


def _add_owners(moved: pl.DataFrame, owners: pl.DataFrame | None) -> pl.DataFrame:
    """Add whose the SIMs are and whose they should be, and refuse rows of which that is not known."""
    looked = ownership.look(moved, "owners", owners, "owners_before")
    unread = pl.col("owners").is_not_null() & pl.col("owners_before").is_null() & (pl.col("reason") == "")
    untold = pl.format("SIM {}: the carrier does not say whose it is, so its owner can't be changed", "sim_id")
    return looked.with_columns(owners_after="owners", reason=pl.when(unread).then(untold).otherwise("reason"))


def _add_steps(moved: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """Turn moves into steps: only the halves that differ, and none for rows that are refused or repeat another."""
    repeat, refused = pl.col("same_as").is_not_null(), pl.col("reason") != ""
    sends = ~repeat & ~refused
    stepped = moved.with_columns(
        sim_step=(sends & (_differs("sim") | _differs("owners"))).fill_null(value=False),
        endpoint_step=(sends & _differs("endpoint")).fill_null(value=False),
    )
    changes = pl.col("sim_step") | pl.col("endpoint_step")
    return stepped.select(
        *_STATES,
        "sim_step",
        "endpoint_step",
        first=pl.when(changes).then("first"),
        action=pl.when(repeat)
        .then(pl.lit(Action.REPEAT.value))
        .when(refused)
        .then(pl.lit(Action.REFUSED.value))
        .when(changes)
        .then(pl.lit(Action.CHANGE.value))
        .otherwise(pl.lit(Action.UNCHANGED.value)),
        reason="reason",
        newly_billed=pl.col("sim_step") & _becomes_charged(lifecycle),
        same_as="same_as",
        named_as="named_as",
    )


def _becomes_charged(lifecycle: Lifecycle) -> pl.Expr:
    """Whether the SIM's move makes it cost its monthly fee."""
    before, after = (pl.col(f"sim_{when}").is_in(list(lifecycle.charged)) for when in ("before", "after"))
    return (after & ~before).fill_null(value=False)


def _differs(what: str) -> pl.Expr:
    """Whether something should be otherwise than it is; no where nothing is known or asked."""
    return (pl.col(f"{what}_after") != pl.col(f"{what}_before")).fill_null(value=False)


def changes_owners() -> pl.Expr:
    """Whether a plan row has a step that changes an owner."""
    return pl.col("sim_step") & _differs("owners")


def _repeat_rows(planned: pl.DataFrame, repeats: pl.DataFrame) -> pl.DataFrame:
    """Plan rows for the repeats found at intake: the kept row's device and states, no steps of their own.

    Where the kept row turned out to repeat a still earlier one, that one is named.
    """
    kept = planned.select(*_STATES, "named_as", earlier="same_as").rename({"row": "kept"})
    joined = repeats.join(kept, left_on="same_as", right_on="kept", how="left", coalesce=False)
    lost = joined.filter(pl.col("kept").is_null())
    if lost.height:
        raise ValueError(f"row {lost['row'][0]} repeats row {lost['same_as'][0]}, which is not among the devices")
    same_as = pl.coalesce("earlier", "same_as")
    return joined.with_columns(same_as=same_as).select(
        *_STATES,
        sim_step=pl.lit(value=False),
        endpoint_step=pl.lit(value=False),
        first=pl.lit(None, pl.String),
        action=pl.lit(Action.REPEAT.value),
        reason=pl.lit(""),
        newly_billed=pl.lit(value=False),
        same_as="same_as",
        named_as="named_as",
    )


def digest(plan: pl.DataFrame, carrier: str, account: str = DEFAULT) -> str:
    """16 hex characters that stand for this plan at this carrier, for this account.

    They change with anything that would be sent, and with any state the plan was made from; not with the wording of a
    reason, nor with devices the plan has no row for.
    """
    whose = carrier if account == DEFAULT else f"{carrier} {account}"
    sha = hashlib.sha256(f"simtandem plan 1 {whose}\n".encode())
    without = _LABELS if plan["owners_after"].count() else {*_LABELS, "owners_before", "owners_after"}
    rows = plan.sort("row").select(column for column in _COLUMNS if column not in without)
    for part in rows.iter_slices(_HASHED_ROWS):
        sha.update(part.write_ndjson().encode())
    return sha.hexdigest()[:16]


def counts(plan: pl.DataFrame, lifecycle: Lifecycle) -> PlanCounts:
    """Count a plan's rows and steps. Changes, unchanged and refused rows add up to `devices`."""
    action = plan["action"]
    repeats = int((action == Action.REPEAT).sum())
    return PlanCounts(
        devices=plan.height - repeats,
        sim_changes=int(plan["sim_step"].sum()),
        endpoint_changes=int(plan["endpoint_step"].sum()),
        unchanged=int((action == Action.UNCHANGED).sum()),
        refused=int((action == Action.REFUSED).sum()),
        newly_billed=int(plan["newly_billed"].sum()),
        repeats=repeats,
        owner_changes=plan.filter(changes_owners()).height,
        targets=_targets(plan, lifecycle),
        billed_for_good=plan.filter(
            pl.col("newly_billed") & pl.col("sim_before").is_in(list(lifecycle.without_return))
        ).height,
    )


def _targets(plan: pl.DataFrame, lifecycle: Lifecycle) -> dict[str, int]:
    """How many devices each status is asked for, those already there and those refused included."""
    asked = plan.filter(pl.col("action") != Action.REPEAT)["desired"]
    return {str(goal.word): int((asked == goal.word).sum()) for goal in lifecycle.goals}


def calls_needed(plan: pl.DataFrame, batch_size: int, lifecycle: Lifecycle) -> int:
    """How many calls change the plan's devices if none fails: one a SIM, one for each batch that changes endpoints.

    Where a carrier takes many SIMs in a call, or is asked until a change shows, its lifecycle says so. Listing before
    and after is not part of it.
    """
    batches = split(plan, batch_size, lifecycle)
    endpoint_calls = sum(bool(batch.rows["endpoint_step"].any()) for batch in batches)
    sim_calls = sum(math.ceil(int(batch.rows["sim_step"].sum()) / lifecycle.bulk_sims) for batch in batches)
    return sim_calls * (1 + lifecycle.looks_per_change) + endpoint_calls


def eta_seconds(
    calls: int, capacity: int, window_s: float, sim_changes: int, concurrency: int, latency_s: float
) -> float:
    """The least a run can take: `capacity` calls in each window, and `concurrency` SIM calls of `latency_s` at a time.

    The first window's calls go at once; each full window after that is waited for, and the last calls take their time.
    """
    waits = max(0, math.ceil(calls / capacity) - 1)
    last = min(sim_changes, calls - waits * capacity)
    return max(
        math.ceil(sim_changes / concurrency) * latency_s,
        waits * window_s + math.ceil(last / concurrency) * latency_s,
    )
