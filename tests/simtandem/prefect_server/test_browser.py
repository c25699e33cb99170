"""The link is shown, and opened from a file of the operator's alone."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from simtandem import __version__
from simtandem.errors import OrchestrationError
from simtandem.prefect_server.browser import new_link, show_link
from simtandem.prefect_server.credential import make_credential
from simtandem.prefect_server.server_identity import ServerNote, proof

CODE = "the-code-of-a-link"


class StandIn(BaseHTTPRequestHandler):
    """Answers as the server of a home does."""

    server: "Serving"

    def do_GET(self) -> None:
        told = proof(self.server.key, urlsplit(self.path).query, self.server.server_port, self.server.home)
        self._answer(f'{{"proof": "{told}", "version": "{__version__}"}}')

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self._answer(CODE)

    def _answer(self, body: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Serving(HTTPServer):
    """A server of a home, and what it was asked with which credential."""

    def __init__(self, home: Path) -> None:
        super().__init__(("127.0.0.1", 0), StandIn)
        self.home, self.key, self.asked = home, "", list[tuple[str, str]]()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as server:
        note = ServerNote.new(f"http://127.0.0.1:{server.server_port}/api")
        note.write(tmp_path / "server.json")
        server.key = note.key
        make_credential(tmp_path)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Desktop:
    """Opens what it is told to."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def __call__(self, address: str) -> bool:
        self.opened.append(address)
        return True


def shown(home: Path, desktop: Desktop, *, terminal: bool) -> str:
    said = io.StringIO()
    show_link(home, Console(file=said, force_terminal=terminal, no_color=True, width=40), desktop)
    return said.getvalue()


def test_on_a_desktop_the_link_is_opened_from_a_file(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":9")
    desktop = Desktop()
    link = f"http://127.0.0.1:{serving.server_port}/simtandem/login#{CODE}"
    assert link in shown(tmp_path, desktop, terminal=True)
    [address] = desktop.opened
    page = Path(address.removeprefix("file://"))
    assert f"url={link}" in page.read_text()
    assert page.stat().st_mode & 0o077 == 0
    [(path, authorization)] = serving.asked
    assert path == "/simtandem/link"
    assert authorization.startswith("Basic ")


@pytest.mark.parametrize(("terminal", "display"), [(False, ":9"), (True, "")])
def test_elsewhere_it_is_only_shown(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, display: str
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    desktop = Desktop()
    assert CODE in shown(tmp_path, desktop, terminal=terminal)
    assert desktop.opened == []


def test_it_leads_to_where_people_reach_the_server(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_UI_URL", "https://simtandem.example.org/v2")
    assert new_link(tmp_path) == f"https://simtandem.example.org/simtandem/login#{CODE}"


def test_a_program_that_is_not_the_homes_server_is_not_told_the_credential(serving: Serving, tmp_path: Path) -> None:
    serving.key = "another one"
    with pytest.raises(OrchestrationError, match="simtandem up"):
        new_link(tmp_path)
    assert serving.asked == []
