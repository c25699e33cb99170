"""The way in to an emulated carrier: control calls, the log of calls, limits, faults, latency, then its own calls."""

import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from simtandem.emulator.control_routes import ControlRoutes
from simtandem.emulator.entrance import Entrance
from simtandem.emulator.fault_rules import CallFault
from simtandem.emulator.site import Site
from simtandem.emulator.wire import Call, Line, replay
from simtandem.emulator.wire_faults import break_body, disconnect, hang

Handler = Callable[[Request], Awaitable[Response]]


class HttpFault(StrEnum):
    """How a call to any HTTP service can go wrong."""

    ERROR = "error"  # an error of the carrier, `status` 500 unless it says otherwise
    HTML = "html"  # an HTML page of the network in front of it, `status` 502 unless it says otherwise
    TOO_MANY = "too_many"  # a 429 for no reason
    RESET = "reset"  # the connection is reset without an answer
    CLOSE = "close"  # the connection is closed without an answer
    HANG = "hang"  # nothing for `seconds`, then the answer if the caller is still there
    TRUNCATED = "truncated"  # the connection is closed in the middle of the body
    CUT_JSON = "cut_json"  # half the body, its length rightly declared
    MALFORMED_JSON = "malformed_json"  # a whole answer that is no JSON


@dataclass(slots=True)
class HttpFaultRule(CallFault):
    """Which calls, and what happens to them: as `CallFault` says. `body` is a pattern, too: an ICCID, for example."""

    body: str = ""
    kinds: ClassVar[tuple[type[StrEnum], ...]] = (HttpFault,)

    def __post_init__(self) -> None:
        if self.kind not in [kind for kinds in self.kinds for kind in kinds]:
            raise ValueError(f"no kind of fault is called {self.kind!r}")
        self.kind = str(self.kind)
        re.compile(self.body)
        CallFault.__post_init__(self)

    def matches(self, method: str, path: str, body: bytes = b"") -> bool:
        """Whether the rule is about such calls at all."""
        named = not self.body or re.search(self.body, body.decode(errors="replace")) is not None
        return named and CallFault.matches(self, method, path)


class FrontDoor(Entrance):
    """The ASGI application of an emulated carrier. `calls` are its own: method and path (with `{names}`), handler."""

    def __init__(self, site: Site, control: ControlRoutes, calls: Mapping[tuple[str, str], Handler]) -> None:
        super().__init__(site, control)
        self._site = site
        self._calls = [(Route(path, handler, methods=[method]), handler) for (method, path), handler in calls.items()]

    @abstractmethod
    def refusal(self, status: int, message: str, path: str) -> Response:
        """The carrier's way of answering an error."""

    def admit(self, _call: Call) -> Response | None:
        """Count the call in the limits: None, or the answer to one that is over them."""
        return None

    def finish(self, _call: Call, response: Response) -> Response:
        """What every answer gets, a refusal as well."""
        return response

    async def play(self, rule: Any, call: Call, line: Line) -> int:
        """Play a fault of the carrier's own; returns the status of the answer."""
        raise NotImplementedError(f"{rule} at {call.path} on {line}")

    async def process(self, call: Call) -> Response:
        """Carry a call out."""
        # Also without latency a call yields once, so that calls which came in together are seen to overlap.
        await self._site.sleep(self._site.settings.latency_s)
        request = Request(call.scope, replay(call.body))
        for route, handler in self._calls:
            match, child = route.matches(call.scope)
            if match is Match.FULL:
                call.scope.update(child)
                return self.finish(call, await handler(request))
        return self.finish(call, self.refusal(404, "Not Found", call.path))

    def _route(self, call: Call) -> str:
        found = (route.path for route, _ in self._calls if route.matches(call.scope)[0] is Match.FULL)
        return f"{call.method} {next(found, call.path)}"

    async def _serve(self, call: Call, line: Line) -> int:
        over = self.admit(call)
        if over is not None:
            self._site.calls.throttled += 1
            return await line.reply(over)
        rule = self._site.faults.pick(call.method, call.path, call.body)
        if rule is None:
            return await line.reply(await self.process(call))
        return await self._meet(rule, call, line)

    async def _meet(self, rule: Any, call: Call, line: Line) -> int:
        match rule.kind:
            case HttpFault.RESET | HttpFault.CLOSE:
                reset = rule.kind == HttpFault.RESET
                return await disconnect(call, line, self.process, processed=rule.processed, reset=reset)
            case HttpFault.HANG:
                return await hang(call, line, self.process, rule.seconds, processed=rule.processed)
            case HttpFault.TRUNCATED | HttpFault.CUT_JSON | HttpFault.MALFORMED_JSON:
                return await break_body(line, await self.process(call), rule.kind)
            case HttpFault.ERROR | HttpFault.HTML | HttpFault.TOO_MANY:
                return await self._error(call, line, rule.kind, rule.status, processed=rule.processed)
        return await self.play(rule, call, line)

    async def _error(self, call: Call, line: Line, kind: str, status: int, *, processed: bool) -> int:
        if processed:
            await self.process(call)
        if kind == HttpFault.HTML:
            page = "<html><body><h1>Bad Gateway</h1></body></html>"
            return await line.reply(Response(page, status or 502, media_type="text/html"))
        if kind == HttpFault.TOO_MANY:
            return await line.reply(self.finish(call, self.refusal(429, "Too Many Requests", call.path)))
        return await line.reply(self.finish(call, self.refusal(status or 500, "Internal Server Error", call.path)))
