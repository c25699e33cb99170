"""The embedded Prefect server's own process: serve until nobody uses the home's lock file any more.

Started with `python -m`, by `EmbeddedServer` alone: the socket to listen on is inherited, its settings, its secret
among it, comes on stdin.
Prefect is imported here only, not by the process that starts this.
"""

import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from simtandem import __version__
from simtandem.host.importing import leave_out_unused, without_collecting, without_http2
from simtandem.host.private_home import keep_private
from simtandem.prefect_server.credential import kept_credential
from simtandem.prefect_server.server_identity import PROOF_PATH, proof

LINGER_S = 3.0
"""A server ends so long after the last run has let go: what that reported last is still being stored."""

_LOOK_S = 0.25
_DRAIN_S = 5

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


def main() -> None:
    """Serve on the inherited socket, for the home that is named."""
    keep_private()
    listener, home = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])
    told = json.loads(sys.stdin.readline())
    alive = _sole_server(home / "server.pid")
    leave_out_unused()
    with without_collecting(), without_http2():
        import uvicorn
        from prefect.server.api.server import create_app

        from simtandem.prefect_server.guard import Guard, Names

    _let_writers_queue_up()
    port = listener.getsockname()[1]
    app = proving(create_app(), told["key"], port, home)
    names = Names.of(told["host"], told["ui_url"])
    app = Guard(app, kept_credential(home), names, home, own=told["own"], cookie=f"simtandem-{port}")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_DRAIN_S)
    server = uvicorn.Server(config)

    def end_when_unused() -> None:
        descriptor, unused_for = os.open(home / "server.lock", os.O_RDWR), 0.0
        while unused_for < LINGER_S:
            time.sleep(_LOOK_S)
            if try_exclusive(descriptor):
                unused_for += _LOOK_S
                if unused_for < LINGER_S:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
            else:
                unused_for = 0.0
        server.should_exit = True  # holding the lock until the end: who comes now waits, then starts a new server

    threading.Thread(target=end_when_unused, daemon=True).start()
    server.run(sockets=[listener])
    os.close(alive)


def _sole_server(file: Path) -> int:
    """Hold this lock for as long as the process lives, and note its id there."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def proving(app: App, key: str, port: int, home: Path) -> App:
    """The same app, which also proves whose it is."""

    async def answer(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PROOF_PATH:
            await app(scope, receive, send)
            return
        told = {"proof": proof(key, scope["query_string"].decode("latin-1"), port, home), "version": __version__}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    return answer


def try_exclusive(descriptor: int) -> bool:
    """Take the file's lock where nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_held(file: Path) -> bool:
    """Whether the server that holds that lock file is alive. Askers share the lock: none takes another for a server."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _let_writers_queue_up() -> None:
    """Have every transaction of Prefect's server take SQLite's lock when it begins, as Prefect does for some.

    The others begin by reading. Where someone has written meanwhile, SQLite refuses their first write at once, however
    long they might wait: clients get a 503, and what an automation does with an event is done twice, or not at all.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_at_once(self: Any, session: Any, **_: bool) -> Any:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_at_once  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    main()
