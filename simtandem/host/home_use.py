"""Whether this host is the only one that uses a home: the call budget's times are of one host's clock.

A home on shared storage can be used from several hosts, but not at once: their monotonic clocks have nothing to do with
each other, so each would free the others' places at a random moment, and SQLite's and the lock files' promises hold on
one host alone. So each sender notes every few seconds, in a file beside the budget, which clock it goes by. A process
that finds another clock there, used so lately that its calls may still count, refuses to send.

A clock is identified by the boot of its kernel, not by the host's name: containers of one host share the clock and
change names. After a reboot of the same host nobody can have used the home since it began, and that is how it is known.
"""

import json
import math
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from simtandem.errors import LedgerError

_CHECK_S, _NOTE_S = 1.0, 5.0
_BACKWARDS_S = 1.0
"""A clock that shows less than was noted, by more than this, is another one."""
_LONGEST_S = 86_400.0
_AHEAD_S = 60.0
"""So much further than the time of day, and under another host's name: another clock."""


@dataclass(frozen=True, slots=True)
class Host:
    """What distinguishes one host's clock from another's. `up_s` is how long it has been up, suspended or not."""

    boot: str
    machine: str
    name: str
    up_s: Callable[[], float]


def this_host() -> Host:
    """The host this process runs on. Processes in a time namespace of their own count as another one."""
    offsets = " ".join(_text("/proc/self/timens_offsets").split())
    shifted = "" if offsets in ("", "monotonic 0 0 boottime 0 0") else f" {offsets}"
    name = socket.gethostname()
    boot = _text("/proc/sys/kernel/random/boot_id") or name
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Host(boot + shifted, _text("/etc/machine-id"), name, lambda: time.clock_gettime(clock))


@dataclass(frozen=True, slots=True)
class _Use:
    """The last note: whose clock, what it showed then, the time of day then, how long calls of then may count."""

    boot: str
    machine: str
    name: str
    pid: int
    clock_s: float
    at: float
    counts_for_s: float


class HomeUse:
    """Notes in a file that this host uses the home. `clock` is monotonic, `now` the time of day; both in seconds."""

    def __init__(
        self, file: Path, clock: Callable[[], float], now: Callable[[], float] = time.time, host: Host | None = None
    ) -> None:
        self.host = host or this_host()
        self._file = file
        self._clock = clock
        self._now = now
        self._checked = self._noted = -math.inf

    def renew(self, counts_for_s: float) -> bool:
        """Note the use, where that is due; says whether it was. `counts_for_s`: so long a call of now may count.

        Raises `LedgerError` where another host uses the home, and `OSError` where the file can't be used.
        """
        clock = self._clock()
        if clock - self._checked < _CHECK_S:
            return False
        use = self._read()
        if use is not None and (wait := self._others(use)):
            raise _in_use(use, self._file, wait)
        self._checked = clock
        if clock - self._noted < _NOTE_S:
            return False
        self._write(counts_for_s, first=use is None)
        self._noted = clock
        return True

    def _others(self, use: _Use) -> float:
        """How long calls of another clock may still count, in seconds; 0 where it is this one, or long unused."""
        now, host = self._now(), self.host
        idle = now - use.at
        if use.boot == host.boot:
            went = self._clock() - use.clock_s
            ours = went >= -_BACKWARDS_S and (use.name == host.name or went - idle <= _AHEAD_S)
        else:  # rebooted since, if nobody used it since this boot; a clock that lags behind is known by its machine
            same = bool(host.machine) and (use.machine, use.name) == (host.machine, host.name)
            ours = use.at <= now - host.up_s() or (idle < 0 and same)
        return 0.0 if ours or idle > use.counts_for_s else use.counts_for_s - idle

    def _read(self) -> _Use | None:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            boot, machine, name = (str(kept[each])[:200] for each in ("boot", "machine", "name"))
            clock_s, at, counts_for_s = (float(kept[each]) for each in ("clock_s", "at", "counts_for_s"))
            return _Use(boot, machine, name, int(kept["pid"]), clock_s, at, min(counts_for_s, _LONGEST_S))
        except (
            FileNotFoundError,
            ValueError,
            KeyError,
            TypeError,
        ):  # none yet, or another format: it is written anew
            return None

    def _write(self, counts_for_s: float, *, first: bool) -> None:
        host = self.host
        use = _Use(host.boot, host.machine, host.name, os.getpid(), self._clock(), self._now(), counts_for_s)
        partial = self._file.with_name(f"{self._file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            partial.write_text(json.dumps(asdict(use)), encoding="utf-8")
            if first:
                with suppress(FileExistsError):  # of two hosts that begin together one is first: see the next look
                    os.link(partial, self._file)
            if not first or self._read() is None:
                partial.replace(self._file)
        finally:
            partial.unlink(missing_ok=True)


def _in_use(use: _Use, file: Path, wait: float) -> LedgerError:
    name = "".join(each for each in use.name if each.isprintable()) or "unknown"
    return LedgerError(
        f"Another host uses this SIMTANDEM_HOME: {name}, process {use.pid}. Nothing more is sent: a home's rate "
        "limit is kept on one host only.\n"
        "Give each host a home of its own and its share of the calls (SIMTANDEM_CALLS), or stop the other one and run "
        f"again {math.ceil(min(wait, use.counts_for_s))} s later. If that host is gone permanently, delete {file}."
    )


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii", errors="replace").strip()[:200]
    except OSError:
        return ""
