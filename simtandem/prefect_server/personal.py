"""What a person does with a credential of their own is noted: who began a flow run, who answered what it asked.

So that a name stands for one person, nobody changes what someone else asked for: a run that is to do something else is
begun anew. What a run asked is answered by resuming it, and not by writing beside it.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from simtandem.prefect_server.people import Deeds

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_RUN = r"/api/flow_runs/(?P<run>[0-9a-fA-F-]{36})"
_BEGIN = re.compile(r"/api/(deployments/[0-9a-fA-F-]{36}/create_flow_run|flow_runs)/?")
_CHANGE = re.compile(rf"{_RUN}/?")
_ANSWER = re.compile(rf"{_RUN}/resume/?")
_INPUT = re.compile(rf"{_RUN}/input(/.*)?")
_HARMLESS = {"name", "tags"}
_LONGEST = 1 << 20


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


@dataclass(frozen=True, slots=True)
class Personal:
    """The app as a person uses it."""

    app: App
    deeds: Deeds

    async def __call__(self, who: str, scope: Scope, receive: Any, send: Any) -> str:
        """Have the app answer, and note what was done; why it was not asked, where it was not."""
        path, method = scope["path"], scope["method"]
        if (run := _INPUT.fullmatch(path)) and not path.endswith("/filter") and method != "GET":
            return "A run's question is answered by resuming the run."
        if method == "PATCH" and _CHANGE.fullmatch(path):
            body = await _whole(receive)
            if body is None or not _is_harmless(body):
                return "Of a run only name and tags can be changed. Start a new run instead."
            receive = _again(body)
        if method == "POST" and _BEGIN.fullmatch(path):
            reply = await self._ask(scope, receive)
            if begun := reply.content.get("id"):
                self.deeds.note(who, str(begun))
        elif method == "POST" and (run := _ANSWER.fullmatch(path)):
            key = await self._question(scope, run["run"])
            reply = await self._ask(scope, receive)
            if key and reply.content.get("status") == "ACCEPT":
                self.deeds.note(who, run["run"].lower(), key)
        else:
            await self.app(scope, receive, send)
            return ""
        for message in reply.messages:
            await send(message)
        return ""

    async def _ask(self, scope: Scope, receive: Any) -> Reply:
        reply = Reply()
        await self.app({**scope, "headers": _uncompressed(scope)}, receive, reply.keep)
        return reply

    async def _question(self, scope: Scope, run: str) -> str:
        """The key of what a run asks now."""
        path = f"/api/flow_runs/{run}"
        read = {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        dropped = {b"content-length", b"content-type", b"transfer-encoding"}
        read["headers"] = [each for each in scope["headers"] if each[0] not in dropped]
        state = (await self._ask(read, _again(b""))).content.get("state") or {}
        return str((state.get("state_details") or {}).get("pause_key") or "")


def _is_harmless(body: bytes) -> bool:
    try:
        change = json.loads(body)
    except ValueError:
        return False
    return isinstance(change, dict) and change.keys() <= _HARMLESS


def _uncompressed(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [each for each in scope["headers"] if each[0] != b"accept-encoding"]


async def _whole(receive: Any) -> bytes | None:
    """A request's body; None where it is too long."""
    body = b""
    while len(body) <= _LONGEST:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)
    return None


def _again(body: bytes) -> Any:
    """A `receive` that gives this body."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
