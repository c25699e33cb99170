"""The gate between a plan and the carrier, and the rule that stops a run that goes wrong. Pure.

A wrong file can switch off a fleet. So a plan that would suspend a large share of it is refused until somebody has
looked at the plan and says so.
"""

from dataclasses import dataclass

import polars as pl

from schemas.statuses import Action, SimStatus
from simtandem.errors import PlanRefused


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan may do without a person's word for it.

    `suspend_share`: of the fleet's Activated SIMs, more than this may not be suspended; fleets under
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
        """Whether `failures` among `devices` are too many to go on."""
        return failures >= self.at_least and failures / max(devices, 1) > self.share


def suspending(plan: pl.DataFrame) -> int:
    """How many SIMs would leave Activated for Suspended."""
    leaving = (pl.col("sim_before") == SimStatus.ACTIVATED) & (pl.col("sim_after") == SimStatus.SUSPENDED)
    return plan.filter((pl.col("action") == Action.CHANGE) & pl.col("sim_step") & leaving).height


def check(
    plan: pl.DataFrame,
    *,
    carrier: str,
    fleet_sims: int | None,
    fleet_activated: int | None,
    limits: Limits,
    accept_large: bool,
    expected_digest: str | None,
    digest: str,
) -> None:
    """Let the plan pass, or raise `PlanRefused` with the numbers and what to do.

    A plan other than the one that was approved is refused first, and `accept_large` does not help against that. Where
    the fleet's counts are not known, as many suspends as the smallest fleet judged by its share are too many.
    """
    if expected_digest is not None and expected_digest != digest:
        raise PlanRefused(
            f"{carrier}: the plan made now is {digest}, not the approved {expected_digest}: "
            "the file or the listed states have changed since.\n"
            "Nothing was sent. Review the new plan.csv, then run again with its digest."
        )
    if accept_large:
        return
    excesses = [
        *_too_many_suspended(suspending(plan), fleet_sims, fleet_activated, limits),
        *_too_many_billed(int(plan["newly_billed"].sum()), limits),
    ]
    if excesses:
        lines = [f"{carrier}: {excess}" for excess in excesses]
        lines.append("Nothing was sent. Review plan.csv, then run again with --accept-large.")
        raise PlanRefused("\n".join(lines))


def _too_many_suspended(count: int, sims: int | None, activated: int | None, limits: Limits) -> list[str]:
    if sims is None or activated is None:
        if count < limits.suspend_fleet_min or count == 0:
            return []
        return [f"{count:,} SIMs would be suspended, and it is not known what share of the fleet that is."]
    if count == 0 or sims < limits.suspend_fleet_min:
        return []
    share = count / max(activated, count)
    if share <= limits.suspend_share:
        return []
    of_fleet = f"{count:,} of {max(activated, count):,} Activated SIMs would be suspended"
    return [f"{of_fleet} ({_percent(share)}, limit {_percent(limits.suspend_share)})."]


def _too_many_billed(count: int, limits: Limits) -> list[str]:
    if limits.newly_billed is None or count <= limits.newly_billed:
        return []
    return [f"{count:,} SIMs would be newly billed (limit {limits.newly_billed:,})."]


def _percent(share: float) -> str:
    """One decimal, none where it says nothing: 34.9 %, 30 %."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"
