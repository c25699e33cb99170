"""What was called, when, and with what answer: the record tests and benchmarks read."""

import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_ID = re.compile(r"(?<=/)-?\d+(?=/|$)")


def route_of(method: str, path: str) -> str:
    """Method and path with ids left out, such as `PATCH /api/v1/sim/{id}`."""
    return f"{method} {_ID.sub('{id}', path)}"


@dataclass(slots=True)
class CallLog:
    """Every call that came in, refused ones included. A status of 0: it was never answered, or not yet."""

    times: "array[float]" = field(default_factory=lambda: array("d"))
    routes: list[str] = field(default_factory=list)
    statuses: "array[int]" = field(default_factory=lambda: array("H"))
    throttled: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def begin(self, at: float, route: str) -> int:
        """Write down a call; returns its number, for `end`."""
        self.times.append(at)
        self.routes.append(route)
        self.statuses.append(0)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return len(self.times) - 1

    def end(self, number: int, status: int) -> None:
        """Write down the answer to a call; 0 where none was sent."""
        self.statuses[number] = status
        self.in_flight -= 1

    def most_in_any(self, seconds: float) -> int:
        """The largest number of calls in any window of so many seconds, refused ones included."""
        most = first = 0
        for last, at in enumerate(self.times):
            while self.times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def summary(self, window_s: float) -> dict[str, Any]:
        """The counts, ready for JSON."""
        return {
            "calls": len(self.times),
            "by_route": dict(sorted(Counter(self.routes).items())),
            "by_status": {str(status): count for status, count in sorted(Counter(self.statuses).items())},
            "throttled": self.throttled,
            "most_calls_in_window": self.most_in_any(window_s),
            "most_in_flight": self.most_in_flight,
        }

    def lines(self) -> list[list[object]]:
        """Every call as `[time, route, status]`."""
        return [list(line) for line in zip(self.times, self.routes, self.statuses, strict=True)]


@dataclass(slots=True)
class PatchLog(CallLog):
    """The calls to emnify, with what was patched in vain or at the same time."""

    sim_patches: Counter[int] = field(default_factory=Counter)
    needless_sim_patches: int = 0
    needless_endpoint_patches: int = 0
    needless_owners: int = 0
    endpoint_write_overlaps: int = 0

    def summary(self, window_s: float) -> dict[str, Any]:
        """The counts, ready for JSON."""
        return CallLog.summary(self, window_s) | {
            "sim_patches": self.sim_patches.total(),
            "sim_patches_repeated": {str(sim): count for sim, count in sorted(self.sim_patches.items()) if count > 1},
            "needless_sim_patches": self.needless_sim_patches,
            "needless_endpoint_patches": self.needless_endpoint_patches,
            "needless_owners": self.needless_owners,
            "endpoint_write_overlaps": self.endpoint_write_overlaps,
        }
