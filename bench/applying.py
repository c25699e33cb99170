"""`simtandem apply` of a whole fleet, as its process and as the carrier saw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.carrier import Called, EmulatedCarrier, write_devices
from bench.children import SIMTANDEM, finish
from bench.expecting import expect
from bench.homes import fresh_home

LATENCY_S = 0.03
"""What each call takes at the carrier."""

_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Applied:
    """A run that brought all its devices in sync: the seconds of its process, and the carrier's view of it."""

    seconds: float
    calls: list[Called]
    stats: dict[str, Any]

    def number_of(self, route: str) -> int:
        """How many calls of that route there were."""
        return sum(call.route == route for call in self.calls)


def apply(carrier: EmulatedCarrier, devices: int, **settings: float) -> Applied:
    """Activate a new fleet in a fresh home. Raises RuntimeError unless every device ends in sync."""
    carrier.fill(devices)
    with fresh_home() as home:
        file = home / "devices.csv"
        write_devices(file, range(devices))
        done = finish(
            [SIMTANDEM, "apply", str(file), "--to", "activated", "--yes", "--json", "--quiet"],
            within_s=_WITHIN_S,
            extra=carrier.settings(home, **settings),
        )
    verdicts = {verdict: count for verdict, count in done.document["verdicts"].items() if count}
    expect("verdicts", verdicts, {"in_sync": devices})
    expect_in_sync(carrier, devices)
    return Applied(done.seconds, carrier.calls(), carrier.stats())


def expect_in_sync(carrier: EmulatedCarrier, devices: int) -> None:
    """Raise RuntimeError unless the carrier's own books show all devices on."""
    expect("the carrier's devices", carrier.states(), {"Activated/Enabled": devices})


def patching_s(calls: Sequence[Called]) -> float:
    """Seconds from the first PATCH to the answer to the last."""
    at = [call.at for call in calls if call.route.startswith("PATCH")]
    return at[-1] - at[0] + LATENCY_S
