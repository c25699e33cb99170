"""The calls about many endpoints at once."""

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from schemas.statuses import SimStatus
from simtandem.emulator.answering import Calls, json_answer
from simtandem.emulator.bodies import MOST_IN_BULK, EndpointPatch, read_endpoint_patches, read_ids, read_object
from simtandem.emulator.devices import MoveError
from simtandem.emulator.endpoint_writing import EndpointWriting
from simtandem.emulator.refusals import (
    DUPLICATED,
    INVALID_REFERENCE,
    NOT_ALLOWED,
    RefusalError,
    bad_request,
    not_found,
    required,
    validation_failed,
)
from simtandem.emulator.world import World

BULK = "/api/v2/endpoint/multi"
_FOR_ALL = ("service_profile", "tariff_profile", "status", "ip_address_space", "organisation")


class BulkCalls:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._writing = EndpointWriting(world)
        self.calls: Calls = [
            ("POST", BULK, self._create),
            ("PATCH", BULK, self._patch),
            ("DELETE", BULK, self._delete),
        ]

    async def _patch(self, request: Request) -> Response:
        strict = self._world.behaviour.unknown_fields == "refuse"
        patches = read_endpoint_patches(await request.body(), strict=strict)
        good, bad = self._sort_out(patches)
        if bad and self._world.behaviour.bulk == "atomic":
            status = 404 if any(error.code == INVALID_REFERENCE for error in bad) else 422
            code = INVALID_REFERENCE if status == 404 else None
            raise _refusal(status, code, bad)
        for endpoint_id, patch, with_status in good:
            self._writing.apply(endpoint_id, patch, with_status=with_status)
        if bad:
            raise _refusal(422, None, bad)
        return Response(status_code=204)

    async def _create(self, request: Request) -> Response:
        """All or nothing."""
        fields = read_object(await request.body())
        rows = fields.pop("endpoints", None)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise validation_failed("Create endpoint validation error", [required("Endpoint", "endpoints")])
        if not 1 <= len(rows) <= MOST_IN_BULK:
            raise bad_request(f"Request body is malformed: 1 to {MOST_IN_BULK} endpoints are expected, got {len(rows)}")
        shared = {name: value for name, value in fields.items() if name in _FOR_ALL}
        checked = [self._writing.check_new({**shared, **row}) for row in rows]
        errors = [error for _, found in checked for error in found]
        sims = Counter(new.sim.id for new, _ in checked if new.sim is not None)
        errors += [_twice("SIM", each) for each, count in sims.items() if count > 1]
        if errors:
            raise validation_failed("Create endpoint validation error", errors)
        return json_answer([self._writing.create(new) for new, _ in checked], status=201)

    async def _delete(self, request: Request) -> Response:
        """Their SIMs are released and suspended, or deleted with `delete_sims`."""
        fleet, numbers = self._world.fleet, dict.fromkeys(read_ids(await request.body()))
        for number in numbers:
            if number not in fleet.endpoints:
                raise not_found("Endpoint", number)
        for number in numbers:
            sim_id = fleet.endpoints[number].sim_id
            if sim_id is not None:
                if fleet.sims[sim_id].status is SimStatus.ACTIVATED:
                    fleet.patch_sim(sim_id, SimStatus.SUSPENDED)
                fleet.release(number)
                if request.query_params.get("delete_sims") == "true":
                    fleet.delete_sim(sim_id)
            fleet.delete_endpoint(number)
        return Response(status_code=204)

    def _sort_out(
        self, patches: list[tuple[int, EndpointPatch]]
    ) -> tuple[list[tuple[int, EndpointPatch, bool]], list[RefusalError]]:
        """The rows that can be applied, each with whether its status can, and a refusal for each of the others."""
        good, bad = [], []
        seen: set[int] = set()
        given: set[int | None] = set()
        for endpoint_id, patch in patches:
            sim_id = patch.sim.id if patch.sim else None
            if endpoint_id not in self._world.fleet.endpoints:
                bad.append(not_found("Endpoint", endpoint_id))
            elif endpoint_id in seen:
                bad.append(_twice("Endpoint", endpoint_id))
            elif sim_id is not None and sim_id in given:
                bad.append(_twice("SIM", sim_id))
            elif errors := self._writing.sim_errors(endpoint_id, patch.sim):
                bad += errors
            elif (error := self._move(endpoint_id, patch)) and not self._passes(error):
                bad.append(RefusalError(422, NOT_ALLOWED, f"Endpoint - {error}"))
            else:
                good.append((endpoint_id, patch, error is None))
            seen.add(endpoint_id)
            given.add(sim_id)
        return good, bad

    def _move(self, endpoint_id: int, patch: EndpointPatch) -> MoveError | None:
        if patch.status is None:
            return None
        try:
            self._world.fleet.check_endpoint_move(endpoint_id, patch.status)
        except MoveError as error:
            self._world.calls.needless_endpoint_patches += error.same
            return error
        return None

    def _passes(self, error: MoveError) -> bool:
        return error.same and self._world.behaviour.same_status == 204


def _refusal(status: int, code: int | None, errors: list[RefusalError]) -> RefusalError:
    if code is None:
        return validation_failed("Update endpoint validation error", errors, status)
    return RefusalError(status, code, errors[0].message, errors)


def _twice(what: str, number: object) -> RefusalError:
    return RefusalError(422, DUPLICATED, f"{what} with Id '{number}' is in the request more than once.")
