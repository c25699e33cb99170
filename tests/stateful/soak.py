"""Run the core over time for as long as you like: `make soak`, `make soak MINUTES=60`, `make soak SEED=7`.

With `HOSTS=1`, rounds of two hosts under fire instead, with a PostgreSQL (SIMTANDEM_TEST_POSTGRES_URL, or this
machine's). Every round has a seed of its own. A failure prints it, and that seed runs the round again; of hosts, the
faults are the same then, and what the processes do meanwhile is not. Every call of its runs is kept beside their homes.
"""

import argparse
import math
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simtandem.ledger.conftest import postgres_url
from tests.stateful import hosts_under_fire
from tests.stateful.core_over_time import CoreOverTime, empty_ledger
from tests.stateful.hosts_under_fire import Fire

_EXAMPLES = 50


def main() -> int:
    """Rounds until the time is over. The exit code: 0, or 1 where an example failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="begin no round after that")
    parser.add_argument("--examples", type=int, help="... nor after so many examples that hold")
    parser.add_argument("--seed", type=int, help="run this round alone, until it fails or is through")
    parser.add_argument("--hosts", action="store_true", help="two hosts, real processes, one ledger in PostgreSQL")
    parser.add_argument("--quick", action="store_true", help="don't look for the shortest example that fails")
    asked = parser.parse_args()
    ends, rounds = time.monotonic() + asked.minutes * 60, 0
    if asked.hosts:
        return _hosts(ends, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        CoreOverTime.template = empty_ledger(Path(folder))
        most = math.inf if asked.examples is None else asked.examples
        while rounds == 0 or (asked.seed is None and time.monotonic() < ends and rounds * _EXAMPLES < most):
            number = secrets.randbelow(2**32) if asked.seed is None else asked.seed
            print(f"seed {number}: ", end="", flush=True)
            try:
                _round(number, quick=asked.quick)
            except BaseException:
                print(f"\nFailed. This round again: make soak SEED={number}", file=sys.stderr)
                raise
            rounds += 1
            print(f"{rounds * _EXAMPLES:,} examples hold", flush=True)
    return 0


def _hosts(ends: float, only: int | None) -> int:
    rounds = 0
    while rounds == 0 or (only is None and time.monotonic() < ends):
        number = secrets.randbelow(2**32) if only is None else only
        print(f"seed {number}:", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="simtandem-hosts-"))
        try:
            hosts_under_fire.play(number, folder, postgres_url(), Fire(), lambda told: print(f"  {told}", flush=True))
        except BaseException:
            print(f"Failed. This round again: make soak HOSTS=1 SEED={number}\nIts homes: {folder}", file=sys.stderr)
            raise
        shutil.rmtree(folder)
        rounds += 1
        print(f"{rounds} rounds hold", flush=True)
    return 0


def _round(number: int, *, quick: bool) -> None:
    phases = [Phase.generate] if quick else [Phase.generate, Phase.shrink]
    run_state_machine_as_test(
        seed(number)(CoreOverTime),
        settings=settings(
            max_examples=_EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            database=None,
            phases=phases,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.normal,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
