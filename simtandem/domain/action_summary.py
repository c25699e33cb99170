"""What a plan of SIM actions will do, in numbers and in one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from schemas.sim_actions import SimAction
from schemas.statuses import Action

_VERBS = {
    SimAction.ASSIGN: "{} will be assigned to an endpoint",
    SimAction.RELEASE: "{} will be released from an endpoint",
    SimAction.RESET_CONNECTIVITY: "the connectivity of {} will be reset",
}


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """The rows of a plan: those to send, unchanged and refused add up to `rows`; repeats are left out of it.

    `actions` counts those to send, by action; `idle` of the SIMs are charged for nothing then. So many SIMs are
    `registered` with their batches, and `newly_billed` of these are charged from then on.
    """

    rows: int
    actions: dict[str, int]
    unchanged: int
    refused: int
    repeats: int
    idle: int
    registered: int
    newly_billed: int

    @property
    def to_send(self) -> int:
        """How many actions are sent."""
        return sum(self.actions.values())


def counted(plan: pl.DataFrame, charged: Sequence[str] = ()) -> ActionCounts:
    """Count a plan (`schemas.sim_actions.ActionPlan`); `charged` are the statuses of SIMs that cost a fee."""
    decision = plan["decision"]
    changing = plan.filter(pl.col("decision") == Action.CHANGE)
    found = dict(changing.group_by("action").len().iter_rows())
    repeats = int((decision == Action.REPEAT).sum())
    return ActionCounts(
        rows=plan.height - repeats,
        actions={str(action): int(found.get(action, 0)) for action in SimAction},
        unchanged=int((decision == Action.UNCHANGED).sum()),
        refused=int((decision == Action.REFUSED).sum()),
        repeats=repeats,
        idle=int(plan["idle"].sum()),
        registered=int(changing["quantity"].sum()),
        newly_billed=int(changing.filter(pl.col("status").is_in(list(charged)))["quantity"].sum()),
    )


def sentence(counts: ActionCounts, invalid: int) -> str:
    """What the plan will do."""
    said = [verb.format(sims(count)) for action, verb in _VERBS.items() if (count := counts.actions[action])]
    batches = counts.actions[SimAction.REGISTER_BATCH]
    if batches:
        said.append(
            f"{batches:,} {'batch' if batches == 1 else 'batches'} of {sims(counts.registered)} will be registered"
        )
    told = [_capital(_joined(said)) if said else "Nothing will be sent"]
    if counts.newly_billed:
        told.append(f"{sims(counts.newly_billed)} newly billed")
    left = [
        *([f"{counts.unchanged:,} already in target state"] if counts.unchanged else []),
        *([f"{counts.refused:,} refused"] if counts.refused else []),
        *([f"{invalid:,} invalid"] if invalid else []),
    ]
    return "; ".join([*told, *left]) + "."


def sims(count: int) -> str:
    """A count of SIMs, in words."""
    return f"{count:,} {'SIM' if count == 1 else 'SIMs'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _joined(parts: Sequence[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
