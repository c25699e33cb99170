"""Asking the app behind the guard: a request that is passed on, so that its answer can be read, or one made here."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_OF_A_BODY = {b"content-length", b"content-type", b"transfer-encoding"}


@dataclass(slots=True)
class Reply:
    """An answer of the app, kept until all of it is there."""

    messages: list[MutableMapping[str, Any]] = field(default_factory=list)

    async def keep(self, message: MutableMapping[str, Any]) -> None:
        """As ASGI's `send`."""
        self.messages.append(message)

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object of a successful answer; empty for any other."""
        if not self.messages or not 200 <= self.messages[0]["status"] < 300:
            return {}
        read = json.loads(b"".join(each.get("body", b"") for each in self.messages[1:]) or b"{}")
        return read if isinstance(read, dict) else {}


async def ask(app: App, scope: Scope, receive: Any) -> Reply:
    """What the app answers to that request."""
    reply = Reply()
    plain = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
    await app({**scope, "headers": plain}, receive, reply.keep)
    return reply


async def look_up(app: App, scope: Scope, path: str) -> dict[str, Any]:
    """What the app has at that path, with the headers of the request `scope`; empty where it has nothing there."""
    read = {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    read["headers"] = [each for each in scope["headers"] if each[0] not in _OF_A_BODY]
    return (await ask(app, read, again(b""))).content


async def whole(receive: Any, longest: int | None = None) -> bytes | None:
    """A request's body; None where it is longer than that, or breaks off."""
    body = b""
    while longest is None or len(body) <= longest:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request":
            return None
        if not message.get("more_body"):
            return bytes(body)
    return None


def again(body: bytes) -> Any:
    """A `receive` that gives this body."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
