"""AerAdmin's calls. What no source documents carries the header `X-Emulator-Stand-In`."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.aeradmin import bodies
from simtandem.emulator.aeradmin.account import Account
from simtandem.emulator.aeradmin.behaviour import REFUSED_CHANGE, UNKNOWN_DEVICE
from simtandem.emulator.aeradmin.devices import Device, Profile, may_move, pass_time
from simtandem.emulator.aeradmin.state_change import ID_KINDS, StateChange
from simtandem.emulator.aeradmin.states import State
from simtandem.emulator.control_routes import ControlRoutes
from simtandem.emulator.front_door import FrontDoor
from simtandem.emulator.stand_in import marked
from simtandem.emulator.wire import Call

ROOT = "/AerAdmin_WS_5_0/"
_WORDS = {400: "BAD_REQUEST", 404: "NOT_FOUND", 429: "TOO_MANY_REQUESTS", 500: "INTERNAL_SERVER_ERROR"}


class AerAdmin(FrontDoor):
    """The ASGI application."""

    _site: Account

    def __init__(self, site: Account, control: ControlRoutes) -> None:
        super().__init__(
            site,
            control,
            {
                ("GET", ROOT): self._root,
                ("POST", ROOT + "rest/devices/details"): self._details,
                ("GET", ROOT + "rest/devices/network/details"): self._network,
            },
        )

    def refusal(self, status: int, message: str, _path: str) -> Response:
        """An error. Its form follows the recorded 401's."""
        return marked(bodies.error(status, _WORDS.get(status, "ERROR"), message), f"form of a {status}")

    def admit(self, call: Call) -> Response | None:
        """A 429 where a limit was set and the call is over it."""
        return self.refusal(429, "Too Many Requests", call.path) if self._site.over_limit() else None

    async def process(self, call: Call) -> Response:
        """Carry a call out, the change of a state as well where one was described."""
        change = self._change_at(call)
        if change is None:
            return await super().process(call)
        await self._site.sleep(self._site.settings.latency_s)
        answer = self._change(change, call.path.removeprefix(ROOT), Request(call.scope).query_params, call.body)
        return marked(answer, "change of a state")

    def _change_at(self, call: Call) -> StateChange | None:
        change = self._site.state_change
        if change is None or change.method != call.method or not call.path.startswith(ROOT):
            return None
        return change if change.names(call.path.removeprefix(ROOT)) else None

    def _route(self, call: Call) -> str:
        change = self._change_at(call)
        return super()._route(call) if change is None else f"{call.method} {ROOT}{change.path.strip('/')}"

    async def _root(self, _request: Request) -> Response:
        """The root answers 500, which Aeris's own program takes for a sign of life."""
        return marked(Response(status_code=500), "body of the root")

    async def _details(self, request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return self.refusal(400, "The body is not a JSON object.", "")
        found = self._named(request.query_params, body)
        if isinstance(found, Response):
            return found
        device, _, kind = found
        shown = self._shown(device)
        number = self._transaction()
        if not shown:
            return self._not_shown(device, number)
        content = bodies.outcome(number, 0, "OK", self._site.clock()) | bodies.details(
            device, shown, self._site.settings
        )
        said = {profile.shown_as or profile.state for profile in shown} - {State.ACTIVE_BILLED}
        stand_ins = [f"deviceStatus of {word}" for word in sorted(said)]
        if kind == "deviceProfileId":
            stand_ins.append("details by deviceProfileId")
        if any(profile.result[0] for profile in shown):
            stand_ins.append("result of one SIM")
        return marked(JSONResponse(content), *stand_ins)

    async def _network(self, request: Request) -> Response:
        found = self._named(request.query_params, request.query_params)
        if isinstance(found, Response):
            return found
        shown, number = self._shown(found[0]), self._transaction()
        if not shown:
            return self._not_shown(found[0], number)
        now = self._site.clock()
        content = bodies.outcome(number, 0, "OK", now) | bodies.network(found[0], shown, now)
        return marked(JSONResponse(content), "times and places of the network")

    def _named(
        self, query: Mapping[str, str], given: Mapping[str, Any]
    ) -> tuple[Device, Profile | None, str] | Response:
        """The device that a call names, or the answer to a call that may not ask or names none."""
        key = query.get("apiKey", "")
        if given.get("accountID") != self._site.account or not self._site.key_opens(key):
            ended = key in self._site.keys and not self._site.key_opens(key)
            reason = "a key that has ended" if ended else "" if key else "no key"
            return marked(bodies.not_linked(), *filter(None, [reason]))
        kinds = [kind for kind in ID_KINDS if isinstance(given.get(kind), str)]
        if len(kinds) != 1 or not given.get("email"):
            return self.refusal(400, f"email and one of {', '.join(ID_KINDS)} are needed.", "")
        found = self._site.fleet.find(kinds[0], str(given[kinds[0]]))
        return self._no_device() if found is None else (*found, kinds[0])

    def _shown(self, device: Device) -> list[Profile]:
        """The SIMs of a device that an answer shows: those on the network's books."""
        settings, now = self._site.settings, self._site.clock()
        for profile in device.profiles:
            pass_time(profile, now, settings)
        hidden = {State.ASSIGNED} | ({State.CANCELED} if settings.canceled_device == "unknown" else set())
        return [profile for profile in device.profiles if profile.shown_as or profile.state not in hidden]

    def _not_shown(self, device: Device, number: int) -> Response:
        if any(profile.state is State.CANCELED for profile in device.profiles):
            return self._no_device()
        return marked(bodies.not_activated(number), "1047 for Assigned")

    def _no_device(self) -> Response:
        number = self._transaction()
        if self._site.settings.unknown_device == "1047":
            return marked(bodies.not_activated(number), "1047 for a device that is not there")
        content = bodies.outcome(number, UNKNOWN_DEVICE, "Emulator: the account has no such device.", None)
        return marked(JSONResponse(content), "result code of a device that is not there")

    def _change(self, change: StateChange, path: str, query: Mapping[str, str], body: bytes) -> Response:
        read = change.read(path, body)
        if read is None or read.get("word") not in change.words:
            return self.refusal(400, "The call does not have the form that the emulator was started with.", "")
        kind = read.get("id_kind") or "ICCID"
        given = {"accountID": read.get("account", self._site.account), "email": read.get("email", "-")}
        found = self._named(query, given | {kind: read["id"]})
        if isinstance(found, Response):
            return found
        device, named, _ = found
        every = self._site.settings.change_reaches == "device" or named is None
        return self._move(device.profiles if every else [named], change.words[read["word"]])

    def _move(self, profiles: list[Any], target: State) -> Response:
        settings, now, number = self._site.settings, self._site.clock(), self._transaction()
        for profile in profiles:
            pass_time(profile, now, settings)
            same = profile.state is target
            if (same and settings.same_state == "refused") or not (same or may_move(profile.state, target, settings)):
                message = f"Emulator: no change from {profile.state} to {target}."
                return JSONResponse(bodies.outcome(number, REFUSED_CHANGE, message, None))
        for profile in profiles:
            profile.pending = (target, now + settings.change_takes_s)
            pass_time(profile, now, settings)
        return JSONResponse(bodies.outcome(number, 0, "OK", now))

    def _transaction(self) -> int:
        self._site.transactions += 1
        return self._site.transactions
