"""The calls about events."""

from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator import shapes
from simtandem.emulator.answering import Calls, json_answer, listing_answer
from simtandem.emulator.events import Event
from simtandem.emulator.list_query import Page
from simtandem.emulator.numbers import path_id
from simtandem.emulator.world import World


class EventCalls:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: Calls = [
            ("GET", "/api/v1/event", self._list),
            ("GET", "/api/v1/event/type", self._list_types),
            ("GET", "/api/v1/sim/{id}/event", self._list_of_sim),
            ("GET", "/api/v1/endpoint/{id}/event", self._list_of_endpoint),
        ]

    async def _list(self, request: Request) -> Response:
        return self._answer(request, self._world.events.page(request.query_params, self._world.clock()))

    async def _list_types(self, _request: Request) -> Response:
        return json_answer(shapes.event_types())

    async def _list_of_sim(self, request: Request) -> Response:
        """Empty, and no refusal, for an id that no SIM has: so the documents have it."""
        sim_id = path_id(request.path_params["id"])
        page = self._world.events.page(request.query_params, self._world.clock(), sim_id=sim_id)
        return self._answer(request, page)

    async def _list_of_endpoint(self, request: Request) -> Response:
        endpoint_id = path_id(request.path_params["id"])
        page = self._world.events.page(request.query_params, self._world.clock(), endpoint_id=endpoint_id)
        return self._answer(request, page)

    def _answer(self, request: Request, page: Page[Event]) -> Response:
        items = [shapes.event_item(event) for event in page.rows]
        return listing_answer(items, page, request, self._world.behaviour)
