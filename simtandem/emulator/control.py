"""Setting up and reading the emulator over HTTP, under `/_emulator/`. None of this counts as a carrier's call."""

from dataclasses import asdict
from types import NoneType
from typing import cast

from starlette.requests import Request

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator import shapes
from simtandem.emulator.control_routes import ControlRoutes, as_object, read_object
from simtandem.emulator.devices import Look
from simtandem.emulator.events import Source
from simtandem.emulator.faults import FaultRule
from simtandem.emulator.seeding import Group, status_called
from simtandem.emulator.world import World


class Control(ControlRoutes):
    """The control calls of the emulator of emnify."""

    def __init__(self, world: World) -> None:
        self._world = world
        super().__init__(
            [
                ("GET", "fleet", self._show_fleet),
                ("POST", "fleet", self._fill_fleet),
                ("GET", "config", self._show_config),
                ("POST", "config", self._change_config),
                ("POST", "faults", self._replace_faults),
                ("POST", "sims/{id:int}", self._change_sim),
                ("POST", "endpoints/{id:int}", self._change_endpoint),
                ("POST", "events", self._add_event),
                ("GET", "stats", self._show_stats),
                ("POST", "reset", self._reset),
            ]
        )

    async def _show_fleet(self, _request: Request) -> object:
        fleet = self._world.fleet
        return {"sims": len(fleet.sims), "endpoints": len(fleet.endpoints), "states": fleet.state_counts()}

    async def _fill_fleet(self, request: Request) -> object:
        """`{"devices": N}` for a mixture, or `{"groups": [{"count": N, "sim": WORD, "endpoint": WORD}, ...]}`."""
        wanted = await read_object(request)
        if wanted.keys() not in ({"devices"}, {"groups"}):
            raise ValueError("either devices or groups is expected")
        devices, groups = wanted.get("devices"), wanted.get("groups")
        if isinstance(groups, list):
            self._world.refill([Group.from_json(as_object(group)) for group in groups])
        elif type(devices) is int:
            self._world.refill(devices)
        else:
            raise TypeError("devices must be a number, groups an array")
        return await self._show_fleet(request)

    async def _show_config(self, _request: Request) -> object:
        return asdict(self._world.behaviour)

    async def _change_config(self, request: Request) -> object:
        self._world.behaviour.change(**await read_object(request))
        return asdict(self._world.behaviour)

    async def _replace_faults(self, request: Request) -> object:
        """`{"rules": [...], "seed": 0}`; no rules, no faults."""
        wanted = await read_object(request)
        rules, seed = wanted.get("rules"), wanted.get("seed", 0)
        if not isinstance(rules, list) or type(seed) is not int:
            raise TypeError("rules must be an array, seed a number")
        self._world.inject([FaultRule.from_json(as_object(rule)) for rule in rules], seed)
        return {"rules": len(rules)}

    async def _change_sim(self, request: Request) -> object:
        """`{"move": "volume_reached"}`: by the carrier. `{"status": WORD}`: by someone. `{"delete": true}`.

        `{"show": {KEY: VALUE, ...}, "hide": [KEY, ...]}`: the SIM is shown so, in its own item and in its endpoint's,
        for any status: `{"show": {"status": {"id": 9}}}` for a status that nobody knows. Nothing in both ends it.
        """
        sim_id, fleet = request.path_params["id"], self._world.fleet
        match await read_object(request):
            case {"move": "volume_reached"}:
                fleet.drift_volume_reached(sim_id)
            case {"status": status}:
                fleet.drift_sim(sim_id, status_called(SimStatus, status))
            case {"delete": True}:
                fleet.drift_delete_sim(sim_id)
                return {"deleted": sim_id}
            case {"show": _} | {"hide": _} as wanted:
                _look(fleet.sim_looks, fleet.sim(sim_id).id, wanted)
            case _:
                raise ValueError('{"move": "volume_reached"}, {"status": WORD}, "delete", "show" or "hide" is expected')
        return shapes.sim_item(fleet.sim(sim_id), fleet)

    async def _change_endpoint(self, request: Request) -> object:
        """`{"status": WORD}`: by someone. `{"delete": true}`: permanently. `show` and `hide` as for SIMs."""
        endpoint_id, fleet = request.path_params["id"], self._world.fleet
        match await read_object(request):
            case {"status": status}:
                fleet.drift_endpoint(endpoint_id, status_called(EndpointStatus, status))
            case {"delete": True}:
                fleet.drift_delete_endpoint(endpoint_id)
                return {"deleted": endpoint_id}
            case {"show": _} | {"hide": _} as wanted:
                _look(fleet.endpoint_looks, fleet.endpoint(endpoint_id).id, wanted)
            case _:
                raise ValueError('{"status": WORD}, {"delete": true}, "show" or "hide" is expected')
        return shapes.endpoint_item(fleet.endpoint(endpoint_id), fleet)

    async def _add_event(self, request: Request) -> object:
        """`{"type": N, "words": ..., "description": ..., "source": 0-2, "sim": ID, "endpoint": ID}`.

        `type` alone is needed, and may be one that no catalogue has.
        """
        wanted = await read_object(request)
        number, sim_id, endpoint_id = wanted.get("type"), wanted.get("sim"), wanted.get("endpoint")
        if type(number) is not int or type(sim_id) not in {int, NoneType} or type(endpoint_id) not in {int, NoneType}:
            raise TypeError("type must be a number, and so must sim and endpoint where they are given")
        source = wanted.get("source", 2)
        if source not in {*Source}:
            raise ValueError(f"source must be 0, 1 or 2: {source!r}")
        fleet = self._world.fleet
        fleet.drift_event(
            number,
            str(wanted.get("words", "")),
            str(wanted.get("description", "")),
            Source(int(str(source))),
            sim_id=cast("int | None", sim_id),
            endpoint_id=cast("int | None", endpoint_id),
        )
        return shapes.event_item(fleet.events[-1])

    async def _show_stats(self, request: Request) -> object:
        """With `?log=1`, every call as well."""
        return self._world.stats(log=request.query_params.get("log") == "1")

    async def _reset(self, request: Request) -> object:
        self._world.reset()
        return await self._show_fleet(request)


def _look(looks: dict[int, Look], number: int, wanted: dict[str, object]) -> None:
    show, hide = wanted.get("show", {}), wanted.get("hide", [])
    if not isinstance(show, dict) or not isinstance(hide, list):
        raise TypeError("show must be an object, hide an array")
    looks.pop(number, None)
    if show or hide:
        looks[number] = Look(show, frozenset(map(str, hide)))
