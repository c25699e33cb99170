"""Cut a plan into batches whose devices all move the same way. Pure."""

from dataclasses import dataclass

import polars as pl

from schemas.statuses import Action, Half
from simtandem.domain.lifecycle import Lifecycle


@dataclass(frozen=True, slots=True)
class Batch:
    """Devices that go to the same target with the same half first. `rows` are plan rows, all of them changes.

    Without a target only their owners change.
    """

    number: int
    first: Half
    target: str | None
    rows: pl.DataFrame


def split(plan: pl.DataFrame, size: int, lifecycle: Lifecycle, *, after: int = 0) -> list[Batch]:
    """The fewest batches of at most `size` devices that hold every change of the plan once, numbered behind `after`.

    What one call to the carrier can change bounds a batch as well. What saves money comes first; within a target and an
    order the rows stay sorted, so the same plan gives the same batches.
    """
    if size < 1:
        raise ValueError(f"a batch holds at least one device, not {size}")
    limit = min(size, lifecycle.bulk_endpoints) if lifecycle.has_endpoints else size
    changes = plan.filter(pl.col("action") == Action.CHANGE).sort("row")
    batches: list[Batch] = []
    for target in (*(goal.word for goal in lifecycle.send_order), None):
        for first in Half:
            group = changes.filter(pl.col("desired").eq_missing(pl.lit(target, pl.String)) & (pl.col("first") == first))
            batches += [
                Batch(number=after + len(batches) + number, first=first, target=target, rows=rows)
                for number, rows in enumerate(group.iter_slices(limit), start=1)
            ]
    return batches
