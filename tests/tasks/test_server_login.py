"""What the server's login says of people, asked as Prefect's client asks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest
from prefect import __version__
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.server_login import PATH, ServerLogin

RUN = UUID("3f0c0c9e-0000-4000-8000-000000000001")


class StandIn(BaseHTTPRequestHandler):
    """Answers as a Prefect server does, with the guard's page of people or without."""

    server: "Serving"

    def do_GET(self) -> None:
        asked = self.path == f"/api{PATH}/{RUN}"
        self.send_response(self.server.status if asked else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.server.deeds if asked else __version__).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Serving(HTTPServer):
    """A Prefect server."""

    status = 200
    deeds: dict[str, str]


@pytest.fixture
def serving() -> Iterator[Serving]:
    with Serving(("127.0.0.1", 0), StandIn) as server:
        server.deeds = {"": "ada", "approve-1": "grace"}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
            yield server
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("serving")
async def test_who_began_and_who_answered_is_what_the_server_noted() -> None:
    login = ServerLogin()
    assert await login.asked(RUN) == "ada"
    assert await login.answered(RUN, "approve-1") == "grace"
    assert await login.answered(RUN, "approve-2") is None
    assert await login.answered(RUN, "") is None, "who began it has answered nothing"


async def test_a_server_that_notes_nobody_vouches_for_nobody(serving: Serving) -> None:
    serving.deeds = {}
    assert await ServerLogin().asked(RUN) is None
    serving.status = 404
    assert await ServerLogin().asked(RUN) is None


async def test_a_server_that_can_not_say_is_not_taken_for_one_that_knows_nobody(serving: Serving) -> None:
    serving.status = 500
    with pytest.raises(PrefectHTTPStatusError):
        await ServerLogin().asked(RUN)
