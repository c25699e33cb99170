"""What the carrier's SDK has beside the calls that are documented with devices: operators, their blacklists, SMS."""

from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator.answering import Calls, json_answer
from simtandem.emulator.bodies import read_object
from simtandem.emulator.numbers import path_id
from simtandem.emulator.refusals import DUPLICATED, RefusalError, not_found, required, validation_failed
from simtandem.emulator.shapes import timestamp
from simtandem.emulator.world import World

_GERMANY = {"id": 74, "name": "Germany", "country_code": "49", "mcc": "262", "iso_code": "de"}
_OPERATORS: dict[int, dict[str, object]] = {
    3: {"id": 3, "name": "Vodafone", "country": _GERMANY, "mnc": [{"id": 3, "mnc": "02"}]},
    4: {"id": 4, "name": "Telekom", "country": _GERMANY, "mnc": [{"id": 4, "mnc": "01"}]},
}
_BLACKLIST = "/api/v1/endpoint/{id}/operator_blacklist"


class NetworkCalls:
    """Answers calls that have been let in. SMS reach nobody; they are kept to be listed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: Calls = [
            ("GET", "/api/v1/operator", self._list_operators),
            ("GET", _BLACKLIST, self._list_blacklist),
            ("PUT", _BLACKLIST + "/{operator}", self._block),
            ("DELETE", _BLACKLIST + "/{operator}", self._unblock),
            ("GET", "/api/v1/endpoint/{id}/sms", self._list_sms),
            ("POST", "/api/v1/endpoint/{id}/sms", self._send_sms),
        ]

    async def _list_operators(self, _request: Request) -> Response:
        return json_answer(list(_OPERATORS.values()))

    async def _list_blacklist(self, request: Request) -> Response:
        return json_answer([_OPERATORS[each] for each in self._world.fleet.blacklists[self._endpoint(request)]])

    async def _block(self, request: Request) -> Response:
        endpoint_id, operator = self._endpoint(request), self._operator(request)
        if operator in self._world.fleet.blacklists[endpoint_id]:
            message = f"Operator with Id '{operator}' is already blacklisted on Endpoint with Id '{endpoint_id}'."
            raise RefusalError(409, DUPLICATED, message)
        self._world.fleet.blacklists[endpoint_id].append(operator)
        return Response(status_code=204)

    async def _unblock(self, request: Request) -> Response:
        endpoint_id, operator = self._endpoint(request), self._operator(request)
        if operator not in self._world.fleet.blacklists[endpoint_id]:
            raise not_found("Operator", operator)
        self._world.fleet.blacklists[endpoint_id].remove(operator)
        return Response(status_code=204)

    async def _list_sms(self, request: Request) -> Response:
        return json_answer(self._world.fleet.sms[self._endpoint(request)])

    async def _send_sms(self, request: Request) -> Response:
        endpoint_id = self._endpoint(request)
        fields = read_object(await request.body())
        if not fields.get("payload"):
            raise validation_failed("Input validation failed", [required("SMS", "payload")])
        number = sum(map(len, self._world.fleet.sms.values())) + 1
        sms: dict[str, object] = {"id": number, "submit_date": timestamp(self._world.clock())}
        sms |= {name: fields[name] for name in ("payload", "source_address", "udh", "dcs") if name in fields}
        self._world.fleet.sms[endpoint_id].append(sms)
        location = f"{request.base_url}api/v1/endpoint/{endpoint_id}/sms/{number}"
        return Response(status_code=201, headers={"Location": location})

    def _endpoint(self, request: Request) -> int:
        number = path_id(request.path_params["id"])
        if number not in self._world.fleet.endpoints:
            raise not_found("Endpoint", request.path_params["id"])
        return number

    def _operator(self, request: Request) -> int:
        number = path_id(request.path_params["operator"])
        if number not in _OPERATORS:
            raise not_found("Operator", number)
        return number
