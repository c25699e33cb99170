"""The calls about SIMs."""

from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator import shapes
from simtandem.emulator.answering import Calls, json_answer, listing_answer, refused_move
from simtandem.emulator.bodies import SimPatch, read_ids, read_object, read_sim_patch
from simtandem.emulator.devices import InUseError, MoveError, UnknownIdError
from simtandem.emulator.numbers import path_id
from simtandem.emulator.refusals import FORBIDDEN, NOT_ALLOWED, RefusalError, not_found
from simtandem.emulator.world import World

_MAY_CHANGE = {"reseller": {"reseller_org", "customer_org"}, "customer": {"status"}}  # an issuer may change all


class SimCalls:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: Calls = [
            ("GET", "/api/v1/sim", self._list),
            ("GET", "/api/v1/sim/status", self._list_statuses),
            ("DELETE", "/api/v1/sim/multi", self._delete_many),
            ("POST", "/api/v1/sim/migration/workspace", self._migrate),
            ("GET", "/api/v1/sim/{id}", self._show),
            ("PATCH", "/api/v1/sim/{id}", self._patch),
            ("DELETE", "/api/v1/sim/{id}", self._delete),
        ]

    async def _list(self, request: Request) -> Response:
        fleet, page = self._world.fleet, self._world.listings.sims(request.query_params)
        items = [shapes.sim_item(fleet.sims[each], fleet) for each in page.rows]
        return listing_answer(items, page, request, self._world.behaviour)

    async def _list_statuses(self, _request: Request) -> Response:
        return json_answer(shapes.sim_statuses())

    async def _show(self, request: Request) -> Response:
        return json_answer(shapes.sim_item(self._world.fleet.sims[self._known(request)], self._world.fleet))

    async def _patch(self, request: Request) -> Response:
        sim_id, fleet = self._known(request), self._world.fleet
        patch = read_sim_patch(await request.body(), strict=self._world.behaviour.unknown_fields == "refuse")
        self._world.calls.sim_patches[sim_id] += 1
        self._check_role(patch)
        if patch.status is not None:
            try:
                fleet.patch_sim(sim_id, patch.status)
            except MoveError as error:
                self._world.calls.needless_sim_patches += error.same
                refused_move(error, "SIM", self._world.behaviour)
        sim = fleet.sims[sim_id]
        for name, organisation in patch.organisations.items():
            self._world.calls.needless_owners += getattr(sim, name) == organisation
            setattr(sim, name, organisation)
            fleet.version += 1
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        sim_id = self._known(request)
        self._check_deletable(sim_id)
        self._world.fleet.delete_sim(sim_id)
        return Response(status_code=204)

    async def _delete_many(self, request: Request) -> Response:
        """All or nothing: the documents say nothing of a part."""
        numbers = dict.fromkeys(read_ids(await request.body()))
        for number in numbers:
            if number not in self._world.fleet.sims:
                raise not_found("SIM", number)
            self._check_deletable(number)
        for number in numbers:
            self._world.fleet.delete_sim(number)
        return Response(status_code=204)

    async def _migrate(self, request: Request) -> Response:
        read_object(await request.body())
        raise RefusalError(
            403, FORBIDDEN, "SIMs are migrated with user credentials: an application token has one workspace"
        )

    def _known(self, request: Request) -> int:
        number = path_id(request.path_params["id"])
        try:
            return self._world.fleet.sim(number).id
        except UnknownIdError:
            raise not_found("SIM", request.path_params["id"]) from None

    def _check_deletable(self, sim_id: int) -> None:
        if self._world.behaviour.role == "reseller":
            raise RefusalError(403, FORBIDDEN, "Resellers can't delete SIMs they have sold")
        sim = self._world.fleet.sims[sim_id]
        if sim.endpoint_id is not None:
            message = f"SIM with Id '{sim_id}' is assigned to Endpoint with Id '{sim.endpoint_id}'."
            raise RefusalError(409, NOT_ALLOWED, message) from InUseError(message)

    def _check_role(self, patch: SimPatch) -> None:
        wanted = {*patch.organisations, *(["status"] if patch.status is not None else [])}
        if forbidden := sorted(wanted - _MAY_CHANGE.get(self._world.behaviour.role, wanted)):
            raise RefusalError(403, FORBIDDEN, f"Not allowed to change {', '.join(forbidden)}")
