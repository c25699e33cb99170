"""The call budget: how many calls may be sent, when, by everything that shares it.

A carrier counts a call at some moment between its sending and its answer. So a call holds its slot in the window from
before it is sent until one whole window after it was answered: then no window the carrier could look at ever holds more
than `calls`, however slow or uneven the network is. (A bucket that counts at sending needs a margin; a token bucket
lets up to twice its size through in one window.)

Who waits, and for how long, is decided here. Where the slots are kept is the `Slots`' business: in a file of this host
(`host_slots`), or in the ledger's database, for several hosts. Urgent runs get the next slots; some are left free for
them, so that a window that others have used up does not keep them waiting.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from simtandem.errors import CarrierUnavailable, Interrupted
from simtandem.host import clock

LONGEST_CALL_S = 90.0
"""A call is given up by then: where its process died, its slot is freed a window after that."""

MARGIN_S = 0.005  # timers fire a little early on some systems
TOO_LONG_S = 900.0
"""A carrier that asks for a longer pause is not waited for."""

_LOOK_AGAIN_S = 1.0  # other processes may free slots or ask for a pause
_CONFIRM_AFTER_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_WORTH_SAYING_S = 4.0
_FOR_URGENT, _FOR_URGENT_SHARE = 40, 50
"""At most so many slots of a window are left to urgent runs, and at most one in so many."""
_SHORT_S = 15.0
"""A window that passes within this time needs none left: the slots that become free are soon enough for urgent runs."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `seconds`."""

    name: str
    calls: int
    seconds: float

    @property
    def for_urgent(self) -> int:
        """Slots that only urgent runs take."""
        return 0 if self.seconds <= _SHORT_S else min(_FOR_URGENT, self.calls // _FOR_URGENT_SHARE)


@dataclass(frozen=True, slots=True)
class Spacing:
    """At least `seconds` between the beginnings of two calls: a rate without any burst."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call needs: a slot in every window, of which `left_free` (each at least one less than all) stay free.

    `changes`: it changes something at the carrier, so it needs what the run may only have alone (`Slots.take`).
    """

    windows: tuple[Window, ...]
    spacing: Spacing | None = None
    left_free: int = 0
    urgent: bool = False
    changes: bool = False

    def most(self, window: Window) -> int:
        """So many slots of this window may be used when this call has its own."""
        return max(1, window.calls - self.left_free - (0 if self.urgent else window.for_urgent))


@dataclass(frozen=True, slots=True)
class Taken:
    """Slots that one call holds: the number of each, in the order of its windows, and when they were taken.

    `lease`: the one that its run held then, where it needs one.
    """

    asked: Asked
    numbers: tuple[int, ...]
    at: float
    lease: str = ""


class Slots(Protocol):
    """Where slots are kept. No slot is held twice."""

    async def take(self, asked: Asked, given_up: Callable[[], bool]) -> Taken | float:
        """Take them all now, or none: then so many seconds to wait at least before it is tried again.

        Where that takes long, `given_up` is asked every second, and once it says so, none are taken. Raises what that
        raises, `LedgerError` where the state can't be used, and `Outdated` for a change that this run must not make.
        """
        ...

    async def confirm(self, taken: Taken) -> bool:
        """Whether the slots are still held, and a change may still be made; if so, they are held from now on anew."""
        ...

    def release(self, taken: Taken) -> None:
        """The call was answered, or never left: each slot is free one window from now."""
        ...

    def others(self, taken: Taken, counted: Mapping[str, int]) -> None:
        """The carrier has counted so many calls in windows of this one, by name, at some moment since it had its slots.

        Those that were not made with these slots hold some, too, for a window: other users of the account made them.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Nobody takes a slot for so long."""
        ...

    def close(self) -> None:
        """Slots held stay counted."""
        ...


class Slot:
    """The slots of one call, while it holds them."""

    def __init__(self, slots: Slots, taken: Taken, clock: Callable[[], float], asked_at: float) -> None:
        self._slots, self._taken = slots, taken
        self._clock, self._asked_at = clock, asked_at

    async def confirmed(self) -> bool:
        """Whether the call may leave now: something may have kept it since the slots were asked for."""
        if self._clock() - self._asked_at <= _CONFIRM_AFTER_S:
            return True
        return await self._slots.confirm(self._taken)

    def counted(self, calls: Mapping[str, int]) -> None:
        """How many calls the carrier counts in windows of this one, by their names, as its answer says."""
        if calls:
            self._slots.others(self._taken, calls)


class CallBudget:
    """Gives out slots for calls. Fair within this process for calls of the same spacing.

    `clock` and `sleep` are seconds, monotonic. `halt` makes everybody who waits for a slot raise `Interrupted`; `hold`
    everybody but those who follow up what was sent before.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        clock: Callable[[], float] = clock.steady,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        urgent: bool = False,
    ) -> None:
        self._slots = slots
        self._clock = clock
        self._sleep = sleep
        self._urgent = urgent
        self._lines: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._throttled_in_a_row = 0
        self._paused_until = -math.inf
        self._halted = False
        self._held = False
        self._waiting_until: float | None = None
        self.on_pause: Callable[[float], None] = lambda _seconds: None
        """Called where a 429 begins a pause that someone may wonder about, with its seconds."""
        self.on_wait: Callable[[float], None] = lambda _seconds: None
        """Called where a call begins to wait for a slot for so many seconds, and no earlier wait was reported."""
        self._told_until = -math.inf
        self.on_use: Callable[[], None] = lambda: None
        """Called whenever a slot was given out."""

    @asynccontextmanager
    async def place(
        self,
        windows: Iterable[Window],
        spacing: Spacing | None = None,
        unless: Callable[[], bool] = lambda: False,
        *,
        left_free: int = 0,
        changes: bool = False,
        follows_up: bool = False,
        tell: bool = False,
    ) -> AsyncIterator[Slot]:
        """Wait until one more call fits, then hold its slot; send the call inside the `async with` block.

        `left_free`: so many slots of each window are left for other calls. `changes`: see `Asked`. `follows_up`: it
        goes also after `hold`. `tell`: the wait is reported where it takes long. Raises `Interrupted` where it must not
        be sent any more: after `halt` or `hold`, or once `unless` says so; and what `unless` raises, and `Slots.take`.
        """

        def ended() -> bool:
            return self.stopped(follows_up=follows_up) or unless()

        asked = Asked(tuple(windows), spacing, left_free, self._urgent, changes)
        async with self._lines[spacing.name if spacing else ""]:
            try:
                while True:
                    if ended():
                        raise Interrupted("Stopped while waiting for the call budget; this call was not sent.")
                    asked_at = self._clock()
                    paused = self._paused_until - asked_at
                    found = paused if paused > 0 else await self._slots.take(asked, ended)
                    if isinstance(found, Taken):
                        break
                    await self._wait(found, tell=tell)
            finally:
                self._waiting_until = None
        self.on_use()
        try:
            yield Slot(self._slots, found, self._clock, asked_at)
        finally:
            self._slots.release(found)

    async def _wait(self, seconds: float, *, tell: bool) -> None:
        self._waiting_until = self._clock() + seconds
        if tell and seconds >= _WORTH_SAYING_S and self._waiting_until > self._told_until + _WORTH_SAYING_S:
            self._told_until = self._waiting_until
            self.on_wait(seconds)
        await self._sleep(min(seconds, _LOOK_AGAIN_S))

    def throttled(self, retry_after_s: float | None, times: int = 1) -> float:
        """The carrier said 429: nobody sends before the returned number of seconds has passed.

        The pause doubles with every 429 in a row, and with the `times` that this very call got one; a Retry-After may
        make it longer, never shorter. Raises `CarrierUnavailable` where the carrier asks for more than a quarter of an
        hour.
        """
        now = self._clock()
        begins = now >= self._paused_until
        if begins:  # calls that were on their way when the pause began say nothing new
            self._throttled_in_a_row += 1
        if retry_after_s is not None and retry_after_s > TOO_LONG_S:
            raise CarrierUnavailable(
                f"The carrier asks to wait {retry_after_s:.0f} s before the next call. Run again after that.",
                status=429,
            )
        in_a_row = max(self._throttled_in_a_row, times)
        own = min(_FIRST_PAUSE_S * 2.0 ** min(in_a_row - 1, 10), _LONGEST_PAUSE_S)
        pause = max(retry_after_s or 0.0, own)
        self._paused_until = now + pause + MARGIN_S
        if begins and pause >= _WORTH_SAYING_S:
            self.on_pause(pause)
        self._slots.pause(pause + MARGIN_S)
        return pause

    def answered(self) -> None:
        """The carrier took a call: the next pause starts small again."""
        self._throttled_in_a_row = 0

    def waiting_s(self) -> float:
        """How long someone here has still to wait for a slot; 0 if nobody waits."""
        return 0.0 if self._waiting_until is None else max(0.0, self._waiting_until - self._clock())

    @property
    def halted(self) -> bool:
        """Whether nobody may send any more."""
        return self._halted

    def stopped(self, *, follows_up: bool) -> bool:
        """Whether a call is not sent any more; `follows_up`: one that follows up what was sent before."""
        return self._halted or (self._held and not follows_up)

    def halt(self) -> None:
        """Let nobody send any more until `resume`."""
        self._halted = True

    def hold(self) -> None:
        """Until `resume`, let only those send who follow up what was sent before."""
        self._held = True

    def resume(self) -> None:
        """Undo `halt` and `hold`."""
        self._halted = self._held = False

    def close(self) -> None:
        """Close what the slots are kept in. Slots held stay counted."""
        self._slots.close()
