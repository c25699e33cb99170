"""The carrier's calls, as its documents describe them. Limits, tokens and faults are dealt with before."""

import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from simtandem.emulator import shapes
from simtandem.emulator.bodies import (
    EndpointPatch,
    SimPatch,
    read_endpoint_patch,
    read_endpoint_patches,
    read_object,
    read_sim_patch,
)
from simtandem.emulator.devices import MoveError, UnknownIdError
from simtandem.emulator.limits import AUTHENTICATE
from simtandem.emulator.listing import events_in
from simtandem.emulator.refusals import (
    DUPLICATE,
    FORBIDDEN,
    INVALID_BODY,
    INVALID_REFERENCE,
    INVALID_VALUE,
    NOT_ALLOWED,
    NOT_FOUND,
    RefusalError,
    gateway,
    too_many_requests,
)
from simtandem.emulator.tokens import DeniedError, LockedError
from simtandem.emulator.world import World

_MAY_CHANGE = {"reseller": {"reseller_org", "customer_org"}, "customer": {"status"}}  # an issuer may change all
_REFUSED_MOVE_CODES = {400: INVALID_BODY, 409: NOT_ALLOWED, 422: INVALID_VALUE}


class Api:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        calls: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("POST", AUTHENTICATE, self._authenticate),
            ("GET", "/api/v1/sim", self._list_sims),
            ("GET", "/api/v1/sim/status", self._list_sim_statuses),
            ("GET", "/api/v1/sim/{id:int}", self._show_sim),
            ("PATCH", "/api/v1/sim/{id:int}", self._patch_sim),
            ("GET", "/api/v1/endpoint", self._list_endpoints),
            ("GET", "/api/v1/endpoint/status", self._list_endpoint_statuses),
            ("GET", "/api/v1/endpoint/{id:int}", self._show_endpoint),
            ("PATCH", "/api/v1/endpoint/{id:int}", self._patch_endpoint),
            ("PATCH", "/api/v2/endpoint/multi", self._patch_endpoints),
            ("GET", "/api/v1/event", self._list_events),
        ]
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

    async def _authenticate(self, request: Request) -> Response:
        credentials = read_object(await request.body())
        if not {"application_token", "refresh_token", "username"} & credentials.keys():
            raise RefusalError(400, INVALID_BODY, "Request body is malformed: no credentials")
        behaviour = self._world.behaviour
        try:
            tokens = self._world.tokens.authenticate(credentials, behaviour.token_life_s, behaviour.lock_s)
        except DeniedError:
            return Response(status_code=401)
        except LockedError:
            return too_many_requests(401)
        return JSONResponse(tokens)

    async def _list_sims(self, request: Request) -> Response:
        fleet, page = self._world.fleet, self._world.listings.sims(request.query_params)
        return _json([shapes.sim_item(fleet.sims[each]) for each in page.rows], page.headers())

    async def _list_endpoints(self, request: Request) -> Response:
        fleet, page = self._world.fleet, self._world.listings.endpoints(request.query_params)
        return _json([shapes.endpoint_item(fleet.endpoints[each], fleet) for each in page.rows], page.headers())

    async def _list_events(self, request: Request) -> Response:
        page = events_in(self._world.fleet.events, request.query_params, self._world.clock())
        return _json([shapes.event_item(event) for event in page.rows], page.headers())

    async def _list_sim_statuses(self, _request: Request) -> Response:
        return _json(shapes.sim_statuses())

    async def _list_endpoint_statuses(self, _request: Request) -> Response:
        return _json(shapes.endpoint_statuses())

    async def _show_sim(self, request: Request) -> Response:
        try:
            return _json(shapes.sim_item(self._world.fleet.sim(request.path_params["id"])))
        except UnknownIdError:
            raise RefusalError(404, NOT_FOUND, "SIM not found") from None

    async def _show_endpoint(self, request: Request) -> Response:
        try:
            endpoint = self._world.fleet.endpoint(request.path_params["id"])
        except UnknownIdError:
            raise RefusalError(404, NOT_FOUND, "Endpoint not found") from None
        return _json(shapes.endpoint_item(endpoint, self._world.fleet))

    async def _patch_sim(self, request: Request) -> Response:
        patch = read_sim_patch(await request.body())
        sim_id = request.path_params["id"]
        fleet = self._world.fleet
        try:
            sim = fleet.sim(sim_id)
            self._world.calls.sim_patches[sim_id] += 1
            self._check_role(patch)
            if patch.status is not None:
                fleet.patch_sim(sim_id, patch.status)
        except UnknownIdError:
            raise RefusalError(404, NOT_FOUND, "SIM not found") from None
        except MoveError as error:
            self._world.calls.needless_sim_patches += error.same
            self._refuse_move(error)
        for name, organisation in patch.organisations.items():
            self._world.calls.needless_owners += getattr(sim, name) == organisation
            setattr(sim, name, organisation)
            fleet.version += 1
        return Response(status_code=204)

    def _check_role(self, patch: SimPatch) -> None:
        asked = {*patch.organisations, *(["status"] if patch.status is not None else [])}
        if forbidden := sorted(asked - _MAY_CHANGE.get(self._world.behaviour.role, asked)):
            raise RefusalError(403, FORBIDDEN, f"Not allowed to change {', '.join(forbidden)}")

    async def _patch_endpoint(self, request: Request) -> Response:
        patch = read_endpoint_patch(request.path_params["id"], await request.body())
        try:
            self._apply(patch)
        except UnknownIdError:
            raise RefusalError(404, NOT_FOUND, "Endpoint not found") from None
        except MoveError as error:
            self._world.calls.needless_endpoint_patches += error.same
            self._refuse_move(error)
        return Response(status_code=204)

    async def _patch_endpoints(self, request: Request) -> Response:
        patches = read_endpoint_patches(await request.body())
        good, bad = self._sort_out(patches)
        if bad and self._world.behaviour.bulk == "atomic":
            status = 404 if any(error.status == 404 for error in bad) else 422
            raise RefusalError(
                status, INVALID_REFERENCE if status == 404 else INVALID_VALUE, "No endpoint updated", bad
            )
        for patch in good:
            self._apply(patch)
        if bad:
            raise RefusalError(422, INVALID_VALUE, "Some endpoints could not be updated", bad)
        return Response(status_code=204)

    def _sort_out(self, patches: list[EndpointPatch]) -> tuple[list[EndpointPatch], list[RefusalError]]:
        """The rows that can be applied, and a refusal for each of the others that does not name its row."""
        fleet, good, bad = self._world.fleet, [], []
        seen: set[int] = set()
        for patch in patches:
            try:
                fleet.endpoint(patch.id)
                if patch.id in seen:
                    bad.append(RefusalError(422, DUPLICATE, "Endpoint more than once in the request"))
                    continue
                seen.add(patch.id)
                if patch.status is not None:
                    fleet.check_endpoint_move(patch.id, patch.status)
            except UnknownIdError:
                bad.append(RefusalError(404, INVALID_REFERENCE, "Endpoint not found"))
            except MoveError as error:
                self._world.calls.needless_endpoint_patches += error.same
                if not (error.same and self._world.behaviour.same_status == 204):
                    bad.append(RefusalError(422, INVALID_VALUE, "Status is invalid"))
            else:
                good.append(patch)
        return good, bad

    def _apply(self, patch: EndpointPatch) -> None:
        fleet = self._world.fleet
        endpoint = fleet.endpoint(patch.id)
        if patch.status is not None:
            fleet.patch_endpoint(patch.id, patch.status)
        for name, text in patch.texts.items():
            setattr(endpoint, name, text)

    def _refuse_move(self, error: MoveError) -> None:
        status = self._world.behaviour.same_status if error.same else self._world.behaviour.illegal_move
        if status != 204:
            errors = [RefusalError(status, INVALID_VALUE, "Status is invalid")] if status == 422 else None
            raise RefusalError(status, _REFUSED_MOVE_CODES[status], str(error), errors) from error


def _json(content: object, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(content, separators=(",", ":"))
    return Response(body, headers=headers, media_type="application/json")
