"""How the platform answers: its two kinds of errors, and who may ask."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.iot_accelerator.logins import Logins
from simtandem.emulator.stand_in import marked

DCP = "/dcpapi/rest/subscriptionManagement/v1"
VERSIONED = "application/vnd.dcp-v1+json"
INVALID, UNAUTHORIZED = 4000, 2040
_SEARCH = "/iot/api/subscriptions"
_INSTANCE = "123e4567-e89b-12d3-a456-426614174000"
Handler = Callable[[Request], Awaitable[Response]]


class Problem(Exception):
    """An error to be answered; `stand_in` says what about it is known to nobody."""

    def __init__(self, status: int, detail: str, stand_in: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.stand_in = stand_in


def problem(status: int, detail: str, path: str, stand_in: str = "") -> Response:
    """An error of `/iot/api`, or of Subscription Management, whose errors have another form."""
    if path.startswith(DCP):
        codes = {400: INVALID, 401: UNAUTHORIZED}
        content: dict[str, Any] = {"code": codes.get(status, -status), "httpStatus": status, "message": detail}
        return marked(JSONResponse(content, status), *filter(None, [stand_in, "" if status in codes else "code"]))
    content = {"status": status, "detail": detail}
    if path.startswith(_SEARCH):
        content = {
            "type": "https://www.iana.org/assignments/http-status-codes/",
            "title": HTTPStatus(status).phrase,
            **content,
            "instance": _INSTANCE,
        }
    answer = JSONResponse(content, status, media_type="application/problem+json")
    return marked(answer, *filter(None, [stand_in]))


def versioned(content: object, status: int = 200) -> Response:
    """An answer of Subscription Management."""
    return JSONResponse(content, status, media_type=VERSIONED)


async def read_object(request: Request) -> dict[str, Any]:
    """The body, which is a JSON object. Raises `Problem`."""
    try:
        content = json.loads(await request.body())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Problem(400, "Missing mandatory request parameters and/or incorrect parameter format")
    return content


def guarded(
    handlers: Mapping[tuple[str, str], Handler], logins: Callable[[], Logins]
) -> dict[tuple[str, str], Handler]:
    """The same calls, only for those who are logged in; a `Problem` is answered."""

    def guard(handler: Handler) -> Handler:
        async def guarded_handler(request: Request) -> Response:
            path = request.url.path
            try:
                _let_in(request, logins(), path)
                return await handler(request)
            except Problem as error:
                return problem(error.status, error.detail, path, error.stand_in)

        return guarded_handler

    return {call: guard(handler) for call, handler in handlers.items()}


def _let_in(request: Request, logins: Logins, path: str) -> None:
    if path.startswith(DCP):
        if not logins.accepts_access(request.headers.get("X-Access-Token", "")):
            raise Problem(401, "Unauthorized")
    elif not logins.accepts_bearer(request.headers.get("Authorization", "")):
        raise Problem(401, "Token expired" if path.startswith(_SEARCH) else "Unauthorized.")
