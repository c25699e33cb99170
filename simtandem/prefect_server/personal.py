"""What a person does with a credential of their own is noted: who began a flow run, who answered what it asked.

So that a name stands for one person, nobody changes what someone else asked for: a run that is to do something else is
begun anew. What a run asked is answered by resuming it, and not by writing beside it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from simtandem.prefect_server.inner_requests import App, Scope, again, ask, look_up, whole
from simtandem.prefect_server.people import Deeds

_RUN = r"/api/flow_runs/(?P<run>[0-9a-fA-F-]{36})"
_BEGIN = re.compile(r"/api/(deployments/[0-9a-fA-F-]{36}/create_flow_run|flow_runs)/?")
_CHANGE = re.compile(rf"{_RUN}/?")
_ANSWER = re.compile(rf"{_RUN}/resume/?")
_INPUT = re.compile(rf"{_RUN}/input(/.*)?")
_HARMLESS = {"name", "tags"}
_LONGEST = 1 << 20


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
            body = await whole(receive, _LONGEST)
            if body is None or not _is_harmless(body):
                return "Of a run only name and tags can be changed. Start a new run instead."
            receive = again(body)
        if method == "POST" and _BEGIN.fullmatch(path):
            reply = await ask(self.app, scope, receive)
            if begun := reply.content.get("id"):
                self.deeds.note(who, str(begun))
        elif method == "POST" and (run := _ANSWER.fullmatch(path)):
            key = await self._question(scope, run["run"])
            reply = await ask(self.app, scope, receive)
            if key and reply.content.get("status") == "ACCEPT":
                self.deeds.note(who, run["run"].lower(), key)
        else:
            await self.app(scope, receive, send)
            return ""
        for message in reply.messages:
            await send(message)
        return ""

    async def _question(self, scope: Scope, run: str) -> str:
        """The key of what a run asks now."""
        state = (await look_up(self.app, scope, f"/api/flow_runs/{run}")).get("state") or {}
        return str((state.get("state_details") or {}).get("pause_key") or "")


def _is_harmless(body: bytes) -> bool:
    try:
        change = json.loads(body)
    except ValueError:
        return False
    return isinstance(change, dict) and change.keys() <= _HARMLESS
