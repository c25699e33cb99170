"""Plans for a fleet, then judges its results: `python -m bench.programs.planning DEVICES`."""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import polars as pl

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Outcomes, Rejected, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import digest, make_plan
from simtandem.domain.verdicts import results_of, verdict_counts

Made = TypeVar("Made")


@dataclass
class Steps:
    """How long each step took, and the most memory the process had held by its end."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, work: Callable[[], Made]) -> Made:
        """Do the work as a step of that name."""
        begun = time.perf_counter()
        made = work()
        self.seconds[name] = time.perf_counter() - begun
        self.peak_mib[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return made


def fleet(size: int) -> pl.DataFrame:
    """An inventory (`schemas.tables.Inventory`), shuffled, of pairs in four states."""
    number = pl.int_range(size)
    sims = pl.Series([SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.ISSUED, SimStatus.ACTIVATED], dtype=pl.String)
    endpoints = pl.Series([EndpointStatus.ENABLED, EndpointStatus.DISABLED], dtype=pl.String)
    return pl.select(
        sim_id=(number + 1_000_000).cast(pl.String),
        iccid=(number + 8_988_000_000_000_000_000).cast(pl.String),
        sim_status=pl.lit(sims).gather(number % 4),
        endpoint_id=(number + 20_000_000).cast(pl.String),
        endpoint_status=pl.lit(endpoints).gather(number % 2),
    ).sample(fraction=1, shuffle=True, seed=1)


def wishes(inventory: pl.DataFrame) -> pl.DataFrame:
    """Devices (`schemas.tables.Devices`) asking for all of the inventory, a third each by SIM, endpoint and ICCID."""
    row = pl.int_range(2, inventory.height + 2)
    return inventory.sort("sim_id").select(
        row=row,
        sim_id=pl.when(row % 3 == 0).then("sim_id"),
        endpoint_id=pl.when(row % 3 == 1).then("endpoint_id"),
        iccid=pl.when(row % 3 == 2).then("iccid"),
        desired=pl.lit(Target.ACTIVATED.value),
        owners=pl.lit(None, pl.String),
    )


def all_applied(plan: pl.DataFrame) -> pl.DataFrame:
    """Outcomes (`schemas.tables.Outcomes`) of a run in which every step went well."""
    steps = [
        plan.filter(f"{half}_step").select(
            "row",
            half=pl.lit(half.value),
            outcome=pl.lit(Outcome.APPLIED.value),
            attempts=pl.lit(1, pl.Int64),
            http_status=pl.lit(204, pl.Int64),
            error=pl.lit(""),
        )
        for half in Half
    ]
    return pl.concat([empty(Outcomes), *steps])


def main(size: int) -> None:
    """Print what each step took, and the verdicts."""
    steps = Steps()
    inventory = steps.take("inputs", lambda: fleet(size))
    devices = steps.take("inputs", lambda: wishes(inventory))
    plan = steps.take("plan", lambda: make_plan(devices, empty(Repeats), inventory, EMNIFY))
    steps.take("digest", lambda: digest(plan, "emnify"))
    outcomes = all_applied(plan)
    after = inventory.with_columns(
        sim_status=pl.lit(SimStatus.ACTIVATED.value), endpoint_status=pl.lit(EndpointStatus.ENABLED.value)
    )
    judged = steps.take("results", lambda: results_of(plan, empty(Rejected), outcomes, after, EMNIFY))
    verdicts = {verdict: count for verdict, count in verdict_counts(judged).items() if count}
    print(json.dumps({"seconds": steps.seconds, "peak_mib": steps.peak_mib, "verdicts": verdicts}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
