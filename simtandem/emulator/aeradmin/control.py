"""The control calls of the emulated AerAdmin, beside those that every emulated carrier has."""

from typing import Any

from starlette.requests import Request

from simtandem.emulator.aeradmin.account import Account
from simtandem.emulator.aeradmin.devices import Profile, group_from_json, pass_time
from simtandem.emulator.aeradmin.states import state_called
from simtandem.emulator.control_routes import as_object, read_object
from simtandem.emulator.site_control import SiteControl


class AerAdminControl(SiteControl):
    """`fleet` fills, `sims/{ICCID}` moves a SIM or lets it have traffic, `keys` makes and ends keys."""

    def __init__(self, site: Account) -> None:
        self._account = site
        super().__init__(
            site,
            [
                ("POST", "fleet", self._fill),
                ("POST", "sims/{iccid}", self._change_sim),
                ("POST", "keys", self._change_keys),
            ],
        )

    async def _fill(self, request: Request) -> object:
        """`{"devices": N}` for a mixture, or `{"groups": [{"count": N, "state": WORD}, ...]}`."""
        wanted = await read_object(request)
        match wanted:
            case {"devices": int(devices)}:
                self._account.refill(devices)
            case {"groups": list(groups)}:
                self._account.refill([group_from_json(as_object(group)) for group in groups])
            case _:
                raise ValueError("either devices or groups is expected")
        return self._account.fleet_summary()

    async def _change_sim(self, request: Request) -> object:
        """`{"state": NAME}` by someone at AerPort; `{"kb": N}`, `{"sms": N}` or `{"traffic_days": N}` more traffic.

        `{"shown_as": WORD}`: another `deviceStatus`, for any state; `{"result": [CODE, MESSAGE]}`: of this SIM.
        """
        found = self._account.fleet.find("ICCID", request.path_params["iccid"])
        if found is None or found[1] is None:
            raise LookupError("no SIM has this ICCID")
        _apply(found[1], await read_object(request), self._account.clock())
        pass_time(found[1], self._account.clock(), self._account.settings)
        return {"iccid": found[1].iccid, "state": found[1].state}

    async def _change_keys(self, request: Request) -> object:
        """`{KEY: ENDS_AT}`, in seconds since 1970; null for a key that never ends. In place of those before."""
        wanted = await read_object(request)
        if not all(ends is None or isinstance(ends, int | float) for ends in wanted.values()):
            raise TypeError("when a key ends is a number, or null")
        self._account.keys = dict(wanted)  # type: ignore[arg-type]  # checked above
        return {"keys": len(wanted)}


def _apply(profile: Profile, wanted: dict[str, Any], now: float) -> None:
    match wanted:
        case {"state": word, **rest} if not rest:
            profile.enter(state_called(word), now)
        case {"shown_as": str(word), **rest} if not rest:
            profile.shown_as = word
        case {"result": [int(code), str(message)], **rest} if not rest:
            profile.result = code, message
        case {"kb": int() | float() as kb, **rest} if not rest:
            profile.kb += kb
        case {"sms": int(sms), **rest} if not rest:
            profile.sms += sms
        case {"traffic_days": int(days), **rest} if not rest:
            profile.traffic_days += days
        case _:
            raise ValueError("state, shown_as, result, kb, sms or traffic_days is expected")
