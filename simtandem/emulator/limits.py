"""How many calls the carrier takes: a sliding window for each address, and a rate for each path."""

import re
from collections import deque
from collections.abc import Callable

from simtandem.emulator.behaviour import Behaviour

PATH_RATES = (
    # method, path, calls a second, burst
    ("GET", re.compile(r"/api/v1/sim/?"), 10.0, 5),
    ("GET", re.compile(r"/api/v1/endpoint/?"), 10.0, 5),
    ("GET", re.compile(r"/api/v1/event/?"), 10.0, 5),
    ("GET", re.compile(r"/api/v1/sim/\d+/?"), 100.0, 50),
    ("GET", re.compile(r"/api/v1/endpoint/\d+/?"), 50.0, 25),
)
AUTHENTICATE = "/api/v1/authenticate"


class SlidingWindow:
    """At most `limit` calls in any `seconds`. A refused call does not count."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until a call would be let through; 0 when one would be now."""
        while self._taken and self._taken[0] <= now - self.seconds:
            self._taken.popleft()
        if len(self._taken) < self.limit:
            return 0.0
        # The limit may have been lowered meanwhile: then more than one call has to grow old first.
        return self._taken[-self.limit] + self.seconds - now if self.limit else self.seconds

    def take(self, now: float) -> None:
        """Count a call."""
        self._taken.append(now)


class Bucket:
    """`rate` calls a second on average, `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until a call would be let through; 0 when one would be now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        # A shade below one: an epoch clock ticks in quarters of a microsecond, so exact waits come out a little short.
        return 0.0 if self._left >= 1 - 1e-3 else (1 - self._left) / self._rate

    def take(self, now: float) -> None:
        """Count a call."""
        self.wait(now)
        self._left -= 1


class Gate:
    """Every limit of the carrier, for every address that calls. `behaviour` is read at each call."""

    def __init__(self, behaviour: Behaviour, clock: Callable[[], float]) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._windows: dict[tuple[str, str], SlidingWindow] = {}
        self._buckets: dict[tuple[str, int], Bucket] = {}

    def admit(self, address: str, method: str, path: str) -> float:
        """0 and the call is counted, or the seconds until it would be let through and it is not."""
        now = self._clock()
        limits = self._limits(address, method, path)
        wait = max(limit.wait(now) for limit in limits)
        if wait <= 0:
            for limit in limits:
                limit.take(now)
        return wait

    def _limits(self, address: str, method: str, path: str) -> list[SlidingWindow | Bucket]:
        limits: list[SlidingWindow | Bucket] = [self._window(address, "all", self._behaviour.calls)]
        if path == AUTHENTICATE:
            limits.append(self._window(address, "authenticate", self._behaviour.authenticate_calls))
        if self._behaviour.path_limits:
            for index, (wanted, pattern, rate, burst) in enumerate(PATH_RATES):
                if method == wanted and pattern.fullmatch(path):
                    limits.append(self._buckets.setdefault((address, index), Bucket(rate, burst)))
        return limits

    def _window(self, address: str, name: str, limit: int) -> SlidingWindow:
        window = self._windows.setdefault((address, name), SlidingWindow(limit, self._behaviour.calls_window_s))
        window.limit, window.seconds = limit, self._behaviour.calls_window_s
        return window
