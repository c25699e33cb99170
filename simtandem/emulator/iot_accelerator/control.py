"""The control calls of the emulated platform, beside those that every emulated carrier has."""

from starlette.requests import Request

from simtandem.emulator.control_routes import as_object, read_object
from simtandem.emulator.iot_accelerator.company import Company
from simtandem.emulator.iot_accelerator.states import RequestState, state_called
from simtandem.emulator.iot_accelerator.subscriptions import BY_ITSELF, SubscriptionGroup
from simtandem.emulator.site_control import SiteControl

SOMEBODY = "someone@example.com"


class IotAcceleratorControl(SiteControl):
    """`fleet` fills, `subscriptions/{ICC}` moves one, `requests/{id}` shows a request otherwise, `tokens` revokes."""

    def __init__(self, site: Company) -> None:
        self._company = site
        super().__init__(
            site,
            [
                ("POST", "fleet", self._fill),
                ("POST", "subscriptions/{icc}", self._change_subscription),
                ("POST", "requests/{id}", self._show_request),
                ("POST", "tokens", self._revoke),
            ],
        )

    async def _fill(self, request: Request) -> object:
        """`{"devices": N}` for a mixture, or `{"groups": [{"count": N, "state": WORD}, ...]}`."""
        match await read_object(request):
            case {"devices": int(devices)}:
                self._company.refill(devices)
            case {"groups": list(groups)}:
                self._company.refill([SubscriptionGroup.from_json(as_object(group)) for group in groups])
            case _:
                raise ValueError("either devices or groups is expected")
        return self._company.fleet_summary()

    async def _change_subscription(self, request: Request) -> object:
        """`{"state": WORD}` by someone in the portal; `{"by_itself": WORD}` by a rule of the platform.

        `{"locked": true}`; `{"shown_as": WORD}`: another state in details and lists than the real one.
        """
        found = self._company.inventory.by_id.get(("ICC", request.path_params["icc"]))
        if found is None:
            raise LookupError("no subscription has this ICC")
        now = self._company.pass_time()
        match await read_object(request):
            case {"state": word}:
                self._company.inventory.enter(found, state_called(word), now, by=SOMEBODY, request_id="PORTAL")
            case {"by_itself": word}:
                self._company.inventory.enter(found, state_called(word), now, by="", operation=BY_ITSELF)
            case {"locked": bool(locked)}:
                found.locked = locked
            case {"shown_as": str(word)}:
                found.shown_as = word
            case _:
                raise ValueError("state, by_itself, locked or shown_as is expected")
        return {"icc": found.icc, "state": found.state}

    async def _show_request(self, request: Request) -> object:
        """`{"shown_as": STATE}`: of the request as a whole; an empty text ends it."""
        ticket = self._company.tickets.by_id.get(request.path_params["id"])
        if ticket is None:
            raise LookupError("no request has this id")
        word = (await read_object(request)).get("shown_as")
        if word not in {"", *RequestState}:
            raise ValueError(f"shown_as is one of {', '.join(RequestState)}: {word!r}")
        ticket.shown_as = str(word)
        return {"id": ticket.request_id, "state": ticket.shown_as or ticket.state}

    async def _revoke(self, _request: Request) -> object:
        """`{}`: every token given out so far is revoked."""
        self._company.logins.revoke_all()
        return {"revoked": True}
