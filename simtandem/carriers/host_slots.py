"""Slots of the call budget that all processes of one host share.

The state is a small SQLite file, so a killed process leaves its calls counted. Times are of the monotonic clock: one
for all processes of the host, and nobody sets it back. So one host alone may use it (`home_use`). After a restart of
the host the clock begins anew: then every slot that may still count is held for a full window, which waits longer,
never shorter.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from simtandem.carriers.rate_limit import LONGEST_CALL_S, MARGIN_S, TOO_LONG_S, Asked, Spacing, Taken, Window
from simtandem.errors import LedgerError
from simtandem.host import clock
from simtandem.host.home_use import HomeUse, Host

_CLOCK_STEP_S = 1.0  # noted later than read, by other processes
_FAR = 1e18
_WAITING_S = 3.0
"""So long an urgent call that found no slot is known to wait for one; it asks again every second."""
_URGENT_IN_A_ROW = 3
"""After so many urgent ones the next slot is anybody's."""
_HELD_BACK_S = 0.2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY, name TEXT NOT NULL, frees_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS places_by_name ON places (name, frees_at);
CREATE TABLE IF NOT EXISTS not_before (name TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT, clock_s REAL, at REAL);
CREATE TABLE IF NOT EXISTS urgent (name TEXT PRIMARY KEY, waits_until REAL NOT NULL, in_a_row INTEGER NOT NULL);
"""

_PLACES = (
    "SELECT (SELECT count(*) FROM places WHERE name = :name AND frees_at > :now), "
    "(SELECT min(frees_at) FROM places WHERE name = :name), (SELECT max(frees_at) FROM places WHERE name = :name)"
)
"""How many slots of a window are held; when the first and the last of them that are kept is free."""
_HELD = "SELECT count(*) FROM places WHERE name = ? AND frees_at > ?"


class HostSlots:
    """Implements `rate_limit.Slots`. `clock` is seconds, monotonic; `now` is the time of day."""

    def __init__(
        self,
        file: Path,
        *,
        clock: Callable[[], float] = clock.steady,
        now: Callable[[], float] = clock.seconds,
        host: Host | None = None,
    ) -> None:
        self._clock = clock
        self._now = now
        self._use = HomeUse(file.with_suffix(".host"), clock, now, host) if file.suffix else None
        self._path = file
        with self._usable():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.executescript(_SCHEMA)

    async def take(self, asked: Asked, given_up: Callable[[], bool]) -> Taken | float:  # noqa: ARG002 - it is quick
        """See `Slots.take`."""
        with self._usable(), self._transaction():
            self._go_by_our_clock(asked.windows)
            now = self._clock()
            wait, urgent_ones = self._gates(now, asked)
            wait = max(wait, self._wait(now, asked, urgent_ones=urgent_ones))
            if wait > 0:
                if asked.urgent:
                    self._note_urgent(asked, now + _WAITING_S, served=0)
                return wait
            if asked.urgent:
                self._note_urgent(asked, 0.0, served=1)
            elif urgent_ones:
                self._file.execute("UPDATE urgent SET in_a_row = 0 WHERE in_a_row > 0")
            return self._hold(now, asked)

    async def confirm(self, taken: Taken) -> bool:
        """See `Slots.confirm`. A slot that has been freed meanwhile is not held any more."""
        with self._usable(), self._transaction():
            now = self._clock()
            for ident, window in zip(taken.numbers, taken.asked.windows, strict=True):
                frees_at = now + LONGEST_CALL_S + window.seconds
                held = "UPDATE places SET frees_at = ? WHERE id = ? AND name = ? AND frees_at > ?"
                if not self._file.execute(held, (frees_at, ident, window.name, now)).rowcount:
                    return False
        return True

    def release(self, taken: Taken) -> None:
        """See `Slots.release`."""
        now = self._clock()
        for ident, window in zip(taken.numbers, taken.asked.windows, strict=True):
            frees_at = now + window.seconds + MARGIN_S
            with self._usable():
                self._file.execute(
                    "UPDATE places SET frees_at = ? WHERE id = ? AND frees_at > ?", (frees_at, ident, frees_at)
                )

    def others(self, taken: Taken, counted: Mapping[str, int]) -> None:
        """See `Slots.others`. A slot counts that was held at any time since."""
        with self._usable(), self._transaction():
            now = self._clock()
            for window in (each for each in taken.asked.windows if each.name in counted):
                (ours,) = self._file.execute(_HELD, (window.name, taken.at)).fetchone()
                (held,) = self._file.execute(_HELD, (window.name, now)).fetchone()
                missing = min(counted[window.name] - ours, window.calls - held)
                row = (window.name, now + window.seconds)
                self._file.executemany("INSERT INTO places (name, frees_at) VALUES (?, ?)", [row] * missing)

    def pause(self, seconds: float) -> None:
        """See `Slots.pause`."""
        pause = "INSERT INTO not_before VALUES ('', ?) ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)"
        with self._usable():
            self._file.execute(pause, (self._clock() + seconds,))

    def close(self) -> None:
        """See `Slots.close`."""
        self._file.close()

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
            self._file.execute("DELETE FROM urgent")
            self._file.execute("UPDATE places SET frees_at = ?", (_FAR,))  # see `_wait_for`
            self._file.execute("UPDATE not_before SET at = at - ? + ?", (kept[1] + max(idle, 0.0), clock))
        self._file.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", (boot, clock, now))

    def _gates(self, now: float, asked: Asked) -> tuple[float, bool]:
        """How long nobody may send, or nobody of this spacing, and whether urgent calls have been noted.

        What is further ahead than any pause was written before the host restarted. Statements are few: at each of them
        another thread may run.
        """
        gates = "SELECT max(at) FROM not_before WHERE name IN ('', ?) AND at <= ?"
        values = (asked.spacing.name if asked.spacing else "", now + TOO_LONG_S + 1)
        opens_at, urgent_ones = self._file.execute(
            f"SELECT ({gates}), EXISTS (SELECT 1 FROM urgent)",  # noqa: S608 - a fixed text
            values,
        ).fetchone()
        return (0.0 if opens_at is None else max(0.0, opens_at - now)), bool(urgent_ones)

    def _wait(self, now: float, asked: Asked, *, urgent_ones: bool) -> float:
        wait = 0.0
        for window in asked.windows:
            if urgent_ones and not asked.urgent and self._urgent_first(window, now):
                wait = max(wait, _HELD_BACK_S)
            wait = max(wait, self._wait_for(window, asked.most(window), now))
        return wait

    def _wait_for(self, window: Window, most: int, now: float) -> float:
        """How long until fewer than so many slots of this window are held. Free ones are kept a while, for `others`."""
        horizon, forgotten = now + LONGEST_CALL_S + window.seconds + 1, now - LONGEST_CALL_S
        used, first, last = self._file.execute(_PLACES, {"name": window.name, "now": now}).fetchone()
        if first is not None and first <= forgotten:
            self._file.execute("DELETE FROM places WHERE name = ? AND frees_at <= ?", (window.name, forgotten))
        if last is not None and last > horizon:
            self._file.execute(
                "UPDATE places SET frees_at = ? WHERE name = ? AND frees_at > ?",
                (now + window.seconds, window.name, horizon),
            )
        if used < most:
            return 0.0
        (frees_at,) = self._file.execute(
            "SELECT frees_at FROM places WHERE name = ? AND frees_at > ? ORDER BY frees_at LIMIT 1 OFFSET ?",
            (window.name, now, used - most),
        ).fetchone()
        return float(frees_at - now)

    def _urgent_first(self, window: Window, now: float) -> bool:
        """Whether the next slot of this window is for an urgent call."""
        waits = "SELECT 1 FROM urgent WHERE name = ? AND waits_until > ? AND waits_until <= ? AND in_a_row < ?"
        values = (window.name, now, now + _WAITING_S, _URGENT_IN_A_ROW)
        return self._file.execute(waits, values).fetchone() is not None

    def _note_urgent(self, asked: Asked, waits_until: float, served: int) -> None:
        """Until when an urgent call waits, as far as is known, and how many more of them have had a slot in a row."""
        note = (
            "INSERT INTO urgent VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "waits_until = excluded.waits_until, in_a_row = in_a_row + excluded.in_a_row"
        )
        self._file.executemany(note, [(window.name, waits_until, served) for window in asked.windows])

    def _hold(self, now: float, asked: Asked) -> Taken:
        held = []
        for window in asked.windows:
            frees_at = now + LONGEST_CALL_S + window.seconds
            cursor = self._file.execute("INSERT INTO places (name, frees_at) VALUES (?, ?)", (window.name, frees_at))
            held.append(int(cursor.lastrowid or 0))
        if asked.spacing:
            self._space(asked.spacing, now)
        return Taken(asked, tuple(held), now)

    def _space(self, spacing: Spacing, now: float) -> None:
        self._file.execute(
            "INSERT INTO not_before VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            (spacing.name, now + spacing.seconds),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(
                f"The file of the rate limit's calls, {self._path}, can't be used ({error}). Without it nothing more "
                "is sent. Check the disk and the permissions of SIMTANDEM_HOME. If the file is damaged, wait for one "
                "window of the rate limit (5 minutes at emnify), remove it, and run again: a new one knows of no call."
            ) from error


def slots_file(home: Path, account: str) -> Path:
    """Where a home keeps the slots of an account, named as in the names of files."""
    return home / f"budget-{account}.sqlite"
