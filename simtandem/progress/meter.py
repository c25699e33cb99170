"""What is known of a run under way, and the one line that says it: in a terminal, in a pipe and in Prefect's UI.

The line says how far the run is, how fast it goes, what is left of the rate limit, when it ends by both, why nothing
moves just now, and what went wrong so far. Hooks feed a meter in the run's own thread; any thread may read it.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.call_budget import CallsLeft
from schemas.statuses import Outcome
from simtandem.text.formats import duration, of

_GOOD = (Outcome.APPLIED, Outcome.UNCHANGED)
_NAMES = {Outcome.HELD: "not sent"}
_RATE_OVER_S = 60.0
_GAP_S = 5.0
"""A longer pause between two devices is a wait, and says nothing of how fast the carrier is."""
_LOOK_EVERY_S = 1.0
_WORTH_SAYING_S = 1.0

Clock = Callable[[], float]
Budget = Callable[[], CallsLeft | None]


@dataclass(frozen=True, slots=True)
class Sending:
    """What is about to be sent: of how many devices, in how many steps, with how many calls at least."""

    devices: int
    sim_steps: int
    endpoint_steps: int
    calls: int

    @property
    def steps(self) -> int:
        """Of both halves together."""
        return self.sim_steps + self.endpoint_steps


@dataclass(frozen=True, slots=True)
class _Wait:
    why: str
    until: datetime | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Meter:
    """Counts what a run reports. `clock` is monotonic, in seconds; `now` is the time of day."""

    def __init__(self, clock: Clock = time.monotonic, now: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._now = now
        self._stage, self._since = "", clock()
        self.devices = self.done = 0
        self._steps = self._ended_steps = self._calls = 0
        self._ended: Counter[Outcome] = Counter()
        self._points: deque[tuple[float, int]] = deque()
        self._moved_at = self._active_s = 0.0
        self._waits: dict[int, _Wait] = {}
        self._waiting_s: Callable[[], float] = lambda: 0.0
        self._budget: Budget = lambda: None
        self._seen: tuple[float, CallsLeft | None] = (-math.inf, None)
        self._wave = ""
        self.stopping = False

    def uses(self, budget: Budget, waiting_s: Callable[[], float]) -> None:
        """The rate limit that holds from here on: what it has left, and how long the next call waits just now."""
        self._budget, self._waiting_s, self._seen = budget, waiting_s, (-math.inf, None)

    def begins(self, what: str) -> None:
        """A stage begins; with an empty phrase: nothing is under way, as while an operator is asked."""
        self._stage, self._since = what, self._clock()

    def begins_wave(self, number: int, waves: int) -> None:
        """One of several waves begins to be sent, after the review of the one before."""
        self._wave = f"wave {number:,} of {waves:,}"
        if self._steps:
            self._stage, self._since = "sending", self._clock()

    def sends(self, sending: Sending) -> None:
        """So much is sent from now on, besides what was said before."""
        self._stage, self._since = "sending", self._clock()
        self.devices += sending.devices
        self._steps += sending.steps
        self._calls += sending.calls
        self._moved_at = self._clock()
        self._points.append((self._moved_at, self.done))

    def ended(self, outcome: Outcome, count: int = 1) -> None:
        """Steps ended."""
        self._ended[outcome] += count
        self._ended_steps += count

    def devices_done(self, count: int) -> None:
        """Of so many more devices every step was sent and has ended; fewer where one was put back."""
        now = self._clock()
        self.done += count
        self._active_s += min(now - self._moved_at, _GAP_S)
        self._moved_at = now
        if not self._points or now - self._points[-1][0] >= _LOOK_EVERY_S:
            self._points.append((now, self.done))
        while len(self._points) > 1 and now - self._points[1][0] >= _RATE_OVER_S:
            self._points.popleft()

    @contextmanager
    def waits(self, why: str, seconds: float | None = None) -> Iterator[None]:
        """In this block nothing moves for this reason, for so many seconds where that is known."""
        key = object()
        until = None if seconds is None else self._now() + timedelta(seconds=seconds)
        self._waits[id(key)] = _Wait(why, until)
        try:
            yield
        finally:
            self._waits.pop(id(key), None)

    @property
    def under_way(self) -> bool:
        """Whether there is anything to be said."""
        return bool(self._stage)

    @property
    def mark(self) -> tuple[object, ...]:
        """Differs where the run has moved on."""
        return (self._stage, self.done, self._ended_steps, self._wave, tuple(each.why for each in self._present()))

    @property
    def troubled(self) -> bool:
        """Whether something went wrong, or nothing moves just now."""
        return bool(self._reasons(self._calls_left()) or self._wrong())

    def line(self) -> str:
        """All of it in one line; empty where nothing is under way."""
        if not self._stage:
            return ""
        calls = self._calls_left()
        parts = [*self._place(), *self._pace(calls), *self._reasons(calls), *self._wrong()]
        return " · ".join(parts)

    def summary(self) -> str:
        """What it came to."""
        return " · ".join([f"{self.done:,} of {of(self.devices, 'device')}", *self._wrong()])

    def figures(self) -> dict[str, object]:
        """The same as numbers, for logs."""
        calls = self._calls_left()
        left_s = self._left_s(calls)
        return {
            "stage": self._stage,
            **({"wave": self._wave} if self._wave else {}),
            **({"devices": self.devices, "done": self.done} if self.devices else {}),
            **({"calls_left": calls.left} if calls else {}),
            **({"eta_s": round(left_s)} if left_s is not None else {}),
            **{str(outcome): count for outcome, count in sorted(self._ended.items())},
        }

    def _place(self) -> list[str]:
        """Which stage it is, and how far."""
        told = [self._wave] if self._wave else []
        if self._stage != "sending":
            seconds = self._clock() - self._since
            return [*told, self._stage, *([f"for {duration(seconds)}"] if seconds >= _WORTH_SAYING_S else [])]
        return [*told, f"{self.done:,} of {of(self.devices, 'device')}", f"{self._rate():.1f}/s"]

    def _rate(self) -> float:
        """Devices a second, over the last minute."""
        now, points = self._clock(), list(self._points)
        if not points:
            return 0.0
        at, done = next((each for each in reversed(points) if now - each[0] >= _RATE_OVER_S), points[0])
        return max(0.0, (self.done - done) / max(now - at, _LOOK_EVERY_S))

    def _pace(self, calls: CallsLeft | None) -> list[str]:
        told = [f"{calls.left:,} of {calls.calls:,} calls left"] if calls else []
        left_s = self._left_s(calls)
        if left_s is None:
            return told
        at = self._now() + timedelta(seconds=left_s)
        return [*told, f"ends about {at:%H:%M} UTC (in {duration(max(1.0, left_s))})"]

    def _left_s(self, calls: CallsLeft | None) -> float | None:
        """How long the sending takes yet: by the rate limit or by how fast devices went so far, whichever is longer.

        None where that can't be known: of nothing, or while something is waited for that has no known end.
        """
        open_devices, open_steps = self.devices - self.done, self._steps - self._ended_steps
        if self._stage != "sending" or self.stopping or not self._steps or open_devices <= 0:
            return None
        if any(each.until is None for each in list(self._waits.values())):  # a pause: nobody knows how long
            return None
        by_speed = open_devices * self._active_s / self.done if self.done > 0 else None
        needed = math.ceil(self._calls * open_steps / self._steps)
        by_budget = calls.takes_s(needed) if calls else None
        known = [each for each in (by_speed, by_budget) if each is not None]
        return None if by_speed is None and not by_budget else max(known)

    def _reasons(self, calls: CallsLeft | None) -> list[str]:
        """Why nothing moves just now."""
        told = [f"{each.why}{self._until(each.until)}" for each in self._present()]
        waits_s = self._waiting_s()
        if calls and calls.paused_s >= _WORTH_SAYING_S:
            told.append(f"paused by the carrier (HTTP 429){self._until(self._in(calls.paused_s))}")
        elif waits_s >= _WORTH_SAYING_S:
            told.append(f"waiting for the rate limit{self._until(self._in(waits_s))}")
        return [*told, *(["stopping"] if self.stopping else [])]

    def _present(self) -> list[_Wait]:
        """What is waited for, each reason once: the one that ends first."""
        first: dict[str, _Wait] = {}
        for each in list(self._waits.values()):
            known = first.get(each.why)
            if known is None or (each.until and known.until and each.until < known.until):
                first[each.why] = each
        return list(first.values())

    def _in(self, seconds: float) -> datetime:
        return self._now() + timedelta(seconds=seconds)

    def _until(self, at: datetime | None) -> str:
        if at is None or at <= self._now():  # it takes longer than was foreseen
            return ""
        left_s = math.ceil((at - self._now()).total_seconds())
        return f" until {at:%H:%M:%S} UTC ({left_s} s)"

    def _wrong(self) -> list[str]:
        """What went wrong, in changes: a device has two of them, and the line counts devices besides."""
        bad = [(name, count) for name, count in self._ended.items() if name not in _GOOD and count]
        return ["changes: " + ", ".join(f"{count:,} {_NAMES.get(name, name)}" for name, count in bad)] if bad else []

    def _calls_left(self) -> CallsLeft | None:
        """What is left of the rate limit, looked up once a second."""
        at, known = self._seen
        now = self._clock()
        if now - at >= _LOOK_EVERY_S:
            known = self._budget()
            self._seen = (now, known)
        return known
