"""What every emulated carrier does with a request first: control calls are answered, a carrier's call is logged."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from simtandem.emulator.calls import CallLog
from simtandem.emulator.control_routes import PREFIX, ControlRoutes
from simtandem.emulator.wire import Call, Line, read_body, replay


class Logging(Protocol):
    """Where calls are logged, and by which clock."""

    @property
    def calls(self) -> CallLog:
        """The log of calls."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds, from any moment on."""
        ...


class Entrance(ABC):
    """The ASGI application of an emulated carrier, up to the carrier's own call."""

    def __init__(self, place: Logging, control: ControlRoutes) -> None:
        self._place = place
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        if body is None:
            return
        line = Line(scope, receive, send)
        if scope["path"].startswith(PREFIX):
            await line.reply(await self._control.answer(Request(scope, replay(body))))
            return
        call = Call(scope["method"], scope["path"], scope, body)
        calls, status = self._place.calls, 0
        number = calls.begin(self._place.clock(), self._route(call))
        try:
            status = await self._serve(call, line)
        finally:
            calls.end(number, status)

    @abstractmethod
    def _route(self, call: Call) -> str:
        """The name under which the call is logged."""

    @abstractmethod
    async def _serve(self, call: Call, line: Line) -> int:
        """Answer the carrier's call; returns the status of the answer."""
