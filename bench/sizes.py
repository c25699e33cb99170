"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """`rows` of a CSV, devices `planned`, SIMs of the fleets `listed`, devices `applied` in each of the `rounds`.

    `profiled` devices are activated to see where the time of a call goes.

    `paced` devices are changed at a carrier that takes `paced_calls` in any `paced_window_s` seconds. `remembered` runs
    are in a ledger beside one of all devices `planned`. `exported` rows go into a workbook. While devices are
    `under_way`, a few urgent ones are changed, of `urgent_calls` in any `urgent_window_s` seconds. `hosts` share
    limits: each has so many devices, at a carrier that takes so many calls in any so many seconds.
    """

    rows: int = 1_000_000
    planned: int = 1_000_000
    listed: tuple[int, ...] = (100_000, 1_000_000)
    applied: int = 2_000
    rounds: int = 3
    profiled: int = 500
    paced: int = 300
    paced_calls: int = 100
    paced_window_s: float = 15.0
    remembered: int = 1_000
    exported: int = 100_000
    under_way: int = 200_000
    urgent_calls: int = 2_000
    urgent_window_s: float = 300.0
    hosts: tuple[tuple[int, int, float], ...] = ((150, 100, 15.0), (2_050, 2_000, 300.0))


SMALL = Sizes(
    10_000,
    10_000,
    (5_000, 20_000),
    applied=90,
    rounds=2,
    profiled=60,
    paced=30,
    paced_calls=20,
    paced_window_s=3.0,
    remembered=10,
    exported=1_000,
    under_way=2_000,
    urgent_calls=200,
    urgent_window_s=30.0,
    hosts=((30, 40, 5.0),),
)
"""Enough to see that everything works; its numbers mean nothing."""
