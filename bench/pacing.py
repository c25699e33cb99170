"""A run of more calls than the carrier takes at once."""

import math

from bench.applying import LATENCY_S, apply
from bench.carrier import EmulatedCarrier
from bench.page import Table
from bench.sizes import Sizes


def pacing(sizes: Sizes) -> Table:
    """Activate devices under a tight call limit, which simtandem is told and the carrier enforces."""
    devices, limit, window_s = sizes.paced, sizes.paced_calls, sizes.paced_window_s
    with EmulatedCarrier(calls=limit, calls_window_s=window_s, latency_s=LATENCY_S) as carrier:
        done = apply(carrier, devices, calls=limit, calls_window_s=window_s)
    calls = len(done.calls)
    floor = (math.ceil(calls / limit) - 1) * window_s
    return Table(
        ("", "measured", "floor or limit"),
        [
            ("first to last call", f"{done.calls[-1].at - done.calls[0].at:.1f} s", f"{floor:.0f} s"),
            ("the whole process", f"{done.seconds:.1f} s", ""),
            ("calls answered 429", f"{done.stats['throttled']:,}", "0"),
            (f"most calls in any {window_s:.0f} s", f"{done.stats['most_calls_in_window']:,}", f"{limit:,}"),
        ],
        f"{devices:,} devices activated with {calls:,} calls; the carrier takes {limit:,} in any {window_s:.0f} s.",
    )
