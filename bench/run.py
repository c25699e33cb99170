"""A whole run, in turn with a plain loop that does the same work."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.applying import LATENCY_S, Applied, apply, expect_in_sync, patching_s
from bench.carrier import EmulatedCarrier, write_devices
from bench.children import PYTHON, finish
from bench.expecting import expect
from bench.page import Table, spread
from bench.sizes import Sizes

_CONCURRENCY = 8
_NO_LIMIT = 1_000_000
_DOCUMENTED_DELAY_S = 1.0
_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Looped:
    """A stretch of the plain loop: how long it patched, how long its process ran."""

    calls: int
    patching_s: float
    seconds: float


def run(sizes: Sizes) -> Table:
    """Activate devices. After each run, the loop does the next share of the same job at a carrier of its own."""
    devices, rounds = sizes.applied, sizes.rounds
    ours: list[Applied] = []
    theirs: list[Looped] = []
    limits = {"calls": _NO_LIMIT, "latency_s": LATENCY_S}
    with EmulatedCarrier(**limits) as our_carrier, EmulatedCarrier(**limits) as their_carrier:
        their_carrier.fill(devices)
        for number in range(rounds):
            ours.append(apply(our_carrier, devices, calls=_NO_LIMIT, sim_concurrency=_CONCURRENCY))
            share = range(devices * number // rounds, devices * (number + 1) // rounds)
            theirs.append(_loop(their_carrier, share))
        expect_in_sync(their_carrier, devices)
        split = their_carrier.stats()["pair_violations"]
    per_call = ", ".join(f"{stretch.patching_s / stretch.calls * 1000:.1f}" for stretch in theirs)
    return Table(
        ("", "first to last PATCH", "whole process", "calls", "pairs paying but off on the way"),
        [_ours(ours), _floor(ours[0]), _theirs(theirs, split), _documented(devices)],
        f"{devices:,} devices activated, {LATENCY_S * 1000:.0f} ms a call. simtandem: median of {rounds} "
        f"runs, least and greatest. The loop: sum of {rounds} stretches, {per_call} ms a PATCH.",
    )


def _loop(carrier: EmulatedCarrier, share: range) -> Looped:
    before = len(carrier.calls())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "devices.csv"
        write_devices(file, share)
        command = [PYTHON, "-m", "bench.programs.peer", carrier.url, carrier.token, str(file)]
        done = finish(command, within_s=_WITHIN_S)
    expect("PATCHes of the loop", done.document, {"patches": 2 * len(share)})
    return Looped(2 * len(share), patching_s(carrier.calls()[before:]), done.seconds)


def _ours(ours: Sequence[Applied]) -> tuple[str, ...]:
    return (
        "`simtandem apply`",
        spread([patching_s(each.calls) for each in ours]),
        spread([each.seconds for each in ours]),
        f"{len(ours[0].calls):,}",
        f"{max(each.stats['pair_violations'] for each in ours):,}",
    )


def _floor(ours: Applied) -> tuple[str, ...]:
    sims = ours.number_of("PATCH /api/v1/sim/{id}")
    endpoints = ours.number_of("PATCH /api/v2/endpoint/multi")
    patching = (sims / _CONCURRENCY + endpoints) * LATENCY_S
    whole = (sims / _CONCURRENCY + len(ours.calls) - sims) * LATENCY_S
    return "its floor", f"{patching:.1f} s", f"{whole:.1f} s", "", ""


def _theirs(theirs: Sequence[Looped], split: int) -> tuple[str, ...]:
    patching = sum(stretch.patching_s for stretch in theirs)
    whole = sum(stretch.seconds for stretch in theirs)
    calls = sum(stretch.calls for stretch in theirs) + 1
    return "plain httpx loop", f"{patching:.1f} s", f"{whole:.1f} s", f"{calls:,}", f"{split:,}"


def _documented(devices: int) -> tuple[str, ...]:
    seconds = 2 * devices * (_DOCUMENTED_DELAY_S + LATENCY_S)
    return "the documented way, worked out", f"{seconds:,.0f} s", "", f"{2 * devices + 1:,}", ""
