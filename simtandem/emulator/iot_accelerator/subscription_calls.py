"""Reading subscriptions: some by their ids, or all of a company page by page."""

import itertools
import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.iot_accelerator.answers import Handler, Problem, read_object
from simtandem.emulator.iot_accelerator.company import Company
from simtandem.emulator.iot_accelerator.moments import moment
from simtandem.emulator.iot_accelerator.subscriptions import COMPANY, KINDS, ORGANIZATION, PACKAGE, Subscription
from simtandem.emulator.stand_in import marked

PATH = "/iot/api/subscriptions/details"
_QUERY = re.compile(r"(company|label)==(.+)", re.IGNORECASE)
_LARGEST_PAGE, _PAGE = 10_000, 100
_TOO_MANY = "limit of identifiers"


class SubscriptionCalls:
    """`POST` and `GET` of `/iot/api/subscriptions/details`."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.guarded: dict[tuple[str, str], Handler] = {("POST", PATH): self._by_ids, ("GET", PATH): self._listed}

    async def _by_ids(self, request: Request) -> Response:
        given = await read_object(request)
        kind, values = given.get("identifierType"), given.get("identifierValues")
        if kind not in KINDS:
            raise Problem(400, "IdentifierType can not be null" if kind is None else f"Unknown IdentifierType {kind}")
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values) or not values:
            raise Problem(400, "IdentifierValues can not be empty")
        settings = self._company.settings
        if len(values) > settings.most_identifiers:
            raise Problem(400, f"At most {settings.most_identifiers} identifiers", _TOO_MANY)
        self._company.pass_time()
        inventory = self._company.inventory
        found = [inventory.by_id[kind, each] for each in dict.fromkeys(values) if (kind, each) in inventory.by_id]
        unknown = len(set(values)) - len(found)
        if unknown and settings.unknown_identifiers == "refused":
            raise Problem(404, "Not Found", "unknown identifiers")
        groups = _groups(request)
        answer = JSONResponse({"subscriptions": [_item(each, groups) for each in found]})
        return marked(answer, *(["unknown identifiers"] if unknown else []))

    async def _listed(self, request: Request) -> Response:
        query = request.query_params
        asked, order, limit = query.get("q", ""), query.get("order", "IMSI"), query.get("limit", str(_PAGE))
        match = _QUERY.fullmatch(asked)
        if match is None or order not in KINDS:
            raise Problem(400, "Invalid query")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= _LARGEST_PAGE):
            raise Problem(400, f"limit must be between 1 and {_LARGEST_PAGE}")
        if match[1].lower() == "company" and match[2] != COMPANY:
            raise Problem(403, "You do not have access to the resource", "a company that is not the caller's")
        self._company.pass_time()
        label = None if match[1].lower() == "company" else match[2]
        behind = self._company.inventory.after(order, query.get("cursor", ""))
        wanted = (each for each in behind if label is None or each.label == label)
        shown = list(itertools.islice(wanted, int(limit) + 1))
        more, shown = len(shown) > int(limit), shown[: int(limit)]
        groups = _groups(request)
        content: dict[str, Any] = {"subscriptions": [_item(each, groups) for each in shown]}
        if more:
            fields = "".join(f"&additional_fields={group}" for group in sorted(groups))
            cursor = shown[-1].id_of(order)
            content["next"] = f"/details?q={quote(asked, safe='=')}&order={order}&limit={limit}&cursor={cursor}{fields}"
        return JSONResponse(content | {"size": len(shown)})


def _groups(request: Request) -> set[str]:
    query = request.query_params
    given = [*query.getlist("additionalFields"), *query.getlist("additional_fields")]
    return {group for text in given for group in text.split(",") if group}


def _item(subscription: Subscription, groups: set[str]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "enterprise": COMPANY,
        "iccid": subscription.icc,
        "imsi": subscription.imsi,
        "msisdn": subscription.msisdn,
        "organizationId": ORGANIZATION,
        "state": subscription.shown_as or subscription.state,
    }
    if "ENTERPRISE" in groups:
        item["enterpriseName"] = "Test Enterprise 02"
    if "LABEL" in groups and subscription.label:
        item["label"] = subscription.label
    if "DATES" in groups:
        item["lastSubscriptionChangeDateAt"] = moment(subscription.since)
        if subscription.activated_at is not None:
            item["firstActivatedAt"] = moment(subscription.activated_at)
    if "PACKAGE" in groups:
        item |= {"subscriptionPackageName": PACKAGE, "subscriptionPackageDescription": "SP Test Enterprise"}
    if "SIM_SPEC" in groups:
        item["simSpecificationId"] = "Test 0100"
    if "LOCK_STATE" in groups:
        item["subscriptionStateLocked"] = subscription.locked
    return item
