"""What a fault does to a call: each kind plays out as a caller would meet it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.responses import Response

from simtandem.emulator.faults import FaultKind, FaultRule, ids_named
from simtandem.emulator.refusals import UNAVAILABLE, RefusalError, edge_page, too_many_requests
from simtandem.emulator.wire import Call, Line
from simtandem.emulator.wire_faults import break_body, disconnect, hang
from simtandem.emulator.world import World


class Mishaps:
    """The faults, over `process`, which carries a call out."""

    def __init__(self, world: World, process: Callable[[Call], Awaitable[Response]]) -> None:
        self._world = world
        self._process = process
        self._plays: dict[FaultKind, Callable[[Call, Line, FaultRule], Awaitable[int]]] = {
            FaultKind.ERROR: self._error,
            FaultKind.HTML: self._error,
            FaultKind.RESET: self._disconnect,
            FaultKind.CLOSE: self._disconnect,
            FaultKind.HANG: self._hang,
            FaultKind.TRUNCATED: self._damage,
            FaultKind.CUT_JSON: self._damage,
            FaultKind.MALFORMED_JSON: self._damage,
            FaultKind.TOO_MANY: self._stray_throttle,
            FaultKind.REFUSED: self._refuse,
            FaultKind.BARE: self._strip,
            FaultKind.REVOKED: self._revoke,
            FaultKind.INSERT_FIRST: self._shift,
            FaultKind.DELETE_FIRST: self._shift,
        }

    async def play(self, rule: FaultRule, call: Call, line: Line) -> int:
        """End the call as the rule says; returns the status of the answer, 0 where there was none."""
        return await self._plays[rule.kind](call, line, rule)

    async def _error(self, call: Call, line: Line, rule: FaultRule) -> int:
        if rule.processed:
            await self._process(call)
        if rule.kind is FaultKind.HTML:
            return await line.reply(edge_page(rule.status))
        return await line.reply(RefusalError(rule.status, UNAVAILABLE, "Service temporarily unavailable").response())

    async def _disconnect(self, call: Call, line: Line, rule: FaultRule) -> int:
        return await disconnect(call, line, self._process, processed=rule.processed, reset=rule.kind is FaultKind.RESET)

    async def _hang(self, call: Call, line: Line, rule: FaultRule) -> int:
        return await hang(call, line, self._process, rule.seconds, processed=rule.processed)

    async def _damage(self, call: Call, line: Line, rule: FaultRule) -> int:
        return await break_body(line, await self._process(call), rule.kind)

    async def _stray_throttle(self, _call: Call, line: Line, rule: FaultRule) -> int:
        retry_after = None if rule.retry_after is None else str(rule.retry_after)
        return await line.reply(too_many_requests(retry_after=retry_after))

    async def _refuse(self, call: Call, line: Line, rule: FaultRule) -> int:
        named = ids_named(call.path, call.body)
        if call.path.endswith("/multi") and self._world.behaviour.bulk == "partial":
            rows = [row for row, each in zip(json.loads(call.body), named, strict=False) if each not in rule.ids]
            if rule.ids and len(rows) < len(named):
                await self._process(replace(call, body=json.dumps(rows).encode()))
        if not rule.code:
            return await line.reply(Response(status_code=rule.status))
        what = "Endpoint" if "/endpoint" in call.path else "SIM"
        number = next((each for each in named if each in rule.ids), named[0] if named else "")
        message = rule.message or f"{what} with Id '{number}' not found."
        return await line.reply(RefusalError(rule.status, rule.code, message).response())

    async def _strip(self, call: Call, line: Line, _rule: FaultRule) -> int:
        response = await self._process(call)
        for name in [name for name in response.headers if name.lower().startswith("x-") or name.lower() == "link"]:
            del response.headers[name]
        return await line.reply(response)

    async def _revoke(self, call: Call, line: Line, _rule: FaultRule) -> int:
        self._world.tokens.revoke_all()
        return await line.reply(await self._process(call))

    async def _shift(self, call: Call, line: Line, rule: FaultRule) -> int:
        response = await self._process(call)
        listing = "endpoint" if "/endpoint" in call.path else "sim"
        if rule.kind is FaultKind.INSERT_FIRST:
            self._world.fleet.drift_insert_first(listing)
        else:
            self._world.fleet.drift_delete_first(listing)
        return await line.reply(response)
