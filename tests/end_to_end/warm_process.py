"""The process that commands begin from (see `warm_start`): it imports what they import, and becomes one by forking.

Run as a program, with the number of the socket that requests arrive on.
"""

import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import signal
import socket
import ssl
import sys
import termios
import time
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from simtandem.host.importing import leave_out_unused

OF_PREFECT = (
    *(
        "amplitude",
        "anyio._backends._asyncio",
        "asgi_lifespan",
        "cachetools",
        "cloudpickle",
        "concurrent.futures.process",
    ),
    *("coolname", "dateutil.rrule", "exceptiongroup", "fastapi", "fsspec.implementations.local", "graphviz", "griffe"),
    *("h2.connection", "httpcore", "httpx", "humanize", "jinja2", "jsonschema", "multiprocessing.queues"),
    *("opentelemetry.metrics", "opentelemetry.propagate", "opentelemetry.trace", "orjson", "pathspec", "pendulum"),
    *("prometheus_client", "pydantic.networks", "pydantic.v1", "pydantic_extra_types.pendulum_dt", "rfc3339_validator"),
    *("slugify", "starlette.status", "toml", "unittest.mock", "websockets.asyncio.client", "yaml"),
)
"""What Prefect imports, but nothing of its own: that reads settings, and starts threads."""

OF_A_RUN = (
    *("simtandem.carriers.emnify.from_settings", "simtandem.carriers.aeris.from_settings"),
    *("simtandem.runs.four_eyes", "simtandem.runs.pipeline", "simtandem.runs.summary"),
    *("pandera.backends.polars.builtin_checks", "pandera.backends.polars.container", "polars._utils.parquet"),
)
"""What commands import once they need it."""

NEEDED_BY_NOBODY = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads that Polars starts when it is imported, and does without: one for memory given back, one for spilled data."""

LARGEST = 200_000
STREAMS = 3


def import_what_commands_import() -> None:
    """Every command's module, what a run imports, and the templates of its pages; new ledgers are made at once."""
    gc.disable()
    leave_out_unused()
    from simtandem.cli.commands import COMMANDS  # noqa: PLC0415 - after that

    for name in COMMANDS:
        importlib.import_module(f"simtandem.cli.{name.replace('-', '_')}")
    for name in ("simtandem.cli.app", *OF_A_RUN, *OF_PREFECT):
        importlib.import_module(name)
    from simtandem.ledger import store  # noqa: PLC0415 - after that
    from simtandem.reports import page_shell  # noqa: PLC0415 - the same
    from tests.new_ledgers import brought_up_to_date  # noqa: PLC0415 - the same

    store._bring_up_to_date = brought_up_to_date
    for template in Path(page_shell.__file__).with_name("templates").glob("*.html.j2"):
        page_shell.environment().get_template(template.name)
    gc.freeze()
    gc.enable()


def read_authorities_once() -> None:
    """Every client of HTTP reads the certificates of all authorities there are, and no carrier here has one."""
    import certifi  # noqa: PLC0415 - this is imported by tests, too

    ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]
    ssl.create_default_context(cafile=certifi.where())


def threads() -> list[str]:
    """The names of this process's threads that somebody may wait for."""
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    return [name for name in names if name not in NEEDED_BY_NOBODY]


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """The request that this process, a fork, is to carry out; None once no more arrive."""
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        message, fds, _, _ = socket.recv_fds(requests, LARGEST, STREAMS + 1)
        if not message:
            return None
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _look_after(json.loads(message), fds)
        for each in fds:
            os.close(each)


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _look_after(request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Fork again; the child returns, and its parent reports how that child ended."""
    if (child := os.fork()) == 0:
        for number in range(STREAMS):
            os.dup2(fds[number], number)
        os.closerange(STREAMS, 1024)
        return request
    with socket.socket(fileno=fds[STREAMS]) as report:
        for number in range(STREAMS):
            os.close(fds[number])
        report.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        report.send(str(status).encode())
    os._exit(0)


def become(request: dict[str, Any]) -> None:
    """Take over what a process has of its own."""
    if request["owns"]:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(request["variables"])
    time.tzset()
    os.umask(0o022)
    os.chdir(request["folder"])
    sys.argv = request["command"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    sys.stdin = sys.__stdin__ = _stream(0, "rb", sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "wb", sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "wb", sys.stderr)  # type: ignore[misc]


def _stream(number: int, mode: str, like: TextIO) -> TextIOWrapper:
    """A standard stream as Python opens it."""
    raw = cast("BinaryIO", open(number, mode, closefd=False))  # noqa: SIM115 - it stays open
    lines = number == 2 or os.isatty(number)
    return TextIOWrapper(raw, encoding=like.encoding, errors=like.errors, line_buffering=lines)


if __name__ == "__main__":
    import_what_commands_import()
    read_authorities_once()
    assert len(threads()) == 1, f"a fork would lack all but one of {threads()}"
    if (asked := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(asked)
        from simtandem.cli.app import main

        main()
