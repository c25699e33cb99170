"""What the rate limit of an account has left, read from its call budget beside the runs that use it."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from schemas.call_budget import CallsLeft
from simtandem.carriers.host_slots import slots_file
from simtandem.carriers.rate_limit import Window
from simtandem.carriers.registry import pace_of
from simtandem.settings import Settings

_WINDOWS = {"aeradmin": "aeradmin", "iot-accelerator": "management-minute"}
"""The window that bounds a long run, by carrier."""
_FREE = "SELECT frees_at FROM places WHERE name = ? AND frees_at > ? ORDER BY frees_at LIMIT ?"
_PAUSE = "SELECT at FROM not_before WHERE name = ''"
_LONGEST_PAUSE_S = 1000.0


def bounding_window(settings: Settings) -> Window:
    """The window that bounds a long run."""
    return Window(_WINDOWS.get(settings.carrier, "calls"), *pace_of(settings))


def calls_left(settings: Settings, clock: Callable[[], float] = time.monotonic) -> CallsLeft | None:
    """What the window that bounds a long run has left now; None where that can't be read. Changes nothing."""
    window = bounding_window(settings)
    calls, window_s = window.calls, window.seconds
    file = slots_file(settings.home, settings.account_key.file_name)
    if not file.exists():
        return CallsLeft(calls, window_s)
    now = clock()
    try:
        with closing(sqlite3.connect(f"file:{os.fspath(file)}?mode=ro", uri=True, timeout=0.2)) as reading:
            frees = reading.execute(_FREE, (window.name, now, calls)).fetchall()
            pause = reading.execute(_PAUSE).fetchone()
    except sqlite3.Error:
        return None
    # a call under way counts a window more from its answer; what is further ahead is of before the host restarted
    frees_s = tuple(min(each - now, window_s) for (each,) in frees)
    paused_s = pause[0] - now if pause else 0.0
    return CallsLeft(calls, window_s, frees_s, paused_s if 0 < paused_s < _LONGEST_PAUSE_S else 0.0)
