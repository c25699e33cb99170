"""The embedded server's locks, its note, and who is trusted; what Prefect does in it is shown end to end."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from simtandem import __version__
from simtandem.errors import OrchestrationError
from simtandem.prefect_server import embedded_server, server_identity
from simtandem.prefect_server.embedded_server import EmbeddedServer
from simtandem.prefect_server.server_identity import Answer, ServerNote, proof
from simtandem.prefect_server.server_process import try_exclusive

PYTHON = sys.executable


class StandIn(BaseHTTPRequestHandler):
    """Answers as the server of a home does, or as a program that knows nothing of it."""

    server: "Serving"

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        body = b"{}"
        if asked.path == server_identity.PROOF_PATH and self.server.key:
            told = proof(self.server.key, asked.query, self.server.server_port, self.server.home)
            body = json.dumps({"proof": told, "version": self.server.version}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Serving(HTTPServer):
    """A program on a port."""

    key = ""
    version = __version__
    home = Path()


MADE: list[EmbeddedServer] = []


def server_of(home: Path, *, port: int = 0) -> EmbeddedServer:
    """A server, which is let go of at the end of the test."""
    MADE.append(EmbeddedServer(home, port=port))
    return MADE[-1]


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    while MADE:
        server = MADE.pop()
        server.let_go()
        if server.child is not None:
            server.child.kill()
            server.child.wait(30)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "prefect").mkdir()
    return tmp_path / "prefect"


@pytest.fixture
def serving(home: Path) -> Iterator[Serving]:
    with Serving(("127.0.0.1", 0), StandIn) as program:
        program.home = home
        thread = threading.Thread(target=program.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield program
        program.shutdown()
        thread.join()


def noted(home: Path, serving: Serving, *, ours: bool = True) -> ServerNote:
    """A note of it in the home; where it is ours, it knows the secret."""
    note = ServerNote.new(f"http://127.0.0.1:{serving.server_port}/api")
    note.write(home / "server.json")
    if ours:
        serving.key = note.key
    return note


@pytest.fixture
def alive(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is alive as a server of this home is, and does nothing."""
    held = "import sys; from simtandem.prefect_server import server_process as s; from pathlib import Path"
    wait = "s._sole_server(Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"
    command = [PYTHON, "-c", f"{held}; {wait}", str(home / "server.pid")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be started is a program that ends at once."""
    monkeypatch.setattr(sys, "executable", "/bin/true")


def unused(home: Path) -> bool:
    """Whether nobody holds the lock that keeps a server up."""
    descriptor = os.open(home / "server.lock", os.O_RDWR)
    try:
        return try_exclusive(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("alive")
async def test_a_server_that_runs_is_used_and_kept_up_until_the_end(home: Path, serving: Serving) -> None:
    note = noted(home, serving)
    first, second = server_of(home), server_of(home)
    for each in (first, second):
        await each.attach()
        assert (await each.ready(), each.child) == (note.url, None)
    first.let_go()
    assert not unused(home), "the second run still needs it"
    second.let_go()
    assert unused(home)


@pytest.mark.usefixtures("child")
@pytest.mark.parametrize("file", ["", "{", "[]", "{}", '{"url": "http://127.0.0.1:9/api"}', '{"url": 1, "key": 2}'])
async def test_a_note_that_can_not_be_used_is_replaced(home: Path, file: str) -> None:
    """A writer may have been killed in the middle; that must not keep every later run from starting."""
    (home / "server.json").write_text(file)
    server = server_of(home)
    await server.attach()
    assert server.child is not None
    assert server.child.wait(30) == 0
    assert ServerNote.read(home / "server.json") == server._note
    assert server.url != "http://127.0.0.1:9/api"
    assert (home / "server.json").stat().st_mode & 0o077 == 0, "the secret is this user's alone"


@pytest.mark.usefixtures("child")
@pytest.mark.parametrize("ours", [True, False], ids=["a server of another home", "another program"])
async def test_whoever_else_has_the_noted_port_is_not_used(home: Path, serving: Serving, ours: bool) -> None:
    note = noted(home, serving, ours=ours)
    serving.home = home.parent / "elsewhere"
    server = server_of(home)
    await server.attach()
    assert server.url != note.url


async def test_a_program_that_passes_the_question_on_proves_nothing(home: Path, serving: Serving) -> None:
    """It may ask the real server, and hand its answer over: that holds for another port."""
    note = noted(home, serving)
    assert note.ask(home) is Answer.OURS
    with socket.create_server(("127.0.0.1", 0)) as relay:
        port = relay.getsockname()[1]

        def pass_on() -> None:
            to_client, _ = relay.accept()
            with to_client, socket.create_connection(("127.0.0.1", serving.server_port)) as to_server:
                to_server.sendall(to_client.recv(65536))
                while part := to_server.recv(65536):
                    to_client.sendall(part)

        thread = threading.Thread(target=pass_on)
        thread.start()
        assert ServerNote(f"http://127.0.0.1:{port}/api", note.key, note.version).ask(home) is Answer.FOREIGN
        thread.join()


@pytest.mark.usefixtures("alive")
async def test_a_server_of_another_version_is_told(home: Path, serving: Serving) -> None:
    noted(home, serving)
    serving.version = "0.0.9"
    server = server_of(home)
    with pytest.raises(OrchestrationError, match="another version"):
        await server.attach()
    server.let_go()
    assert unused(home), "nothing keeps it up"


@pytest.mark.usefixtures("child")
async def test_a_server_that_is_frozen_is_ended_and_another_one_started(
    home: Path, alive: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerNote, "ask", lambda *_: Answer.SILENT)
    ServerNote.new("http://127.0.0.1:9/api").write(home / "server.json")
    server = server_of(home)
    await server.attach()
    assert alive.wait(30) == -signal.SIGKILL
    assert server.child is not None


async def test_what_listens_and_never_answers_is_silent(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        note = ServerNote.new(f"http://127.0.0.1:{mute.getsockname()[1]}/api")
        assert note.ask(home, 0.05) is Answer.SILENT
    assert note.ask(home, 0.05) is Answer.REFUSED


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[1"])
async def test_what_answers_something_else_is_foreign(home: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as program:

        def answer() -> None:
            asking, _ = program.accept()
            with asking:
                asking.recv(65536)
                asking.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert ServerNote.new(f"http://127.0.0.1:{program.getsockname()[1]}/api").ask(home) is Answer.FOREIGN
        thread.join()


@pytest.mark.usefixtures("child")
async def test_started_again_it_has_the_port_where_clients_look_for_it(home: Path) -> None:
    server = server_of(home)
    await server.attach()
    url = server.url
    assert server.child is not None
    server.child.wait(30)
    assert await server.gone()
    server.let_go()
    await server.attach()
    assert server.url == url


async def test_a_port_that_is_taken_is_told(home: Path, serving: Serving) -> None:
    server = server_of(home, port=serving.server_port)
    with pytest.raises(OrchestrationError, match=f"port {serving.server_port} .*Nothing was sent"):
        await server.attach()


async def test_waiting_for_another_run_that_starts_a_server_can_be_cancelled(home: Path) -> None:
    other = await embedded_server._lock(home / "starting.lock", fcntl.LOCK_EX)
    server = server_of(home)
    attaching = asyncio.create_task(server.attach())
    await asyncio.sleep(0.05)
    attaching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attaching
    os.close(other)


async def test_a_home_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("in the way")
    with pytest.raises(OrchestrationError, match="can't be prepared"):
        await EmbeddedServer(tmp_path / "prefect").attach()


async def test_a_server_that_does_not_start_is_told_with_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server = server_of(home)
    await server.attach()
    with pytest.raises(OrchestrationError, match=r"server\.log"):
        await server.ready()


@pytest.mark.usefixtures("child")
@pytest.mark.parametrize(
    "said", ["OSError: [Errno 28] No space left on device", "sqlite3.OperationalError: database or disk is full"]
)
async def test_a_server_that_does_not_start_for_a_full_disk_is_told_so(home: Path, said: str) -> None:
    server = server_of(home)
    await server.attach()
    (home / "server.log").write_text("x" * 50_000 + said + "\nApplication startup failed.\n")
    with pytest.raises(OrchestrationError, match="is full") as told:
        await server.ready()
    assert str(home.parent) in str(told.value)
    assert "Nothing was sent" in str(told.value)
    assert told.value.exit_code == 1, "it is not the carrier"


@pytest.mark.usefixtures("child")
async def test_a_disk_without_room_is_named_even_where_the_log_could_not_say_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "_ROOM", 1 << 60)
    server = server_of(home)
    await server.attach()
    with pytest.raises(OrchestrationError, match="is full"):
        await server.ready()


async def test_a_lock_is_free_once_every_holder_let_go(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    holders = [await embedded_server._lock(file, fcntl.LOCK_SH) for _ in range(2)]
    asking = await embedded_server._lock(file, fcntl.LOCK_UN)
    for holder in holders:
        assert not try_exclusive(asking)
        os.close(holder)
    assert try_exclusive(asking)
    os.close(asking)
