"""How long planning takes and how much memory it needs: a million devices against an inventory as large."""

import resource
import sys
import time

import polars as pl

from schemas.statuses import EndpointStatus, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.emnify.lifecycle import EmnifyLifecycle
from simtandem.planning import calls_needed, counts, digest, make_plan

DEVICES = 1_000_000


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
    )


def peak_mib() -> float:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Print the seconds and the peak memory of a plan, its digest and its counts."""
    inventory = fleet(DEVICES)
    devices = wishes(inventory)
    lifecycle = EmnifyLifecycle()
    before = peak_mib()
    start = time.perf_counter()
    plan = make_plan(devices, empty(Repeats), inventory, lifecycle)
    planned = time.perf_counter()
    name = digest(plan, "emnify")
    digested = time.perf_counter()
    calls = calls_needed(plan, 500, lifecycle)
    end = time.perf_counter()
    print(f"{DEVICES:,} devices, inventory of the same size: {counts(plan)}")
    print(f"plan {planned - start:.2f} s, digest {name} {digested - planned:.2f} s")
    print(f"{calls:,} calls counted in {end - digested:.2f} s")
    print(f"peak memory {peak_mib():,.0f} MiB, of which {before:,.0f} MiB before planning")


if __name__ == "__main__":
    main()
