"""The calls about one endpoint, and the listing of them."""

from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator import shapes
from simtandem.emulator.answering import Calls, json_answer, listing_answer, refused_move
from simtandem.emulator.bodies import read_endpoint_patch, read_object
from simtandem.emulator.devices import InUseError, MoveError, UnknownIdError
from simtandem.emulator.endpoint_writing import EndpointWriting
from simtandem.emulator.numbers import path_id
from simtandem.emulator.refusals import NOT_ALLOWED, RefusalError, not_found, wrong_format
from simtandem.emulator.world import World


class EndpointCalls:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._writing = EndpointWriting(world)
        self.calls: Calls = [
            ("GET", "/api/v1/endpoint", self._list),
            ("POST", "/api/v1/endpoint", self._create),
            ("GET", "/api/v1/endpoint/status", self._list_statuses),
            ("GET", "/api/v1/endpoint/{id}", self._show),
            ("PATCH", "/api/v1/endpoint/{id}", self._patch),
            ("DELETE", "/api/v1/endpoint/{id}", self._delete),
            ("GET", "/api/v1/endpoint/{id}/connectivity", self._show_connectivity),
            ("PATCH", "/api/v1/endpoint/{id}/connectivity", self._reset_connectivity),
        ]

    async def _list(self, request: Request) -> Response:
        fleet, page = self._world.fleet, self._world.listings.endpoints(request.query_params)
        items = [shapes.endpoint_item(fleet.endpoints[each], fleet) for each in page.rows]
        return listing_answer(items, page, request, self._world.behaviour)

    async def _list_statuses(self, _request: Request) -> Response:
        return json_answer(shapes.endpoint_statuses())

    async def _show(self, request: Request) -> Response:
        fleet = self._world.fleet
        return json_answer(shapes.endpoint_item(fleet.endpoints[self._known(request)], fleet))

    async def _create(self, request: Request) -> Response:
        new = self._writing.read_new(await request.body())
        item = self._writing.create(new)
        headers = {"Location": f"{request.base_url}api/v1/endpoint/{item['id']}"}
        if not self._world.behaviour.created_body:
            return Response(status_code=201, headers=headers)
        return json_answer(item, headers, 201)

    async def _patch(self, request: Request) -> Response:
        endpoint_id = self._known(request)
        patch = read_endpoint_patch(await request.body(), strict=self._world.behaviour.unknown_fields == "refuse")
        self._writing.check_sim(endpoint_id, patch)
        try:
            self._writing.apply(endpoint_id, patch)
        except MoveError as error:
            self._world.calls.needless_endpoint_patches += error.same
            refused_move(error, "Endpoint", self._world.behaviour)
            self._writing.apply(endpoint_id, patch, with_status=False)
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        try:
            self._world.fleet.delete_endpoint(self._known(request))
        except InUseError as error:
            raise RefusalError(409, NOT_ALLOWED, str(error)) from error
        return Response(status_code=204)

    async def _show_connectivity(self, request: Request) -> Response:
        """No device is ever seen on a network here."""
        self._known(request)
        return json_answer({"status": {"description": "OFFLINE"}, "services": []})

    async def _reset_connectivity(self, request: Request) -> Response:
        endpoint_id = self._known(request)
        fields = read_object(await request.body())
        if unknown := sorted(fields.keys() - {"pdp_context", "location"}):
            raise wrong_format("Connectivity", unknown[0], "no such field")
        self._world.fleet.reset_connectivity(endpoint_id)
        return Response(status_code=204)

    def _known(self, request: Request) -> int:
        number = path_id(request.path_params["id"])
        try:
            return self._world.fleet.endpoint(number).id
        except UnknownIdError:
            raise not_found("Endpoint", request.path_params["id"]) from None
