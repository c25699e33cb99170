"""Asking for the history of changes, and reading it."""

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.iot_accelerator.answers import Handler, Problem, read_object
from simtandem.emulator.iot_accelerator.change_feed import FeedQuery
from simtandem.emulator.iot_accelerator.company import Company
from simtandem.emulator.iot_accelerator.moments import read_moment
from simtandem.emulator.iot_accelerator.subscriptions import PACKAGE
from simtandem.emulator.stand_in import marked

PATH = "/iot/api/subscriptions/changes/requests"
DAY_S = 86_400.0
_OLDEST_S = 92 * DAY_S  # three months
_MOST, _LARGEST_PAGE = 1000, 10_000


class ChangeCalls:
    """`POST` and `GET` of `/iot/api/subscriptions/changes/requests`."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.guarded: dict[tuple[str, str], Handler] = {("POST", PATH): self._ask, ("GET", PATH + "/{id}"): self._read}

    async def _ask(self, request: Request) -> Response:
        now = self._company.pass_time()
        query = _read_query(await read_object(request), now)
        url = f"{str(request.base_url).rstrip('/')}{PATH}/{self._company.feed.accept(query)}"
        return Response(status_code=201, headers={"Location": url})

    async def _read(self, request: Request) -> Response:
        now = self._company.pass_time()
        request_id = request.path_params["id"]
        try:
            start = _start(request.query_params.get("page", ""))
            changes, then = self._company.feed.page(request_id, start, now)
        except LookupError:
            raise Problem(404, "Not Found") from None
        content: dict[str, Any] = {"changes": changes}
        if then is not None:
            page = base64.urlsafe_b64encode(str(then).encode()).decode()
            content["next"] = f"{str(request.base_url).rstrip('/')}{PATH}/{request_id}?page={page}"
        by_itself = any(not change["subscription_request_id"] for change in changes)
        return marked(JSONResponse(content), *(["type of an automatic change"] if by_itself else []))


def _start(page: str) -> int:
    if not page:
        return 0
    try:
        return int(base64.urlsafe_b64decode(page.encode()))
    except ValueError:
        raise Problem(400, "Unknown page") from None


def _read_query(given: dict[str, Any], now: float) -> FeedQuery:
    kind, identifiers, ranges = given.get("identifier_type"), given.get("identifiers"), given.get("identifier_ranges")
    if kind not in ("imsi", "subscription-package"):
        raise Problem(400, "Unknown identifier_type")
    imsis, first, last = None, "", "~"
    if kind == "subscription-package":
        if not isinstance(identifiers, list) or len(identifiers) != 1:
            raise Problem(400, "Exactly one subscription-package is allowed")
        imsis = None if identifiers == [PACKAGE] else frozenset[str]()
    elif isinstance(identifiers, list) and identifiers:
        if len(identifiers) > _MOST:
            raise Problem(400, f"At most {_MOST} identifiers are allowed")
        imsis = frozenset(map(str, identifiers))
    elif isinstance(ranges, list) and len(ranges) == 1 and isinstance(ranges[0], dict):
        first, last = str(ranges[0].get("start", "")), str(ranges[0].get("end", ""))
    else:
        raise Problem(400, "Either identifiers or one identifier range is required")
    since, until = _span(given, now)
    limit = given.get("page_limit", _LARGEST_PAGE)
    if type(limit) is not int or not 1 <= limit <= _LARGEST_PAGE:
        raise Problem(400, f"page_limit must be between 1 and {_LARGEST_PAGE}")
    operations = frozenset(map(str, given.get("changes") or ()))
    return FeedQuery(now, since, until, imsis, first, last, operations, limit)


def _span(given: dict[str, Any], now: float) -> tuple[float, float]:
    try:
        since = read_moment(given.get("since"))
        until = read_moment(given["until"]) if given.get("until") else since + DAY_S
    except ValueError:
        raise Problem(400, "since and until must be dates") from None
    if since < now - _OLDEST_S:
        raise Problem(400, "since must not be earlier than 3 months ago")
    if until <= since:
        raise Problem(400, "until must be after since")
    return since, until
