"""What each status that can be asked for would do to a device, from the listing of a run that planned for it."""

from dataclasses import asdict, dataclass

import polars as pl

from schemas.statuses import Action
from simtandem.domain.plan import make_plan
from simtandem.domain.split_pairs import pair
from simtandem.runs.run import Run

_WHEN = ("before", "after")


@dataclass(frozen=True, slots=True)
class Prospect:
    """What asking for the status `goal` does: `action` is change, unchanged or refused, and `reason` says why so.

    `before` and `after` are the statuses of the halves, as "Issued+Disabled"; None where there is none to show.
    """

    goal: str
    action: str
    before: str | None
    after: str | None
    newly_billed: bool
    reason: str

    def as_data(self) -> dict[str, object]:
        """For the JSON document."""
        return asdict(self)


def prospects(run: Run) -> list[Prospect]:
    """One for each status of the run's carrier; `run` has listed a single device."""
    folder, found = run.folder, []
    devices, repeats, inventory = (folder.table(f"{name}.parquet") for name in ("devices", "repeats", "inventory"))
    refused = {(kind, ident): why for kind, ident, why in folder.listing().get("refused", [])}
    for goal in run.lifecycle.goals:
        wanted = devices.with_columns(desired=pl.lit(goal.word))
        plan = make_plan(wanted, repeats, inventory, run.lifecycle, None, refused)
        states = {when: pair(f"sim_{when}", f"endpoint_{when}", run.lifecycle) for when in _WHEN}
        for row in plan.with_columns(**states).iter_rows(named=True):
            after = row["after"] if row["action"] == Action.CHANGE else None
            found.append(
                Prospect(goal.word, row["action"], row["before"], after, row["newly_billed"], row["reason"] or "")
            )
    return found
