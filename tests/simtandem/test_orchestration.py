"""The embedded server's locks and addresses; that it starts, serves and ends is shown end to end."""

import fcntl
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from simtandem import orchestration
from simtandem.errors import OrchestrationError
from simtandem.orchestration import Orchestration
from simtandem.settings import Settings


class Healthy(BaseHTTPRequestHandler):
    """Answers as a Prefect server that is well."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/api"
        serving.shutdown()
        thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "prefect").mkdir()
    return Settings(home=tmp_path)


def unused(settings: Settings) -> bool:
    """Whether nobody holds the lock that keeps a server up."""
    descriptor = os.open(settings.home / "prefect" / "server.lock", os.O_RDWR)
    try:
        return orchestration._try_exclusive(descriptor)
    finally:
        os.close(descriptor)


def test_a_server_that_runs_is_used_and_kept_up_until_the_end(settings: Settings, server: str) -> None:
    (settings.home / "prefect" / "server.json").write_text(f'{{"url": "{server}"}}')
    with Orchestration(settings) as first, Orchestration(settings) as second:
        assert first._url == second._url == server
        assert first._child is second._child is None
        assert not unused(settings)
        first.__exit__(None, None, None)
        assert not unused(settings), "the second run still needs it"
    assert unused(settings)


async def test_a_server_that_is_named_needs_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server)
    with Orchestration(Settings(home=tmp_path / "home")) as prefect:
        assert not prefect.own
        await prefect._answering()
    assert not (tmp_path / "home").exists()


async def test_a_server_that_is_named_and_does_not_answer_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    prefect = Orchestration(Settings(home=tmp_path))
    with prefect, pytest.raises(OrchestrationError, match="PREFECT_API_URL"):
        await prefect._answering()


def test_a_home_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("in the way")
    with pytest.raises(OrchestrationError, match="can't be prepared"), Orchestration(Settings(home=tmp_path)):
        pass


async def test_a_server_that_does_not_start_is_told_with_its_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Orchestration(settings) as prefect, pytest.raises(OrchestrationError, match=r"server\.log"):
        await prefect._answering()


@pytest.mark.parametrize(
    "said", ["OSError: [Errno 28] No space left on device", "sqlite3.OperationalError: database or disk is full"]
)
async def test_a_server_that_does_not_start_for_a_full_disk_is_told_so(settings: Settings, said: str) -> None:
    with Orchestration(settings) as prefect:
        prefect._child = ended_child(prefect)
        (settings.home / "prefect" / "server.log").write_text("x" * 50_000 + said + "\nApplication startup failed.\n")
        with pytest.raises(OrchestrationError, match="is full") as told:
            await prefect._answering()
    assert str(settings.home) in str(told.value)
    assert "Nothing was sent" in str(told.value)
    assert told.value.exit_code == 1, "it is not the carrier"


def ended_child(prefect: Orchestration) -> "subprocess.Popen[bytes]":
    """Instead of the server, a process that has ended."""
    if prefect._child is not None:
        prefect._child.kill()
        prefect._child.wait(30)
    child = subprocess.Popen(["/bin/false"])
    child.wait(30)
    return child


async def test_a_disk_without_room_is_named_even_where_the_log_could_not_say_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestration, "_ROOM", 1 << 60)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Orchestration(settings) as prefect, pytest.raises(OrchestrationError, match="is full"):
        await prefect._answering()


def test_words_before_and_after_the_flow_are_not_sent_to_a_run() -> None:
    """Else Prefect warns about each of them on stderr."""
    assert orchestration._CLIENT["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] == "ignore"
    told = tomllib.loads((Path(__file__).parents[2] / "prefect.toml").read_text())
    assert told["logging"]["to_api"]["when_missing_flow"] == "ignore"


@pytest.mark.parametrize("noted", ["", "{", "[]", "{}", '{"url": "http://127.0.0.1:9/api"}'])
def test_an_address_that_leads_nowhere_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, noted: str
) -> None:
    """A writer may have been killed in the middle; that must not keep every later run from starting."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    file = settings.home / "prefect" / "server.json"
    file.write_text(noted)
    with Orchestration(settings) as prefect:
        assert prefect._child is not None
        assert prefect._child.wait(30) == 0
        assert file.read_text() == f'{{"url": "{prefect._url}"}}'
        assert prefect._url != "http://127.0.0.1:9/api"


def test_a_lock_is_free_once_every_holder_let_go(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    holders = [orchestration._lock(file, fcntl.LOCK_SH) for _ in range(2)]
    asking = orchestration._lock(file, fcntl.LOCK_UN)
    for holder in holders:
        assert not orchestration._try_exclusive(asking)
        os.close(holder)
    assert orchestration._try_exclusive(asking)
    os.close(asking)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "nonsense", "http://[", None])
def test_what_does_not_answer_is_not_healthy(url: str | None) -> None:
    assert not orchestration._healthy(url)


def test_what_answers_but_has_no_health_is_not_healthy(server: str) -> None:
    assert orchestration._healthy(server)
    assert not orchestration._healthy(server + "/v9")
