"""Commands that begin from a process which has imported what they all import: a second of work less for each.

What is begun so is a process like any other: its arguments, environment, folder, streams and end are its own, and
Prefect, which reads its settings when it is imported, is imported by itself. Where the start itself, or where modules
come from, is the subject, a desk is `cold`: its commands are started as an operator starts them.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

_PROGRAM = Path(__file__).with_name("warm_process.py")
_LARGEST = 200_000  # bytes of an answer or a request


class WarmStart:
    """The process that commands begin from. It ends with `close`, or with this process."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), str(theirs.fileno())],
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(
        self, command: list[str], variables: Mapping[str, str], folder: Path, *, terminal: int | None = None
    ) -> "subprocess.Popen[str]":
        """That command on its way; on a terminal, stdin and stderr are that one."""
        out, out_end = os.pipe()
        error, error_end = (terminal, terminal) if terminal is not None else os.pipe()
        given = terminal if terminal is not None else os.open(os.devnull, os.O_RDONLY)
        report, report_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # its messages stay apart
        what = {"command": command, "variables": dict(variables), "folder": str(folder), "owns": terminal is not None}
        fds = [given, out_end, error_end, report_end.fileno()]
        socket.send_fds(self._requests, [json.dumps(what).encode()], fds)
        report_end.close()
        for each in {given, out_end, error_end} - {terminal}:
            os.close(each)
        return _Begun(command, report, os.fdopen(out), os.fdopen(error) if terminal is None else None)

    def close(self) -> None:
        """No further command begins."""
        self._requests.close()
        self._process.wait(60)


class _Begun(subprocess.Popen[str]):
    """What `Popen` says of a process, for one that is the child of another."""

    def __init__(self, command: list[str], report: socket.socket, out: IO[str], error: IO[str] | None) -> None:
        self.args = command
        self.stdin, self.stdout, self.stderr = None, out, error
        self.returncode = cast("int", None)  # as in Popen, until it has ended
        self._report = report
        self._lock = threading.Lock()
        self.pid = int(report.recv(_LARGEST))

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._report], [], [], 0)[0]:
                self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is None:
                if not select.select([self._report], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self._ended()
        return self.returncode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002 - its name
        assert input is None
        told = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            with stream:
                told[number] = stream.read()

        streams = [(number, stream) for number, stream in enumerate((self.stdout, self.stderr)) if stream is not None]
        readers = [threading.Thread(target=read, args=each, daemon=True) for each in streams]
        for each in readers:
            each.start()
        for each in readers:
            each.join(timeout)
            if each.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        return told[0], told[1]

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.Signals(sig))

    def _ended(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(int(self._report.recv(_LARGEST)))
        self._report.close()
