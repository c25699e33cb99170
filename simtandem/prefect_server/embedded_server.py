"""The Prefect server of a home: found where one runs and proves itself, started where none does.

It is a child process on a loopback port, with its database and its log in SIMTANDEM_HOME. Runs at the same time share
it: each holds a shared lock on a file, and the server, ends once nobody holds it any more. So it outlives no
run for long, not even one that was killed, and no run loses it to another one that ends first.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from shutil import disk_usage

from simtandem.errors import OrchestrationError
from simtandem.prefect_server.credential import forget_credential, make_credential, own_credential
from simtandem.prefect_server.database_template import DATABASE, begin_with_template
from simtandem.prefect_server.prefect_settings import OWN, SERVER, SERVER_DEFAULTS, meant_for_another
from simtandem.prefect_server.server_identity import ANSWERS_WITHIN_S, Answer, ServerNote, server_pid
from simtandem.prefect_server.server_process import is_held
from simtandem.settings import PREFIX, child_environment, prefect_ui_url

_READY_WITHIN_S = 180.0
_LOOK_S = 0.1
_SILENT_TIMES = 3  # looks that a server may leave unanswered, some seconds each, before it counts as frozen
_ENDS_WITHIN_S = 30.0
_BOOTS_WITHIN_S = 60.0  # a server that another run began to start, and was killed

_ROOM = 16 << 20  # bytes; with less than that Prefect's database does not get far
_LOG_END = 20_000
_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")


class EmbeddedServer:
    """The server of one home, as one process uses it."""

    def __init__(self, home: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._home = home
        self._host = host
        self._port = port
        self._note: ServerNote | None = None
        self._using: int | None = None
        self._starting: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._silent = 0

    @property
    def url(self) -> str:
        """Where its API is, once it is attached."""
        return "" if self._note is None else self._note.url

    @property
    def child(self) -> "subprocess.Popen[bytes] | None":
        """Its process, where this one started it."""
        return self._child

    async def attach(self) -> None:
        """Hold the shared lock; find the server that runs, or begin to start one while nobody else does.

        Raises `OrchestrationError`. May be cancelled: its waits do not block the event loop.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            await self._take_locks()
            if await self._find():
                self._let_go_of_starting()
            else:
                self._start()
        except TimeoutError:
            raise OrchestrationError(
                f"Another run has been starting the Prefect server of {self._home.parent} for minutes and does not get "
                "on. Nothing was sent.\nEnd that run, then run again."
            ) from None
        except OSError as error:
            raise OrchestrationError(_not_started(self._home, f"It can't be prepared: {error}.")) from error

    async def ready(self) -> str:
        """Wait until it answers; its URL."""
        give_up = time.monotonic() + _READY_WITHIN_S
        while await self._ask() is not Answer.OURS:
            if (self._child and self._child.poll() is not None) or time.monotonic() > give_up:
                raise OrchestrationError(_not_started(self._home, f"See {self._home / 'server.log'}."))
            await asyncio.sleep(_LOOK_S)
        self._let_go_of_starting()
        return self.url

    async def gone(self) -> bool:
        """Whether it has ended, has left its port to someone else, or is frozen. Ask again and again."""
        if self._child is not None and self._child.poll() is not None:
            return True
        answer = await self._ask()
        self._silent = self._silent + 1 if answer in (Answer.SILENT, Answer.REFUSED) else 0
        return answer is Answer.FOREIGN or self._silent >= _SILENT_TIMES

    async def answers(self, within_s: float = ANSWERS_WITHIN_S) -> bool:
        """Whether it answers now."""
        return await self._ask(within_s) is Answer.OURS

    async def again(self) -> str:
        """Start it again on its port, where clients look for it, or use the one that another run has started again.

        Raises `OrchestrationError` where that can't be: its port is taken, or it doesn't start.
        """
        self._silent = 0
        self.let_go()
        await self.attach()
        return await self.ready()

    def let_go(self) -> None:
        """Use it no more. It ends once nobody does."""
        self._let_go_of_starting()
        if self._using is not None:
            os.close(self._using)
            self._using = None

    async def _take_locks(self) -> None:
        async with asyncio.timeout(_READY_WITHIN_S + _BOOTS_WITHIN_S):
            self._starting = await _lock(self._home / "starting.lock", fcntl.LOCK_EX)
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                self._using = await _lock(self._home / "server.lock", fcntl.LOCK_SH)
        except TimeoutError:  # the server before this one holds it while it ends, and does not get there
            await self._end_what_is_left()
            async with asyncio.timeout(_ENDS_WITHIN_S):
                self._using = await _lock(self._home / "server.lock", fcntl.LOCK_SH)

    async def _ask(self, within_s: float = ANSWERS_WITHIN_S) -> Answer:
        note = self._note
        return Answer.REFUSED if note is None else await asyncio.to_thread(note.ask, self._home, within_s)

    async def _find(self) -> bool:
        """Whether a server of this home is there to be used. One that is frozen, or never gets up, is ended."""
        found, silent, give_up = ServerNote.read(self._home / "server.json"), 0, time.monotonic() + _BOOTS_WITHIN_S
        while found is not None and is_held(self._home / "server.pid"):
            answer = await asyncio.to_thread(found.ask, self._home)
            if answer is Answer.OURS:
                self._note, self._child = found, self._child_at(found)
                return True
            if answer is Answer.OTHER_VERSION:
                raise OrchestrationError(
                    f"A Prefect server of another version of simtandem ({found.version}) runs for {self._home.parent}. "
                    "Nothing was sent.\nIt ends some seconds after the last run that uses it; stop `simtandem up` of "
                    "that version, then run again."
                )
            silent = silent + 1 if answer is Answer.SILENT else 0
            if silent >= _SILENT_TIMES or time.monotonic() > give_up:
                break
            await asyncio.sleep(_LOOK_S)
        await self._end_what_is_left()
        return False

    def _child_at(self, found: ServerNote) -> "subprocess.Popen[bytes] | None":
        return self._child if found == self._note else None

    async def _end_what_is_left(self) -> None:
        """No server of this home is alive after this: two on one database would be in each other's way."""
        file, give_up = self._home / "server.pid", time.monotonic() + _BOOTS_WITHIN_S
        while is_held(file):
            pid = server_pid(file)
            with contextlib.suppress(ProcessLookupError):
                if pid is not None:  # it holds the lock, so that id is still its own
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > give_up:
                raise OrchestrationError(
                    f"The Prefect server of {self._home.parent} does not answer and can't be ended. Nothing was sent.\n"
                    f"End its process, whose id is in {file}, then run again."
                )
            if self._child is not None:
                self._child.poll()
            await asyncio.sleep(_LOOK_S)

    def _start(self) -> None:
        own, credential = own_credential(), make_credential(self._home)
        migrated = begin_with_template(self._home)
        with self._listener() as listener, (self._home / "server.log").open("wb") as log:
            shown = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104 - not bound here
            url = f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}/api"
            self._note = ServerNote.new(url)
            self._note.write(self._home / "server.json")
            variables = {
                **SERVER,
                **OWN,
                f"{PREFIX}HOME": str(self._home.parent),
                "PREFECT_HOME": str(self._home),
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self._home / DATABASE}",
                "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false" if migrated else "true",
                "PREFECT_API_URL": url,
                "PREFECT_UI_URL": prefect_ui_url() or f"{url.removesuffix('/api')}/v2",
                "PREFECT_SERVER_API_AUTH_STRING": credential,
                "PREFECT_API_AUTH_STRING": credential,
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": url.removesuffix("/api"),
            }
            module = "simtandem.prefect_server.server_process"
            self._child = subprocess.Popen(  # noqa: S603 - a module of simtandem; -P: no file of the current folder is in
                [sys.executable, "-P", "-m", module, str(listener.fileno()), str(self._home)],
                env=child_environment(variables, meant_for_another, SERVER_DEFAULTS),
                cwd=self._home.parent,  # Prefect reads `.env` and `prefect.toml` in its folder
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(),),
                start_new_session=True,  # a Ctrl-C is meant for the run, which still reports after it
            )
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._child.stdin as to_child:  # ended already: `ready` says so
                told = {"key": self._note.key, "host": self._host, "own": own, "ui_url": prefect_ui_url() or ""}
                to_child.write(f"{json.dumps(told)}\n".encode())

    def _listener(self) -> socket.socket:
        """The socket it is to listen on, taken here: nobody can take its port between choice and start."""
        port = self._port or (self._note.port if self._note else 0)
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, port))
        except OSError as error:
            listener.close()
            if self._note is not None:  # a server of this home had the port: who has it now may have been taken for it
                forget_credential(self._home)
            raise OrchestrationError(
                f"The embedded Prefect server can't have port {port} of {self._host}: {error.strerror}. "
                "Nothing was sent.\nAnother program has it: end that one, or choose another port."
            ) from error
        return listener

    def _let_go_of_starting(self) -> None:
        if self._starting is not None:
            os.close(self._starting)
            self._starting = None


async def _lock(file: Path, mode: int) -> int:
    """Take the file's lock. Waiting for it may be cancelled."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_LOOK_S)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise


def _not_started(home: Path, hint: str) -> str:
    """That the embedded server did not start, and why: a full disk is named first."""
    told = "The embedded Prefect server did not start"
    if not _disk_is_full(home, hint):
        return f"{told}. Nothing was sent.\n{hint}"
    return (
        f"{told}: the disk of SIMTANDEM_HOME ({home.parent}) is full. Nothing was sent.\n"
        f"Make room, {_ROOM >> 20} MB at least, then run again."
    )


def _disk_is_full(home: Path, hint: str) -> bool:
    try:
        log = (home / "server.log").read_bytes()[-_LOG_END:].decode(errors="replace")
    except OSError:
        log = ""
    try:
        return any(word in log + hint for word in _FULL) or disk_usage(home.parent).free < _ROOM
    except OSError:  # no such folder: something else is wrong
        return False
