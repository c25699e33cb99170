"""The call budget: how many calls may be sent, when, by everything on this host together.

A carrier counts a call at some moment between its sending and its answer. So a call holds its place in the window
from before it is sent until one whole window after it was answered: then no window the carrier could look at ever holds
more than `calls`, however slow or uneven the network is. (A bucket that counts at sending needs a margin; a token
bucket lets up to twice its size through in one window.)

The state is a small SQLite file, so several processes share one budget and a killed process leaves its calls counted.
Times are of the monotonic clock: one for all processes of the host, and nobody sets it back. So one host alone may use
it (`home_use`). After a restart of the host the clock begins anew: then every place that may still count is held for a
full window, which waits longer, never shorter.
"""

import asyncio
import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from simtandem.errors import CarrierUnavailable, Interrupted, LedgerError
from simtandem.host.home_use import HomeUse, Host

LONGEST_CALL_S = 90.0
"""A call is given up by then: where its process died, its place is freed a window after that."""

_MARGIN_S = 0.005  # timers fire a little early on some systems
_CLOCK_STEP_S = 1.0  # noted later than read, by other processes
_FAR = 1e18
_LOOK_AGAIN_S = 1.0  # other processes may free places or ask for a pause
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TOO_LONG_S = 1.0, 30.0, 900.0
_WORTH_SAYING_S = 4.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY, name TEXT NOT NULL, frees_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS places_by_name ON places (name, frees_at);
CREATE TABLE IF NOT EXISTS not_before (name TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT, clock_s REAL, at REAL);
"""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `seconds`."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Spacing:
    """At least `seconds` between the beginnings of two calls: a rate without any burst."""

    name: str
    seconds: float


class CallBudget:
    """Gives out places for calls. Fair within this process for calls of the same spacing.

    `clock` and `sleep` are seconds, monotonic; `now` is the time of day. `halt` makes
    everybody who waits for a place raise `Interrupted`.
    """

    def __init__(
        self,
        file: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        host: Host | None = None,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._use = HomeUse(file.with_suffix(".host"), clock, now, host) if file.suffix else None
        self._lines: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._throttled_in_a_row = 0
        self._paused_until = -math.inf
        self._halted = False
        self._waiting_until: float | None = None
        self.on_pause: Callable[[float], None] = lambda _seconds: None
        """Called where a 429 begins a pause that someone may wonder about, with its seconds."""
        self.on_wait: Callable[[float], None] = lambda _seconds: None
        """Called where a call begins to wait for a place for so many seconds, and no earlier wait was reported."""
        self._told_until = -math.inf
        self.on_use: Callable[[], None] = lambda: None
        """Called whenever a place was given out."""
        self._path = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    @asynccontextmanager
    async def place(
        self,
        windows: Iterable[Window],
        spacing: Spacing | None = None,
        unless: Callable[[], bool] = lambda: False,
        *,
        left_free: int = 0,
        tell: bool = False,
    ) -> AsyncIterator[None]:
        """Wait until one more call fits, then hold its place; send the call inside the `async with` block.

        `left_free`: so many places of each window are left for other calls. `tell`: the wait is reported where it takes
        long. Raises `Interrupted` where it must not be sent any more: after `halt`, or once `unless` says so; and what
        `unless` raises.
        """
        windows = tuple(windows)
        async with self._lines[spacing.name if spacing else ""]:
            try:
                while True:
                    if self._halted or unless():
                        raise Interrupted("Stopped while waiting for the call budget; this call was not sent.")
                    held, wait = self._take(windows, spacing, left_free)
                    if wait <= 0:
                        break
                    self._waiting_until = self._clock() + wait
                    if tell and wait >= _WORTH_SAYING_S and self._waiting_until > self._told_until + _WORTH_SAYING_S:
                        self._told_until = self._waiting_until
                        self.on_wait(wait)
                    await self._sleep(min(wait, _LOOK_AGAIN_S))
            finally:
                self._waiting_until = None
        self.on_use()
        try:
            yield
        finally:
            self._release(held, windows)

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
        if retry_after_s is not None and retry_after_s > _TOO_LONG_S:
            raise CarrierUnavailable(
                f"The carrier asks to wait {retry_after_s:.0f} s before the next call. Run again after that.",
                status=429,
            )
        in_a_row = max(self._throttled_in_a_row, times)
        own = min(_FIRST_PAUSE_S * 2.0 ** min(in_a_row - 1, 10), _LONGEST_PAUSE_S)
        pause = max(retry_after_s or 0.0, own)
        until = self._paused_until = now + pause + _MARGIN_S
        if begins and pause >= _WORTH_SAYING_S:
            self.on_pause(pause)
        self._write(
            "INSERT INTO not_before VALUES ('', ?) ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)", (until,)
        )
        return pause

    def answered(self) -> None:
        """The carrier took a call: the next pause starts small again."""
        self._throttled_in_a_row = 0

    def waiting_s(self) -> float:
        """How long someone here has still to wait for a place; 0 if nobody waits."""
        return 0.0 if self._waiting_until is None else max(0.0, self._waiting_until - self._clock())

    @property
    def halted(self) -> bool:
        """Whether nobody may send any more."""
        return self._halted

    def halt(self) -> None:
        """Let nobody send any more until `resume`."""
        self._halted = True

    def resume(self) -> None:
        """Undo `halt`."""
        self._halted = False

    def close(self) -> None:
        """Close the file. Places held stay counted."""
        self._file.close()

    def _take(self, windows: tuple[Window, ...], spacing: Spacing | None, left_free: int) -> tuple[list[int], float]:
        """Take a place in every window now, or say how long to wait at least."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                self._go_by_our_clock(windows)
                now = self._clock()
                wait = self._wait(now, windows, spacing, left_free)
                held = [] if wait > 0 else self._hold(now, windows, spacing)
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        return held, wait

    def _go_by_our_clock(self, windows: tuple[Window, ...]) -> None:
        """Note that this host uses the budget. What another clock left here is held for a window, or long over."""
        counts_for_s = LONGEST_CALL_S + max((window.seconds for window in windows), default=0.0)
        if self._use is None or not self._use.renew(counts_for_s):
            return
        clock, now, boot = self._clock(), self._now(), self._use.host.boot
        kept = self._file.execute("SELECT boot, clock_s, at FROM clock").fetchone()
        if kept is not None and (kept[0] != boot or kept[1] > clock + _CLOCK_STEP_S):
            idle = now - kept[2]
            if idle > counts_for_s:
                self._file.execute("DELETE FROM places")
            self._file.execute("UPDATE places SET frees_at = ?", (_FAR,))  # see `_wait`
            self._file.execute("UPDATE not_before SET at = at - ? + ?", (kept[1] + max(idle, 0.0), clock))
        self._file.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", (boot, clock, now))

    def _wait(self, now: float, windows: tuple[Window, ...], spacing: Spacing | None, left_free: int) -> float:
        names = ("", spacing.name) if spacing else ("",)
        wait = 0.0
        for name in names:
            row = self._file.execute("SELECT at FROM not_before WHERE name = ?", (name,)).fetchone()
            if row and row[0] - now <= _TOO_LONG_S + 1:  # further ahead: written before the host restarted
                wait = max(wait, row[0] - now)
        for window in windows:
            horizon = now + LONGEST_CALL_S + window.seconds + 1
            self._file.execute("DELETE FROM places WHERE name = ? AND frees_at <= ?", (window.name, now))
            self._file.execute(
                "UPDATE places SET frees_at = ? WHERE name = ? AND frees_at > ?",
                (now + window.seconds, window.name, horizon),
            )
            (used,) = self._file.execute("SELECT count(*) FROM places WHERE name = ?", (window.name,)).fetchone()
            if used >= (most := max(1, window.calls - left_free)):
                (frees_at,) = self._file.execute(
                    "SELECT frees_at FROM places WHERE name = ? ORDER BY frees_at LIMIT 1 OFFSET ?",
                    (window.name, used - most),
                ).fetchone()
                wait = max(wait, frees_at - now)
        return wait

    def _hold(self, now: float, windows: tuple[Window, ...], spacing: Spacing | None) -> list[int]:
        held = []
        for window in windows:
            frees_at = now + LONGEST_CALL_S + window.seconds
            cursor = self._file.execute("INSERT INTO places (name, frees_at) VALUES (?, ?)", (window.name, frees_at))
            held.append(int(cursor.lastrowid or 0))
        if spacing:
            self._file.execute(
                "INSERT INTO not_before VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
                (spacing.name, now + spacing.seconds),
            )
        return held

    def _release(self, held: list[int], windows: tuple[Window, ...]) -> None:
        now = self._clock()
        for ident, window in zip(held, windows, strict=True):
            frees_at = now + window.seconds + _MARGIN_S
            self._write("UPDATE places SET frees_at = ? WHERE id = ? AND frees_at > ?", (frees_at, ident, frees_at))

    def _unusable(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"The file of the rate limit's calls, {self._path}, can't be used ({error}). Without it nothing more is "
            "sent. Check the disk and the permissions of SIMTANDEM_HOME. If the file is damaged, wait for one window "
            "of the rate limit (5 minutes at emnify), remove it, and run again: a new one knows of no call."
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._file.execute(statement, values)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
