"""Whether the process that began a run may still be running.

A process id alone is not enough: ids are used again, after a reboot almost at once. So a run keeps beside it when that
process began, counted from the boot of its kernel, and which boot that was.
"""

import os
import socket
from pathlib import Path

_START = 19  # field 22 of /proc/PID/stat, counted behind the name, which may hold anything


def process_mark(pid: int) -> str | None:
    """What distinguishes this process from any other one with the same id; None where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        began = int(stat.rpartition(")")[2].split()[_START])
    except (OSError, ValueError, IndexError):
        return None
    return f"{boot}/{began}"


def process_may_run(host: str, pid: int, process: str | None = None) -> bool:
    """False only where it is certain: it would be on this machine, and there is none with that id, or another one.

    `process` is the mark of it that was recorded.
    """
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    now = process_mark(pid)
    return process is None or now is None or process == now
