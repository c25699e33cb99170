"""Asking for changes of states, polling what became of them, and finding a request whose id was lost."""

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.iot_accelerator.answers import DCP, Handler, Problem, read_object, versioned
from simtandem.emulator.iot_accelerator.company import Company, IotFaultRule
from simtandem.emulator.iot_accelerator.moments import instant, read_moment
from simtandem.emulator.iot_accelerator.states import SETTABLE, ResourceState, State
from simtandem.emulator.iot_accelerator.subscriptions import CHANGE_STATE, COMPANY, KINDS
from simtandem.emulator.iot_accelerator.tickets import Line, Ticket, Trouble
from simtandem.emulator.stand_in import marked

CHANGES = "/iot/api/sica/subscriptions/requests/state-changes"
REQUESTS = DCP + "/subscriptions/requests"
TROUBLE = "simtandem.trouble"
"""Where in its scope a call carries the fault that its request is to meet."""

_WRONG = "Missing mandatory request parameters and/or incorrect parameter format"


class RequestCalls:
    """The batch change, its polling and its finding."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.guarded: dict[tuple[str, str], Handler] = {
            ("POST", CHANGES): self._change,
            ("POST", REQUESTS + "/find"): self._find,
            ("GET", REQUESTS + "/{id}"): self._poll,
        }

    async def _change(self, request: Request) -> Response:
        kind, identifiers, target = _read_change(await read_object(request))
        most = self._company.settings.most_identifiers
        if len(identifiers) > most:
            raise Problem(400, f"At most {most} identifiers", "limit of identifiers")
        rule: IotFaultRule | None = request.scope.get(TROUBLE)
        trouble = rule.trouble(identifiers) if rule else Trouble()
        now = self._company.pass_time()
        by = self._company.logins.username
        ticket = self._company.tickets.accept(kind, identifiers, target, by, now, trouble)
        return marked(JSONResponse({"subscription_request_id": ticket.request_id}, 201))

    async def _poll(self, request: Request) -> Response:
        self._company.pass_time()
        ticket = self._company.tickets.by_id.get(request.path_params["id"])
        if ticket is None or ticket.hidden:
            raise Problem(404, "Not found")
        page = _number(request.query_params.get("page", "0"))
        per_page = _number(request.query_params.get("perPage", str(self._company.settings.request_page)))
        stand_ins = ["which resourceProperties there are"]
        if "perPage" not in request.query_params:
            stand_ins.append("size of a page")
        if any(line.reason for line in ticket.lines):
            stand_ins.append("reasons")
        shown = ticket.lines[page * per_page : (page + 1) * per_page]
        return marked(versioned(_request_item(ticket, shown)), *stand_ins)

    async def _find(self, request: Request) -> Response:
        wanted = await read_object(request)
        self._company.pass_time()
        try:
            found = [each for each in self._company.tickets.by_id.values() if not each.hidden and _fits(each, wanted)]
        except (ValueError, TypeError) as error:
            raise Problem(400, str(error)) from error
        order = wanted.get("sortOrder") or {}
        found.sort(key=_sort_key(str(order.get("sortField", ""))), reverse=bool(order.get("descending")))
        limit = wanted.get("limit")
        found = found[: int(limit)] if isinstance(limit, int) else found
        ids = [ticket.request_id for ticket in found]
        objects = self._company.settings.found_as == "objects"
        answer = versioned([{"subscriptionRequestId": each} for each in ids] if objects else ids)
        return marked(answer, "items of find", "order of find")


def _read_change(given: dict[str, Any]) -> tuple[str, list[str], State]:
    match given:
        case {
            "subscriptions": {"identifier_type": str(kind), "identifiers": list(ids)},
            "change": {"state": str(word)},
        }:
            pass
        case _:
            raise Problem(400, _WRONG)
    texts = all(isinstance(each, str) for each in ids)
    if kind.upper() not in KINDS or not ids or not texts or word not in SETTABLE:
        raise Problem(400, _WRONG)
    return kind.upper(), ids, State(word)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem(400, f"{text!r} is not a number")
    return int(text)


def _request_item(ticket: Ticket, shown: Iterable[Line]) -> dict[str, Any]:
    states = [line.state for line in ticket.lines]
    counters = {
        "inProgress": ResourceState.IN_PROGRESS,
        "pending": ResourceState.PENDING,
        "canceled": ResourceState.CANCELED,
        "rejected": ResourceState.REJECTED,
        "completed": ResourceState.COMPLETED,
        "failed": ResourceState.FAILED,
    }
    return {
        "subscriptionRequestId": ticket.request_id,
        "subscriptionRequestType": CHANGE_STATE,
        "subscriptionRequestState": ticket.shown_as or ticket.state,
        "createdBy": ticket.by,
        "companyId": COMPANY,
        "companyName": "Test Enterprise 02",
        "timeCreated": instant(ticket.created),
        "lastUpdated": instant(ticket.updated),
        "size": len(ticket.lines),
        "subscriptionRequestResourceCounters": {name: states.count(state) for name, state in counters.items()},
        "subscriptionRequestFailureInfos": [],
        "subscriptionRequestResources": [_resource(ticket, line) for line in shown],
    }


def _resource(ticket: Ticket, line: Line) -> dict[str, Any]:
    found = line.subscription
    ids = (
        {"ICCID": found.icc, "IMSI": found.imsi, "MSISDN": found.msisdn}
        if found
        else {"ICCID" if ticket.kind == "ICC" else ticket.kind: line.identifier}
    )
    named = ids | {"TARGET_SUBSCRIPTION_STATE": str(ticket.target)}
    failures = [{"errorObject": {"message": line.reason}, "getErrorType": "DCP_ERROR"}]
    return {
        "resourceProperties": [
            {"type": kind, "value": value, "operation": "SUBSCRIPTION_STATE_CHANGE"} for kind, value in named.items()
        ],
        "resourceState": line.state,
        "resourceFailureInfos": failures if line.state is ResourceState.FAILED else [],
        "resourceId": line.identifier,
    }


def _fits(ticket: Ticket, wanted: dict[str, Any]) -> bool:
    listed = (
        ("subscriptionRequestTypes", CHANGE_STATE),
        ("subscriptionRequestStates", ticket.shown_as or ticket.state),
        ("companyIds", COMPANY),
    )
    if any(wanted.get(name) and value not in wanted[name] for name, value in listed):
        return False
    if wanted.get("createdBy") and wanted["createdBy"] != ticket.by:
        return False
    moments = {"timeCreated": ticket.created, "lastUpdated": ticket.updated}
    for name, at in moments.items():
        before, after = wanted.get(name + "Before"), wanted.get(name + "After")
        if (before and at >= read_moment(before)) or (after and at < read_moment(after)):
            return False
    return True


def _sort_key(field: str) -> Callable[[Ticket], Any]:
    if field.startswith("LAST_UPDATED"):
        return lambda ticket: ticket.updated
    if field == "SUBSCRIPTION_REQUEST_STATE":
        return lambda ticket: ticket.state
    return lambda ticket: ticket.created
