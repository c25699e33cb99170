"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """`rows` of a CSV, devices `planned`, SIMs of the fleets `listed`, devices `applied` in each of the `rounds`.

    `paced` devices are changed at a carrier that takes `paced_calls` in any `paced_window_s` seconds. `remembered` runs
    are in a ledger beside one of all devices `planned`. `exported` rows go into a workbook.
    """

    rows: int = 1_000_000
    planned: int = 1_000_000
    listed: tuple[int, ...] = (100_000, 1_000_000)
    applied: int = 2_000
    rounds: int = 3
    paced: int = 300
    paced_calls: int = 100
    paced_window_s: float = 15.0
    remembered: int = 1_000
    exported: int = 100_000


SMALL = Sizes(
    10_000,
    10_000,
    (5_000, 20_000),
    applied=90,
    rounds=2,
    paced=30,
    paced_calls=20,
    paced_window_s=3.0,
    remembered=10,
    exported=1_000,
)
"""Enough to see that everything works; its numbers mean nothing."""
