"""Which Prefect server a run reports to; that one of its own starts, serves and ends is shown end to end."""

import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from simtandem.errors import OrchestrationError
from simtandem.prefect_server import flow_start
from simtandem.prefect_server.flow_start import Orchestration
from simtandem.prefect_server.prefect_settings import CLIENT
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


async def test_a_server_that_is_named_needs_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server)
    async with Orchestration(Settings(home=tmp_path / "home")) as prefect:
        assert not prefect.own
        assert await prefect._answers()
    assert not (tmp_path / "home").exists()


async def test_a_server_that_is_named_and_does_not_answer_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    async with Orchestration(Settings(home=tmp_path)) as prefect:
        with pytest.raises(OrchestrationError, match="PREFECT_API_URL"):
            await prefect.ready()


def test_words_before_and_after_the_flow_are_not_sent_to_a_run() -> None:
    """Else Prefect warns about each of them on stderr."""
    assert CLIENT["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] == "ignore"
    told = tomllib.loads((Path(__file__).parents[3] / "prefect.toml").read_text())
    assert told["logging"]["to_api"]["when_missing_flow"] == "ignore"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "nonsense", "http://[", None])
def test_what_does_not_answer_is_not_healthy(url: str | None) -> None:
    assert not flow_start._healthy(url)


def test_what_answers_but_has_no_health_is_not_healthy(server: str) -> None:
    assert flow_start._healthy(server)
    assert not flow_start._healthy(server + "/v9")
