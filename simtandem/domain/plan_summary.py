"""What a plan will do, in one sentence: directions, money, and what is left as it is. Pure.

The same sentence is on the terminal, in the question before sending, in the JSON document, in the artifact, in the
approval and in the notification, so `sentence` makes all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from schemas.statuses import Action
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Goal, Lifecycle
from simtandem.domain.plan import changes_owners
from simtandem.domain.plan_consequences import with_fees


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """A plan in the numbers of its sentence.

    `changes` counts the devices to change by the word of their goal, and `newly_billed` those of them whose SIM starts
    to be charged. `owners` counts the SIMs that get another owner, with another status or without. `others` are changed
    without either, as an undo does that leads back to a state of no goal.
    `fees` counts those whose move may cost a fee of its own, where there are some.
    `rate` is the price of a charged SIM a month; None where nobody set one, or where it is not known which are.
    """

    changes: Mapping[str, int]
    newly_billed: Mapping[str, int]
    owners: int
    others: int
    unchanged: int
    refused: int
    invalid: int
    rate: Decimal | None = None
    currency: str = ""
    fees: Mapping[str, int] = field(default_factory=dict)

    @property
    def monthly_cost(self) -> Decimal | None:
        """What the newly billed SIMs cost a month; None without a rate."""
        return None if self.rate is None else self.rate * sum(self.newly_billed.values())


def summary(
    plan: pl.DataFrame, lifecycle: Lifecycle, *, invalid: int, rate: Decimal | None = None, currency: str = ""
) -> PlanSummary:
    """Count a plan (`schemas.tables.Plan`) made from a file with so many invalid rows."""
    action, changing = plan["action"], plan.filter(pl.col("action") == Action.CHANGE)
    words = [goal.word for goal in lifecycle.goals]
    return PlanSummary(
        changes=_by_goal(changing, words),
        newly_billed=_by_goal(changing.filter("newly_billed"), words),
        owners=changing.filter(changes_owners()).height,
        others=changing.filter(pl.col("desired").is_null() & ~changes_owners()).height,
        unchanged=int((action == Action.UNCHANGED).sum()),
        refused=int((action == Action.REFUSED).sum()),
        invalid=invalid,
        rate=rate if charge_words.known(lifecycle) else None,
        currency=currency,
        fees={word: count for word, count in _by_goal(with_fees(plan, lifecycle), words).items() if count},
    )


def _by_goal(rows: pl.DataFrame, words: list[str]) -> dict[str, int]:
    return {word: int((rows["desired"] == word).sum()) for word in words}


def sentence(told: PlanSummary, lifecycle: Lifecycle) -> str:
    """As in "Activate 9 (9 newly billed, about 4.05 EUR a month), suspend 2 · 5 already in target state · 1 refused".

    Every goal of the carrier is named, in the carrier's words, also with none: that nothing is suspended is worth
    reading.
    """
    moves = [_move(goal, told, lifecycle) for goal in lifecycle.goals]
    beside = (("change owner of", told.owners), ("other changes", told.others))
    moves += [f"{words} {count:,}" for words, count in beside if count]
    parts = [", ".join(moves), f"{told.unchanged:,} already in target state", f"{told.refused:,} refused"]
    parts += [f"{told.invalid:,} invalid {'row' if told.invalid == 1 else 'rows'}"] if told.invalid else []
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def _move(goal: Goal, told: PlanSummary, lifecycle: Lifecycle) -> str:
    billed, costs = told.newly_billed.get(goal.word, 0), []
    if goal in lifecycle.charging and charge_words.known(lifecycle):
        costs.append(f"{billed:,} newly billed")
        if told.rate and billed:
            costs.append(f"about {told.rate * billed:,.2f} {told.currency}".rstrip() + " a month")
    if fees := told.fees.get(goal.word, 0):
        costs.append(f"{fees:,} may cost a fee")
    return f"{goal.verb} {told.changes.get(goal.word, 0):,}" + (f" ({', '.join(costs)})" if costs else "")
