"""The gate between a plan of SIM actions and the carrier. Pure."""

from schemas.sim_actions import SimAction
from simtandem.domain.action_summary import ActionCounts, sims
from simtandem.errors import PlanRefused

_MOST_RESETS = 100


def check(carrier: str, counts: ActionCounts, *, most_billed: int | None, accept_large: bool) -> None:
    """Let the plan pass, or raise `PlanRefused` with the numbers and what to do.

    A released SIM that stays charged has no device any more and costs its fee for nothing, so that is asked for twice.
    `most_billed` is how many SIMs may become charged; None sets no limit.
    """
    objections = []
    resets = counts.actions.get(SimAction.RESET_CONNECTIVITY, 0)
    if resets > _MOST_RESETS:
        objections.append(
            f"The connectivity of {sims(resets)} would be reset (limit {_MOST_RESETS}): as many devices would lose "
            "their connection, and attach anew at once."
        )
    if most_billed is not None and counts.newly_billed > most_billed:
        objections.append(f"{sims(counts.newly_billed)} would be newly billed (limit {most_billed:,}).")
    if counts.idle:
        one = counts.idle == 1
        objections.append(
            f"{sims(counts.idle)} would stay charged without an endpoint. Suspend {'it' if one else 'them'} first "
            "(simtandem apply), or accept it, as where they get another endpoint next."
        )
    if objections and not accept_large:
        lines = [f"{carrier}: {objection}" for objection in objections]
        lines.append("Nothing was sent. Review plan.csv, then run again with --accept-large.")
        raise PlanRefused("\n".join(lines))
