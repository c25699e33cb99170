"""The calls about the account itself: logging in, the organisation, its tariff plan."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from schemas.statuses import SimStatus
from simtandem.emulator.answering import Calls, json_answer
from simtandem.emulator.bodies import read_object
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.limits import AUTHENTICATE
from simtandem.emulator.refusals import bad_request, too_many_requests
from simtandem.emulator.shapes import PRODUCED, organisation_name, timestamp
from simtandem.emulator.tokens import DeniedError, LockedError
from simtandem.emulator.world import World

_CREDENTIALS = {"application_token", "refresh_token", "username"}


class AccountCalls:
    """Answers calls that have been let in, and the one that lets in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: Calls = [
            ("POST", AUTHENTICATE, self._authenticate),
            ("GET", "/api/v1/organisation/my", self._show_organisation),
            ("GET", "/api/v1/tariff_plan/active", self._show_tariff_plan),
        ]

    async def _authenticate(self, request: Request) -> Response:
        credentials = read_object(await request.body())
        if not _CREDENTIALS & credentials.keys():
            raise bad_request("Request body is malformed: no credentials")
        behaviour = self._world.behaviour
        try:
            tokens = self._world.tokens.authenticate(credentials, behaviour.token_life_s, behaviour.lock_s)
        except DeniedError:
            return Response(status_code=401)
        except LockedError:
            return too_many_requests(401)
        if not behaviour.refresh_token:
            del tokens["refresh_token"]
        return JSONResponse(tokens)

    async def _show_organisation(self, _request: Request) -> Response:
        return json_answer(
            {
                "id": OWN_ORGANISATION,
                "name": organisation_name(OWN_ORGANISATION),
                "organisation_type_id": "3",
                "organisation_status_id": "1",
                "country_id": "74",
                "currency_id": 1,
                "created": timestamp(PRODUCED.timestamp()),
                "monthly_cost_limit": None,
                "verification_type_id": None,
                "default_sms_routing_id": None,
            }
        )

    async def _show_tariff_plan(self, _request: Request) -> Response:
        """A plan without prices: what a contract costs, nobody can say here."""
        activated = sum(sim.status is SimStatus.ACTIVATED for sim in self._world.fleet.sims.values())
        return json_answer(
            {
                "id": 1,
                "organisation_id": OWN_ORGANISATION,
                "active": True,
                "sim_activated_amount": activated,
                "tariff_plan": {"id": 1, "name": "Emulated plan"},
                "workspaces_enabled": False,
            }
        )
