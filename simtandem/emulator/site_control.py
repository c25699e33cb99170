"""The control calls that every emulated carrier has."""

from collections.abc import Sequence
from dataclasses import asdict

from starlette.requests import Request

from simtandem.emulator.control_routes import ControlCall, ControlRoutes, as_object, read_object
from simtandem.emulator.site import Site


class SiteControl(ControlRoutes):
    """Fleet, settings, faults, counts, putting back; and `more`, the carrier's own."""

    def __init__(self, site: Site, more: Sequence[tuple[str, str, ControlCall]] = ()) -> None:
        self._site = site
        super().__init__(
            [
                ("GET", "fleet", self._show_fleet),
                ("GET", "config", self._show_config),
                ("POST", "config", self._change_config),
                ("POST", "faults", self._replace_faults),
                ("GET", "stats", self._show_stats),
                ("POST", "reset", self._reset),
                *more,
            ]
        )

    async def _show_fleet(self, _request: Request) -> object:
        return self._site.fleet_summary()

    async def _show_config(self, _request: Request) -> object:
        return asdict(self._site.settings)

    async def _change_config(self, request: Request) -> object:
        self._site.settings.change(**await read_object(request))
        return asdict(self._site.settings)

    async def _replace_faults(self, request: Request) -> object:
        """`{"rules": [...], "seed": 0}`; no rules, no faults."""
        wanted = await read_object(request)
        rules, seed = wanted.get("rules"), wanted.get("seed", 0)
        if not isinstance(rules, list) or type(seed) is not int:
            raise TypeError("rules must be an array, seed a number")
        self._site.inject([self._site.fault_from_json(as_object(rule)) for rule in rules], seed)
        return {"rules": len(rules)}

    async def _show_stats(self, request: Request) -> object:
        """With `?log=1`, every call as well."""
        return self._site.stats(log=request.query_params.get("log") == "1")

    async def _reset(self, _request: Request) -> object:
        self._site.reset()
        return self._site.fleet_summary()
