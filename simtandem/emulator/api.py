"""The carrier's calls, as its documents describe them. Limits, tokens and faults are dealt with before."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from simtandem.emulator.account_calls import AccountCalls
from simtandem.emulator.batch_calls import BatchCalls
from simtandem.emulator.bulk_calls import BulkCalls
from simtandem.emulator.endpoint_calls import EndpointCalls
from simtandem.emulator.event_calls import EventCalls
from simtandem.emulator.network_calls import NetworkCalls
from simtandem.emulator.refusals import RefusalError, gateway
from simtandem.emulator.sim_calls import SimCalls
from simtandem.emulator.world import World


class Api:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        kinds = (AccountCalls, SimCalls, EndpointCalls, BulkCalls, EventCalls, BatchCalls, NetworkCalls)
        calls = [call for kind in kinds for call in kind(world).calls]
        self._routes = [Route(path, call, methods=[method]) for method, path, call in calls]

    async def answer(self, request: Request) -> Response:
        """The answer to a call, a refusal as well as what was asked for."""
        status, words = 404, "Not Found"
        for route in self._routes:
            match, child = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(child)
                try:
                    response: Response = await route.endpoint(request)
                except RefusalError as refusal:
                    return refusal.response()
                return response
            if match is Match.PARTIAL:
                status, words = 405, "Method Not Allowed"
        return gateway(status, words)
