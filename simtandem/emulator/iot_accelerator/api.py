"""The platform's calls, behind its limits."""

from typing import Any

from starlette.responses import Response

from simtandem.emulator.control_routes import ControlRoutes
from simtandem.emulator.front_door import FrontDoor
from simtandem.emulator.iot_accelerator.answers import guarded, problem
from simtandem.emulator.iot_accelerator.change_calls import ChangeCalls
from simtandem.emulator.iot_accelerator.company import Company, TicketFault
from simtandem.emulator.iot_accelerator.login_calls import LoginCalls
from simtandem.emulator.iot_accelerator.rates import kind_of
from simtandem.emulator.iot_accelerator.request_calls import CHANGES, TROUBLE, RequestCalls
from simtandem.emulator.iot_accelerator.subscription_calls import SubscriptionCalls
from simtandem.emulator.wire import Call, Line


class IotAccelerator(FrontDoor):
    """The ASGI application."""

    _site: Company

    def __init__(self, site: Company, control: ControlRoutes) -> None:
        logins = LoginCalls(site)
        calls = dict(logins.guarded)
        for kind in (RequestCalls, SubscriptionCalls, ChangeCalls):
            calls |= kind(site).guarded
        super().__init__(site, control, logins.open | guarded(calls, lambda: site.logins))

    def refusal(self, status: int, message: str, path: str) -> Response:
        """An error in the form that the path's errors have."""
        return problem(status, message, path)

    def admit(self, call: Call) -> Response | None:
        """A 429 where a limit is used up. It has no Retry-After."""
        if self._site.rates.admit(kind_of(call.path), self._site.clock()):
            return None
        return self.finish(call, problem(429, "API rate limit exceeded", call.path))

    def finish(self, call: Call, response: Response) -> Response:
        """Every answer says what is left of the limits."""
        response.headers.update(self._site.rates.headers(kind_of(call.path), self._site.clock()))
        return response

    async def play(self, rule: Any, call: Call, line: Line) -> int:
        """Let a request to change states meet its fault; other calls continue as if there was none."""
        if rule.kind == TicketFault.REVOKED:
            self._site.logins.revoke_all()
        elif call.path == CHANGES:
            call.scope[TROUBLE] = rule
        return await line.reply(await self.process(call))
