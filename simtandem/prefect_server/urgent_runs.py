"""A run of an ordinary deployment that is asked for as urgent is made from the deployment for urgent runs.

Runs of an ordinary deployment wait for one another: in their work queue, and for the one place that the deployment
has. The deployment for urgent ones has the same flow and form, and no such wait. A work queue that someone chose for
the run stays, and so does everything else that was asked for.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate

from simtandem.prefect_server.inner_requests import App, Scope, again, look_up, whole

FOR_URGENT = {name: f"{name}-urgent" for name in ("bulk-update", "scheduled-updates")}
"""The deployment that urgent runs of a deployment are made from. Both have its flow, which is called like the first."""

QUEUE = "urgent"

_BEGIN = re.compile(r"/api/deployments/(?P<deployment>[0-9a-fA-F-]{36})/create_flow_run/?")


@dataclass(frozen=True, slots=True)
class UrgentRuns:
    """The app, where a run that is asked for as urgent waits for no other."""

    app: App

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Have the app answer."""
        begin = _BEGIN.fullmatch(scope["path"])
        if begin is None or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = await whole(receive)
        if body is None:
            return  # the client is gone
        asked = _object(body)
        urgent = await self._for_urgent(scope, begin["deployment"], asked)
        if urgent:
            path = f"/api/deployments/{urgent}/create_flow_run"
            body = json.dumps({**asked, "work_queue_name": None}).encode()
            scope = {**scope, "path": path, "raw_path": path.encode(), "headers": _as_long_as(body, scope["headers"])}
        await self.app(scope, again(body), send)

    async def _for_urgent(self, scope: Scope, deployment: str, asked: dict[str, Any]) -> str:
        """The deployment to make that run from; empty where it is the one that was named.

        What the run is asked to do is completed in `asked` by the defaults of the one that was named.
        """
        named = await look_up(self.app, scope, f"/api/deployments/{deployment}")
        name, given = named.get("name"), asked.get("parameters") or {}
        chosen = asked.get("work_queue_name") or named.get("work_queue_name")
        if name not in FOR_URGENT or chosen not in (named.get("work_queue_name"), QUEUE) or not isinstance(given, dict):
            return ""
        parameters = {**named["parameters"], **given}
        if not is_urgent(parameters):
            return ""
        urgent = await look_up(self.app, scope, f"/api/deployments/name/{name}/{FOR_URGENT[name]}")
        if urgent.get("flow_id") != named["flow_id"]:
            return ""
        asked["parameters"] = parameters
        return str(urgent["id"])


def is_urgent(parameters: dict[str, Any]) -> bool:
    """Whether a run with these parameters, as a form sends them, is urgent."""
    read: Any = hydrate(parameters, HydrationContext())
    if isinstance(read, dict):
        read = read.get("params", read)
    return isinstance(read, dict) and read.get("urgent") is True


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _as_long_as(body: bytes, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [each for each in headers if each[0] not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(len(body)).encode())]
