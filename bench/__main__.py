"""`python -m bench [NAME ...]`: measure, and put the results into `bench/README.md`; all of them without a name."""

import argparse
import os
import time
from collections.abc import Callable, Sequence

from bench import page
from bench.auditing import auditing
from bench.call_parts import call_parts
from bench.exporting import exporting
from bench.hosts import hosts
from bench.in_memory import intake, planning
from bench.listing import listing
from bench.pacing import pacing
from bench.page import Table
from bench.remembering import remembering
from bench.run import run
from bench.selecting import selecting
from bench.sizes import SMALL, Sizes
from bench.starting import starting
from bench.urgent import urgent

MEASUREMENTS: dict[str, Callable[[Sizes], Table]] = {
    "intake": intake,
    "planning": planning,
    "starting": starting,
    "listing": listing,
    "selecting": selecting,
    "audit": auditing,
    "run": run,
    "profile": call_parts,
    "pacing": pacing,
    "urgent": urgent,
    "ledger": remembering,
    "workbook": exporting,
    "hosts": hosts,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, one after another."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and rewrite bench/README.md.")
    parser.add_argument("name", nargs="*", help=f"{', '.join(MEASUREMENTS)}; all of them if none is given")
    parser.add_argument("--small", action="store_true", help="little of each, shown only: to see that it works")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.name) - set(MEASUREMENTS):
        parser.error(f"nothing is measured by the name of {', '.join(sorted(unknown))}")
    for name in asked.name or MEASUREMENTS:
        print(f"\n{name} ...", flush=True)
        begun, load = time.monotonic(), os.getloadavg()[0]
        table = MEASUREMENTS[name](SMALL if asked.small else Sizes())
        text = page.render(name, table, time.monotonic() - begun, load)
        if not asked.small:
            page.replace(name, text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
