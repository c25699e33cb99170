"""The gate between a plan and the carrier, and the rule that stops a run that goes wrong. Pure.

A wrong file can switch off a fleet. So a plan that would suspend a large share of it is refused until someone has
looked at the plan and says so.
"""

from dataclasses import dataclass

import polars as pl

from schemas.statuses import Action, Half
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.plan import changes_owners
from simtandem.errors import PlanRefused


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan may do without a person's word for it.

    `suspend_share`: of the fleet's charged SIMs, more than this may not be suspended; fleets under
    `suspend_fleet_min` SIMs are too small to judge by a share. `newly_billed`: how many SIMs may become charged; None
    sets no limit.
    """

    suspend_share: float = 0.30
    suspend_fleet_min: int = 10
    newly_billed: int | None = None


@dataclass(frozen=True, slots=True)
class StopRule:
    """When a run has failed often enough to stop: more than `share` of the devices and `at_least` of them."""

    share: float = 0.20
    at_least: int = 10

    def stops(self, failures: int, devices: int) -> bool:
        """Whether `failures` among `devices` are too many to continue."""
        return failures >= self.at_least and failures / max(devices, 1) > self.share


def suspending(plan: pl.DataFrame, lifecycle: Lifecycle) -> int:
    """How many SIMs would not be charged any more."""
    before, after = (pl.col(f"sim_{when}").is_in(list(lifecycle.charged)) for when in ("before", "after"))
    leaving = before & ~after
    return plan.filter((pl.col("action") == Action.CHANGE) & pl.col("sim_step") & leaving).height


def costly(rows: pl.DataFrame, lifecycle: Lifecycle, half: Half = Half.ENDPOINT) -> pl.DataFrame:
    """Those of a plan's rows where a wrong send of this half, or of the one before it, costs money or can't be undone.

    SIMs that become charged, that leave a status permanently, or that get another owner. And endpoints, where the
    carrier moves a SIM as soon as its endpoint is changed: others may move the SIM into such a status, or give its
    endpoint another SIM, wherever both were when the plan was made.
    """
    leaves = pl.col("sim_step") & (pl.col("sim_after") != pl.col("sim_before"))
    wrong = leaves & pl.col("sim_before").is_in(list(lifecycle.without_return))
    if half is Half.ENDPOINT and any(status.touched for status in lifecycle.sims):
        wrong |= pl.col("endpoint_step")
    return rows.filter(pl.col("newly_billed") | wrong.fill_null(value=False) | changes_owners())


def for_good(count: int, lifecycle: Lifecycle) -> str:
    """What is said first of a plan that bills so many SIMs from a status without return; empty where it is none."""
    return charge_words.without_return(count, lifecycle)


def unlimited(newly_billed: int, limit: int | None, lifecycle: Lifecycle) -> str:
    """That no limit holds the number of newly billed SIMs; empty where one does, or where there are none."""
    return charge_words.unlimited(lifecycle) if limit is None and newly_billed else ""


def check_digest(carrier: str, *, expected: str | None, digest: str) -> None:
    """Raise `PlanRefused` where the plan is not the one that was pinned. Nothing helps against that, nor may it."""
    if expected is not None and expected != digest:
        raise PlanRefused(
            f"{carrier}: the plan made now is {digest}, not the approved {expected}: "
            "the file or the listed states have changed since.\n"
            "Nothing was sent. Review the new plan.csv, then run again with its digest.",
            "Plan differs",
        )


def check(
    plan: pl.DataFrame,
    *,
    lifecycle: Lifecycle,
    fleet_sims: int | None,
    fleet_activated: int | None,
    limits: Limits,
    accept_large: bool,
    change_owners: bool,
    expected_digest: str | None,
    digest: str,
) -> None:
    """Let the plan pass, or raise `PlanRefused` with the numbers and what to do.

    A plan other than the one that was approved is refused first, and nothing helps against that. `accept_large` lets
    large plans pass, `change_owners` those that give SIMs other owners, which not everybody can undo. Where the fleet's
    counts are not known, as many suspends as the smallest fleet judged by its share are too many.
    """
    check_digest(lifecycle.carrier, expected=expected_digest, digest=digest)
    too_many = [
        *_too_many_suspended(suspending(plan, lifecycle), fleet_sims, fleet_activated, limits, lifecycle),
        *_too_many_billed(int(plan["newly_billed"].sum()), limits, lifecycle),
    ]
    objections = {"--accept-large": [] if accept_large else too_many}
    objections["--change-owners"] = [] if change_owners else _changing_owners(plan)
    if any(objections.values()):
        lines = [f"{lifecycle.carrier}: {objection}" for some in objections.values() for objection in some]
        flags = " ".join(flag for flag, some in objections.items() if some)
        lines.append(f"Nothing was sent. Review plan.csv, then run again with {flags}.")
        raise PlanRefused("\n".join(lines))


def _changing_owners(plan: pl.DataFrame) -> list[str]:
    changes = plan.filter(changes_owners())
    if changes.is_empty():
        return []
    sim, before, after = changes.select("sim_id", "owners_before", "owners_after").row(0)
    count = f"{changes.height:,} SIMs would change their owner, which not everybody can undo"
    return [f"{count}. The first: SIM {sim}, from {before} to {after}."]


def _too_many_suspended(
    count: int, sims: int | None, charged: int | None, limits: Limits, lifecycle: Lifecycle
) -> list[str]:
    if sims is None or charged is None:
        if count < limits.suspend_fleet_min or count == 0:
            return []
        return [f"{count:,} SIMs would be suspended, and it is not known what share of the fleet that is."]
    if count == 0 or sims < limits.suspend_fleet_min:
        return []
    share = count / max(charged, count)
    if share <= limits.suspend_share:
        return []
    of_fleet = f"{count:,} of {max(charged, count):,} {' or '.join(lifecycle.charged)} SIMs would be suspended"
    return [f"{of_fleet} ({_percent(share)}, limit {_percent(limits.suspend_share)})."]


def _too_many_billed(count: int, limits: Limits, lifecycle: Lifecycle) -> list[str]:
    if limits.newly_billed is None or count <= limits.newly_billed:
        return []
    return [f"{count:,} SIMs would be {charge_words.newly(lifecycle)} (limit {limits.newly_billed:,})."]


def _percent(share: float) -> str:
    """One decimal, none where it says nothing: 34.9 %, 30 %."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"
