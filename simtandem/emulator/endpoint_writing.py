"""Creating and changing endpoints, and giving them SIMs: what one call and a bulk call have in common."""

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator import shapes
from simtandem.emulator.bodies import EndpointPatch, SimWish, endpoint_patch, read_object
from simtandem.emulator.devices import Endpoint, MoveError
from simtandem.emulator.refusals import (
    DUPLICATED,
    INVALID_REFERENCE,
    NOT_ALLOWED,
    RefusalError,
    required,
    validation_failed,
)
from simtandem.emulator.world import World

_NEEDED = ("service_profile", "tariff_profile", "status")


class EndpointWriting:
    """Changes the fleet of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read_new(self, body: bytes) -> EndpointPatch:
        """The body of `POST /api/v1/endpoint`."""
        new, errors = self.check_new(read_object(body))
        if errors:
            raise validation_failed("Create endpoint validation error", errors)
        return new

    def check_new(self, fields: dict[str, object]) -> tuple[EndpointPatch, list[RefusalError]]:
        """What a new endpoint shall be, and what is wrong about it."""
        strict = self._world.behaviour.unknown_fields == "refuse"
        new, complaints = endpoint_patch(fields, strict=strict, also=("organisation",))
        missing = [required("Endpoint", name) for name in _NEEDED if name not in fields]
        if new.sim is not None and new.sim.id is None:
            missing.append(required("Endpoint", "sim.id"))
        return new, [*complaints.errors, *missing, *self.sim_errors(None, new.sim)]

    def create(self, new: EndpointPatch) -> dict[str, object]:
        """Create an endpoint; returns it as it is shown. `sim` and `imei_with_luhn` are null where there is none."""
        fleet = self._world.fleet
        endpoint = fleet.add_endpoint(new.status or EndpointStatus.DISABLED)
        fleet.change_endpoint(endpoint.id, dict(new.fields))
        if new.sim is not None:
            self._give_sim(endpoint, new.sim, new=True)
        return {"sim": None, "imei_with_luhn": None} | shapes.endpoint_item(endpoint, fleet)

    def apply(self, endpoint_id: int, patch: EndpointPatch, *, with_status: bool = True) -> None:
        """Change an endpoint; raises `UnknownIdError`, or `MoveError` before anything is changed."""
        fleet = self._world.fleet
        endpoint = fleet.endpoint(endpoint_id)
        if patch.status is not None and with_status:
            fleet.patch_endpoint(endpoint_id, patch.status)
        fleet.change_endpoint(endpoint_id, dict(patch.fields))
        if patch.sim is not None and patch.sim.id is None:
            fleet.release(endpoint_id)
        elif patch.sim is not None:
            self._give_sim(endpoint, patch.sim, new=False)

    def check_sim(self, endpoint_id: int, patch: EndpointPatch) -> None:
        """Refuse a SIM that the endpoint can't have."""
        if errors := self.sim_errors(endpoint_id, patch.sim):
            raise validation_failed("Update endpoint validation error", errors)

    def sim_errors(self, endpoint_id: int | None, wish: SimWish | None) -> list[RefusalError]:
        """Why an endpoint (None: a new one) can't have this SIM, or the SIM not the status; empty where it can."""
        if wish is None or wish.id is None:
            return []
        sim = self._world.fleet.sims.get(wish.id)
        if sim is None:
            return [RefusalError(422, INVALID_REFERENCE, f"SIM with Id '{wish.id}' not found.")]
        if sim.endpoint_id not in {None, endpoint_id}:
            message = f"SIM with Id '{wish.id}' is already assigned to Endpoint with Id '{sim.endpoint_id}'."
            return [RefusalError(422, DUPLICATED, message)]
        status = self._sim_status(wish, new=endpoint_id is None)
        if status is None or status is sim.status:
            return []
        try:
            self._world.fleet.check_sim_move(wish.id, status)
        except MoveError as error:
            return [RefusalError(422, NOT_ALLOWED, f"SIM - {error}")]
        return []

    def _give_sim(self, endpoint: Endpoint, wish: SimWish, *, new: bool) -> None:
        fleet = self._world.fleet
        assert wish.id is not None  # noqa: S101 - both callers have looked
        status = self._sim_status(wish, new=new)
        if status is not None and status is not fleet.sims[wish.id].status:
            fleet.patch_sim(wish.id, status)
        fleet.assign(endpoint.id, wish.id)

    def _sim_status(self, wish: SimWish, *, new: bool) -> SimStatus | None:
        """The status a SIM gets together with its endpoint; None where it stays as it is."""
        behaviour = self._world.behaviour
        if wish.status is not None:
            return wish.status
        if not wish.activate and not (new and behaviour.assigned_sims_activated):
            return None
        return SimStatus.FACTORY_TEST if behaviour.factory_test_mode else SimStatus.ACTIVATED
