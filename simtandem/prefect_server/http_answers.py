"""Reading a request and answering it, as ASGI has it."""

import json
from collections.abc import Sequence
from typing import Any

Header = tuple[bytes, bytes]

TEXT, HTML, JAVASCRIPT, JSON = (
    b"text/plain; charset=utf-8",
    b"text/html; charset=utf-8",
    b"text/javascript; charset=utf-8",
    b"application/json",
)


async def answer(send: Any, status: int, body: str | bytes, kind: bytes = TEXT, extra: Sequence[Header] = ()) -> None:
    """Answer with all of that. An error is in the form of Prefect's own: its clients and its UI read them."""
    if status >= 400 and isinstance(body, str):
        body, kind = json.dumps({"exception_message": body, "detail": body}), JSON
    content = body.encode() if isinstance(body, str) else body
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *extra]})
    await send({"type": "http.response.body", "body": content})


async def body_of(receive: Any, longest: int) -> str:
    """The request's body; empty where it is longer than so many bytes."""
    body = b""
    while len(body) <= longest:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return str(body, errors="replace")
    return ""
