"""Runs a command in a process of its own, and says how long it took and how much memory it held at most."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
SIMTANDEM = str(Path(sys.executable).with_name("simtandem"))

_LAST_WORDS = 2000  # characters of stderr that a failure shows


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that ended well, and the JSON it printed.

    `seconds` are those of the whole process, imports included, `busy_s` the processor's seconds among them.
    """

    seconds: float
    busy_s: float
    peak_mib: float
    document: dict[str, Any]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of simtandem, Prefect or a proxy for the loopback, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIMTANDEM_", "PREFECT_"))}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **(extra or {})}


def finish(
    command: Sequence[str], *, within_s: float, extra: Mapping[str, str] | None = None, code: int = 0
) -> Finished:
    """Run a command to its end. Raises RuntimeError if it ends otherwise than with `code`, or prints no JSON."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT, env=environment(extra)
        )
        try:
            with killed_after(process, within_s):
                _, status, usage = os.wait4(process.pid, 0)  # of this child alone, as `resource` cannot tell
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            err.seek(0)
            told = err.read().decode(errors="replace")[-_LAST_WORDS:]
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode} after {seconds:.0f} s:\n{told}")
        out.seek(0)
        return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.load(out))


@contextmanager
def killed_after(process: subprocess.Popen[Any], seconds: float) -> Iterator[None]:
    """Kill the process if the block is not left in time."""
    alarm = threading.Timer(seconds, process.kill)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
