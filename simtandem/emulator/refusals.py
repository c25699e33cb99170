"""How the carrier refuses: the shapes of its error bodies, and its codes.

Codes, tokens and statuses are in the carrier's list of errors. Recorded answers differ from it in one thing: an id in
a path that nothing has is answered with 404 and 1401, where the list has 1201.
"""

from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

BAD_REQUEST = 1000
FORBIDDEN = 1104
TOO_MANY_REQUESTS = 1105
INVALID_FILTER = 1301
INVALID_SORT = 1302
VALIDATION_FAILED = 1400
INVALID_REFERENCE = 1401
REQUIRED = 1402
INVALID_FORMAT = 1403
DUPLICATED = 1405
NOT_ALLOWED = 1406
UNAVAILABLE = 1601

TOKENS = {
    BAD_REQUEST: "BadRequest",
    1101: "InvalidCredentials",
    1102: "InvalidToken",
    1103: "TokenExpired",
    FORBIDDEN: "Forbidden",
    TOO_MANY_REQUESTS: "TooManyRequests",
    1201: "NotFound",
    INVALID_FILTER: "InvalidQueryCriteria",
    INVALID_SORT: "InvalidSortCriteria",
    VALIDATION_FAILED: "InputValidationFailed",
    INVALID_REFERENCE: "InvalidReference",
    REQUIRED: "Required",
    INVALID_FORMAT: "InvalidFormat",
    DUPLICATED: "Duplicated",
    NOT_ALLOWED: "NotAllowed",
    UNAVAILABLE: "Unavailable",
}


class RefusalError(Exception):
    """The carrier's no to one call, to be answered as `response()`."""

    def __init__(self, status: int, code: int, message: str, errors: Sequence["RefusalError"] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, object]:
        """The error object, with its `errors` where the carrier lists several."""
        body: dict[str, object] = {
            "error_code": self.code,
            "error_token": TOKENS.get(self.code, "Unknown"),
            "message": self.message,
        }
        if self.errors is not None:
            body["errors"] = [error.body() for error in self.errors]
        return body

    def response(self) -> Response:
        """The answer as it goes out."""
        return JSONResponse(self.body(), self.status)


def bad_request(message: str) -> RefusalError:
    """What can't be read at all: a number that is none, a body that is no JSON."""
    return RefusalError(400, BAD_REQUEST, message)


def not_found(what: str, number: object) -> RefusalError:
    """An id in the path that nothing has."""
    return RefusalError(404, INVALID_REFERENCE, f"{what} with Id '{number}' not found.")


def validation_failed(message: str, errors: Sequence[RefusalError], status: int = 422) -> RefusalError:
    """A body that can be read, with what is wrong in it."""
    return RefusalError(status, VALIDATION_FAILED, message, errors)


def required(what: str, field: str) -> RefusalError:
    """A field that is missing."""
    return RefusalError(422, REQUIRED, f"{what} - {field} is required.")


def wrong_format(what: str, field: str, expected: str) -> RefusalError:
    """A field that has something else than it should."""
    return RefusalError(422, INVALID_FORMAT, f"{what} - {field} has invalid format: expecting {expected}.")


def too_many_requests(status: int = 429, *, retry_after: str | None = None) -> Response:
    """The answer to a call over a limit, and (with 401) to a login while the account is locked."""
    response = RefusalError(status, TOO_MANY_REQUESTS, "Too many requests").response()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def gateway(status: int, message: str) -> Response:
    """What the gateway in front of the carrier's application says."""
    return JSONResponse({"message": message}, status)


def edge_page(status: int) -> Response:
    """The HTML page of the network in front of it all."""
    page = (
        f"<html><head><title>{status}</title></head><body><center><h1>{status} Bad Gateway</h1></center></body></html>"
    )
    return Response(page, status, media_type="text/html")
