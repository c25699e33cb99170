"""The published limits: so many calls a second and a minute, for each kind of path."""

import math
from dataclasses import dataclass, field

from simtandem.emulator.calls import CallLog
from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.limits import SlidingWindow

SPANS = {"Second": 1.0, "Minute": 60.0}
_KINDS = (
    ("/iot/api/auth", "auth"),
    ("/iot/api/sica/subscriptions/requests", "requests"),
    ("/iot/api/subscriptions/details", "details"),
    ("/iot/api/subscriptions", "changes"),
    ("/dcpapi/", "dcp"),
)


def kind_of(path: str) -> str:
    """Which limit a path counts in; empty for none."""
    return next((kind for beginning, kind in _KINDS if path.startswith(beginning)), "")


@dataclass(slots=True)
class FixedWindow:
    """At most `limit` calls in each of the clock's spans of so many `seconds`."""

    limit: int
    seconds: float
    _span: float = -1.0
    _taken: int = 0

    def left(self, now: float) -> int:
        """How many calls would still be let through."""
        span = math.floor(now / self.seconds)
        if span != self._span:
            self._span, self._taken = span, 0
        return max(0, self.limit - self._taken)

    def take(self, now: float) -> None:
        """Count a call."""
        self.left(now)
        self._taken += 1


class AnyWindow(SlidingWindow):
    """At most `limit` calls in any `seconds`."""

    def left(self, now: float) -> int:
        """How many calls would still be let through."""
        self.wait(now)
        return max(0, self.limit - len(self._taken))


@dataclass(slots=True)
class Rates:
    """The windows of every kind of path. A refused call does not count: whether it does is not documented."""

    behaviour: IotAcceleratorBehaviour
    calls: dict[str, CallLog] = field(default_factory=dict)
    _windows: dict[tuple[str, str, str], FixedWindow | AnyWindow] = field(default_factory=dict)

    def admit(self, kind: str, now: float) -> bool:
        """Count the call, or say that it is over a limit."""
        self.calls.setdefault(kind, CallLog()).begin(now, kind)
        windows = self._of(kind)
        if any(window.left(now) < 1 for window in windows.values()):
            return False
        for window in windows.values():
            window.take(now)
        return True

    def headers(self, kind: str, now: float) -> dict[str, str]:
        """What is allowed and what is left, as every answer says, a 429 as well."""
        shown = {}
        for span, window in self._of(kind).items():
            shown[f"X-RateLimit-Limit-{span}"] = str(window.limit)
            shown[f"X-RateLimit-Remaining-{span}"] = str(window.left(now))
        return shown

    def most(self) -> dict[str, dict[str, int]]:
        """The most calls there were in any second and minute, by kind of path, refused ones included."""
        return {
            kind: {span.lower(): log.most_in_any(seconds) for span, seconds in SPANS.items()}
            for kind, log in sorted(self.calls.items())
        }

    def _of(self, kind: str) -> dict[str, FixedWindow | AnyWindow]:
        found: dict[str, FixedWindow | AnyWindow] = {}
        for span, seconds in SPANS.items():
            limit = getattr(self.behaviour, f"{kind}_per_{span.lower()}") if kind else 0
            if not limit:
                continue
            made = FixedWindow if self.behaviour.rate_window == "fixed" else AnyWindow
            window = self._windows.setdefault((kind, span, self.behaviour.rate_window), made(limit, seconds))
            window.limit = limit
            found[span] = window
        return found
