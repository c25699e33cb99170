"""What the webhook block sends, and what it never shows."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.blocks.abstract import NotificationError
from pydantic import SecretStr

from simtandem.prefect_server.webhook_block import Webhook
from tests.operation.sinks import Webhook as Chat

PATH = "path-that-nobody-repeats-3"


async def test_a_webhook_gets_text_without_mentions_and_links() -> None:
    with Chat(PATH) as chat:
        await Webhook(address=SecretStr(chat.url)).notify("<!channel> https://evil.test\x1b[2J\n2 rows", "a run failed")
    assert chat.told == ["*a run failed*\n&lt;!channel&gt; https: //evil.test\\x1b[2J\n2 rows"]


@pytest.fixture
def moved() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody elsewhere, to itself, and notes who comes."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"/elsewhere/{PATH}")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{PATH}", came
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_webhook_that_moved_is_not_followed_nor_named(
    moved: tuple[str, list[str]],
) -> None:
    address, came = moved
    with pytest.raises(NotificationError, match="HTTP 302") as failed:
        await Webhook(address=SecretStr(address)).notify("body")
    assert came == [f"/{PATH}"]
    assert PATH not in f"{failed.value!r}"
    assert failed.value.__cause__ is failed.value.__context__ is None


@pytest.mark.parametrize("address", [f"file:///etc/{PATH}", f"http://127.0.0.1:1/{PATH}", f"http://[/{PATH}", PATH])
async def test_an_address_that_can_not_be_used_is_not_repeated(address: str) -> None:
    with pytest.raises(NotificationError) as failed:
        await Webhook(address=SecretStr(address)).notify("body")
    assert PATH not in f"{failed.value!r}"
