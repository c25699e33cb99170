"""The front door: counts every call, applies limits, tokens, latency and faults; the API answers the rest."""

import math
import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator.api import Api
from simtandem.emulator.bulk_calls import BULK
from simtandem.emulator.calls import route_of
from simtandem.emulator.control import Control
from simtandem.emulator.entrance import Entrance
from simtandem.emulator.limits import AUTHENTICATE
from simtandem.emulator.mishaps import Mishaps
from simtandem.emulator.refusals import NOT_ALLOWED, RefusalError, gateway, too_many_requests
from simtandem.emulator.wire import Call, Line, replay
from simtandem.emulator.world import World

_ENDPOINT_WRITES = re.compile(r"/api/(v1/endpoint(/[^/]+)?|v2/endpoint/multi)/?")


class Gateway(Entrance):
    """The ASGI application."""

    def __init__(self, world: World) -> None:
        super().__init__(world, Control(world))
        self._world = world
        self._api = Api(world)
        self._endpoint_writes = 0
        self._mishaps = Mishaps(world, self._process)

    def _route(self, call: Call) -> str:
        return route_of(call.method, call.path)

    async def _serve(self, call: Call, line: Line) -> int:
        world = self._world
        wait = world.gate.admit(call.scope["client"][0], call.method, call.path)
        if wait > 0:
            world.calls.throttled += 1
            retry_after = str(math.ceil(wait)) if world.behaviour.retry_after else None
            return await line.reply(too_many_requests(retry_after=retry_after))
        rule = world.faults.pick(call.method, call.path, call.body)
        if rule is None:
            return await line.reply(await self._process(call))
        return await self._mishaps.play(rule, call, line)

    async def _process(self, call: Call) -> Response:
        """Carry the call out."""
        world = self._world
        authorization = Headers(scope=call.scope).get("authorization", "")
        if call.path != AUTHENTICATE and not world.tokens.accepts(authorization):
            whole = authorization.count(".") == 2 or not authorization
            return gateway(401, "Unauthorized" if whole else "token contains an invalid number of segments")
        if call.method == "GET" or not _ENDPOINT_WRITES.fullmatch(call.path):
            return await self._answer(call)
        if self._endpoint_writes:
            world.calls.endpoint_write_overlaps += 1
            if world.behaviour.overlapping_writes == "refuse":
                return RefusalError(409, NOT_ALLOWED, "Another endpoint update is still being processed").response()
        self._endpoint_writes += 1
        try:
            return await self._answer(call)
        finally:
            self._endpoint_writes -= 1

    async def _answer(self, call: Call) -> Response:
        behaviour = self._world.behaviour
        # Also without latency a call yields once, so that calls which came in together are seen to overlap.
        await self._world.sleep(behaviour.latency_s + (behaviour.bulk_latency_s if call.path == BULK else 0))
        return await self._api.answer(Request(call.scope, replay(call.body)))
