"""The product as an operator uses it: the installed command, a carrier on a port, a home of its own.

Commands of this folder's tests begin with what they all import already imported: see `warm_start`. In other folders, or
for a desk that is `cold`, the installed command is started as an operator starts it.
"""

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.warm_start import WarmStart

COMMAND = str(Path(sys.executable).with_name("simtandem"))
PATIENCE_S = 120.0  # a busy machine is slow; a test that hangs should still end
FIRST = 10_000_001


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """The only JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document


class Desk:
    """Where an operator sits, and `types_in` some folder.

    `home` is SIMTANDEM_HOME; its Prefect server is the session's, unless it is its own.
    """

    warm: WarmStart | None = None

    def __init__(self, folder: Path, emulator: Any, prefect_home: Path | None) -> None:
        self.folder = folder
        self.emulator = emulator
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.home.chmod(0o700)
        self.types_in = folder
        self.cold = Desk.warm is None
        if prefect_home is not None:
            (self.home / "prefect").symlink_to(prefect_home / "prefect")
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "COLUMNS": "200",
            "SIMTANDEM_HOME": str(self.home),
            "SIMTANDEM_EMNIFY_URL": emulator.url,
            "SIMTANDEM_EMNIFY_TOKEN": emulator.token,
        }
        self.said: list[str] = []

    def file(self, sims: Sequence[int] | int, *, name: str = "devices.csv", status: str = "") -> Path:
        """A device CSV: the first so many SIMs of the fleet, or these."""
        idents = range(FIRST, FIRST + sims) if isinstance(sims, int) else sims
        lines = [f"{ident},{status}" if status else str(ident) for ident in idents]
        path = self.folder / name
        path.write_text("\n".join(["sim_id,status" if status else "sim_id", *lines]) + "\n")
        return path

    def run(self, *arguments: object, **variables: str | None) -> Done:
        """A command, to its end. Whatever it was, it must not show a traceback."""
        running = self.start(*arguments, **variables)
        return self.wait(running)

    def start(self, *arguments: object, **variables: str | None) -> "subprocess.Popen[str]":
        """A command on its way; variables that are None are taken away."""
        command = [COMMAND, *map(str, arguments)]
        own = {name: value for name, value in {**self.variables, **variables}.items() if value is not None}
        if self.warm and not self.cold:
            return self.warm.start(command, own, self.types_in)
        return subprocess.Popen(
            command,
            env=own,
            cwd=self.types_in,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=0o022,
        )

    def wait(self, running: "subprocess.Popen[str]") -> Done:
        """The end of a command."""
        out, err = running.communicate(timeout=PATIENCE_S)
        self.said += [out, err]
        assert "Traceback" not in out + err, err
        return Done(running.returncode, out, err)

    def type_at(
        self, answer: bytes, *arguments: object, asks: bytes = b"[y/N]", meanwhile: Callable[[], object] = int
    ) -> Done:
        """A command on a terminal, which gets `answer` typed once it asks. `meanwhile`: while the question stands."""
        master, terminal = pty.openpty()
        command = [COMMAND, *map(str, arguments)]
        if self.warm and not self.cold:
            running = self.warm.start(command, self.variables, self.folder, terminal=terminal)
        else:
            running = subprocess.Popen(
                command,
                env=self.variables,
                cwd=self.folder,
                stdin=terminal,
                stderr=terminal,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=_take_terminal,  # noqa: PLW1509 - nothing else runs in this process
            )
        os.close(terminal)
        give_up = threading.Timer(PATIENCE_S, running.kill)
        give_up.start()
        seen = _read_until(master, asks)
        meanwhile()
        os.write(master, answer)
        assert running.stdout is not None
        out = running.stdout.read()
        running.stdout.close()
        code = running.wait()
        give_up.cancel()
        said = (seen + _read_until(master)).decode()
        os.close(master)
        assert "Traceback" not in out + said
        return Done(code, out, said)

    def patches(self) -> int:
        """How many changes the carrier was sent so far."""
        return sum(count for route, count in self.emulator.stats()["by_route"].items() if route.startswith("PATCH"))

    def run_folders(self) -> list[Path]:
        """The folders of the runs, oldest first."""
        return sorted((self.home / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)


def until(true: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait for something that other processes do."""
    give_up = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up, f"in vain: {what}"
        time.sleep(0.02)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(descriptor: int, words: bytes = b"\0never") -> bytes:
    seen = b""
    while words not in seen:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    return seen
