"""Who is told how runs went: a webhook and a mail server on loopback that keep what they are sent."""

import asyncio
import json
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Webhook:
    """Takes what is posted to a path that nobody else knows."""

    def __init__(self, secret: str) -> None:
        self.told: list[str] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                known = self.path == f"/hooks/{secret}"
                if known:
                    told.append(json.loads(body)["text"])
                self.send_response(200 if known else 404)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/{secret}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailBox:
    """A mail server as plain as can be: it takes every letter, and keeps it."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, str]] = []
        """To whom, about what, and what was said."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"smtp://127.0.0.1:{port}/?from=simtandem@example.org&to=ops@example.org"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split(maxsplit=1)[0].upper() if line.strip() else b""
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                self._keep(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()

    def _keep(self, letter: bytes) -> None:
        read = message_from_bytes(letter.removesuffix(b".\r\n"), policy=policy.default)
        self.letters.append((read["To"], read["Subject"], read.get_content()))
