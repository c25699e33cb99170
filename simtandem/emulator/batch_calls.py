"""The calls about batches of SIMs."""

from starlette.requests import Request
from starlette.responses import Response

from schemas.statuses import SimStatus
from simtandem.emulator.answering import Calls, json_answer
from simtandem.emulator.batches import Batch
from simtandem.emulator.bodies import Complaints, read_object
from simtandem.emulator.devices import OWN_ORGANISATION, MoveError
from simtandem.emulator.refusals import (
    INVALID_REFERENCE,
    NOT_ALLOWED,
    RefusalError,
    not_found,
    validation_failed,
)
from simtandem.emulator.shapes import MODEL_ID, SIM_STATUSES
from simtandem.emulator.world import World

_PATH = "/api/v1/sim_batch/bic/{bic}"


class BatchCalls:
    """Answers calls that have been let in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: Calls = [("GET", _PATH, self._validate), ("PATCH", _PATH, self._register)]

    async def _validate(self, request: Request) -> Response:
        bic = request.path_params["bic"]
        batch = self._world.fleet.batches.get(bic)
        if batch is None:
            raise not_found("SIM batch", bic)
        if batch.registered:
            raise RefusalError(400, NOT_ALLOWED, f"SIM batch with Id '{bic}' is already registered.")
        return json_answer(
            {
                "id": 1,
                "bic": bic,
                "quantity": str(len(batch.sim_ids)),
                "sim_model_id": str(MODEL_ID),
                "issuer_org_id": str(OWN_ORGANISATION),
                "customer_org_id": OWN_ORGANISATION,
            }
        )

    async def _register(self, request: Request) -> Response:
        """SIMs that can't have the status leave the whole batch as it is. What is no `sim_status` is not looked at."""
        bic, fleet = request.path_params["bic"], self._world.fleet
        status = _status(read_object(await request.body()))
        batch = fleet.batches.get(bic)
        if batch is None:
            raise _refused(RefusalError(422, INVALID_REFERENCE, f"SIM batch with Id '{bic}' not found."))
        if batch.registered:
            raise _refused(RefusalError(422, NOT_ALLOWED, f"SIM batch with Id '{bic}' is already registered."))
        sim_ids = [each for each in batch.sim_ids if each in fleet.sims]
        moving = [] if status is None else [each for each in sim_ids if fleet.sims[each].status is not status]
        try:
            for each in moving:
                fleet.check_sim_move(each, status or SimStatus.ISSUED)
        except MoveError as error:
            raise _refused(RefusalError(422, NOT_ALLOWED, f"SIM - {error}")) from error
        fleet.register(Batch(sim_ids))
        batch.registered = True
        for each in moving:
            fleet.patch_sim(each, status or SimStatus.ISSUED)
        return json_answer({"sim": [{"id": each, "iccid": fleet.sims[each].iccid} for each in sim_ids]})


def _status(fields: dict[str, object]) -> SimStatus | None:
    if "sim_status" not in fields:
        return None
    complaints = Complaints("SIM batch", fields, fields, strict=False)
    number = complaints.number("sim_status")
    if number is not None and number not in SIM_STATUSES:
        complaints.unknown("SIM status", number)
    complaints.raise_any("Register SIM batch validation error")
    return None if number is None else SIM_STATUSES[number]


def _refused(error: RefusalError) -> RefusalError:
    return validation_failed("Register SIM batch validation error", [error])
